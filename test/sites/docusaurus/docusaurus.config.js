// A site whose lessons and static files are a mounted book; all else is a site like any other. PFS_BOOK is where the book
// is mounted. The lines that make the difference are those that README.md shows.

const book = process.env.PFS_BOOK;
if (!book) throw new Error("PFS_BOOK must be the directory on which the book is mounted");

export default {
  title: "Writing together",
  url: "http://localhost",
  baseUrl: "/",
  onBrokenLinks: "throw",
  presets: [["classic", { docs: { path: `${book}/content`, routeBasePath: "/" }, blog: false }]],
  staticDirectories: ["static", `${book}/static`],
  themeConfig: { navbar: { title: "Writing together" } },
};
