/**
 * Owns what the profile `docusaurus` admits: what real Docusaurus books hold beside numbered lessons, and what is
 * plainly foreign to them. Data only; must never read a path.
 */

const topFolders = [
  "content docs blog src i18n assets community tutorial tutorials guides guide api reference showcase examples",
  "plugins theme themes components config scripts data lib img images media public resources templates styles css",
  "quizzes quiz flashcards exercises labs slides summaries lessons chapters pages news releases changelog faq help",
  "sidebars specs openapi tests patches fixtures snippets partials utils",
]
  .join(" ")
  .replaceAll(" ", "|");

/** Compiled with hidden names closed: only the ones that begin with a dot here are admitted. */
export const docusaurusPatterns: readonly string[] = [
  "{any}",
  "static/**/{any}",
  `(${topFolders})/**/{any}`,
  "*versioned_docs/**/{any}",
  "*versioned_sidebars/**/{any}",
  "docs-*/**/{any}",
  "*-docs/**/{any}",
  // Hidden names that the template of create-docusaurus and its hosts come with.
  ".gitignore",
  `(static|${topFolders})/**/.gitkeep`,
  "static/.nojekyll",
  "static/.well-known/**/{any}",
];

/** Endings, in lower case, that files outside of static/ have. */
const endings = {
  text: "md mdx markdown txt rst adoc bib tex vtt srt",
  images: "png jpg jpeg gif svg webp avif bmp ico apng tif tiff drawio excalidraw puml plantuml mmd dot",
  media: "mp4 webm mov m4v ogv mp3 m4a ogg oga wav flac opus",
  documents: "pdf epub pptx ppt odp key docx doc odt xlsx xls ods",
  data: "json json5 jsonc jsonl ndjson yaml yml toml lock lockb csv tsv xml ini cfg conf geojson ipynb sql graphql gql proto http rest env",
  code: "js jsx mjs cjs ts tsx mts cts css scss sass less styl html htm vue svelte astro map py rb go rs java kt c h cc cpp hpp cs php sh bash zsh ps1 r jl lua swift dart tf hcl prisma wgsl glsl diff patch po pot ftl",
  fonts: "woff woff2 ttf otf eot",
};

export const fileEndings: ReadonlySet<string> = listed(Object.values(endings).join(" "));

/** Files outside of static/ that need no ending. */
export const plainNames: ReadonlySet<string> = listed(
  "LICENSE LICENCE NOTICE AUTHORS CONTRIBUTORS CODEOWNERS CHANGELOG README CNAME VERSION Makefile Dockerfile Procfile Caddyfile Gemfile Justfile _redirects _headers",
);

/** Folders that a tool makes again by itself. */
export const foreignFolders: ReadonlySet<string> = new Set([
  "node_modules",
  "__pycache__",
  "__MACOSX",
  "bower_components",
]);

/** Files that a desktop leaves behind. */
export const foreignFiles: ReadonlySet<string> = new Set([
  "thumbs.db",
  "desktop.ini",
  "ehthumbs.db",
  "nohup.out",
  "core",
]);

function listed(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** Endings, in lower case, that no file of a book has. */
export const foreignEndings: Readonly<Record<"backup" | "executable", ReadonlySet<string>>> = {
  backup: listed(
    "bak bck backup old orig rej save sav swp swo tmp temp part partial crdownload download autosave lnk",
  ),
  executable: listed(
    "exe dll so dylib com msi bat cmd scr pif app apk deb rpm dmg iso img o obj a class jar pyc pyo elf",
  ),
};

/** Endings of archives, in lower case: downloads below static/, foreign elsewhere. */
export const archiveEndings: ReadonlySet<string> = listed(
  "zip tar gz tgz bz2 tbz xz txz 7z rar zst lz4 lzma cab",
);
