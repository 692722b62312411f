/** Owns the routes to the books of the store: list, make, and what is in one. */
import type { Daemon } from "../daemon.ts";
import { fileJson } from "../file-json.ts";
import { SETTLE_AGE_MS } from "../settle-age.ts";
import { check, type Route } from "./route.ts";
import { bookBody, bookId } from "./shapes.ts";

export function bookRoutes(daemon: Daemon): Route[] {
  const { host, reader } = daemon;
  return [
    {
      method: "GET",
      path: "/books",
      summary: "The books, one a line.",
      async *handle() {
        for (const book of reader.listBooks()) {
          const { files, sizeBytes } = reader.countFiles(book.bookId);
          yield { book: book.bookId, profile: book.profile.name, files, size_bytes: sizeBytes };
        }
      },
    },
    {
      method: "POST",
      path: "/books",
      summary: 'Makes a book: {"book": "my-book", "schema": "strict"}.',
      async handle({ body }) {
        const { book, schema } = check(bookBody, body);
        const { profile } = await host.call("createBook", { bookId: book, profileJson: schema });
        return { book, profile };
      },
    },
    {
      method: "GET",
      path: "/books/:book/files",
      summary: "The files of a book, one a line; ?path=… for one directory or file.",
      async *handle({ params, query }) {
        const book = check(bookId, params.book);
        await host.call("settle", { bookId: book, minimumAgeMs: SETTLE_AGE_MS });
        for (const file of reader.filesOf(book, query.get("path") ?? "")) yield fileJson(file);
      },
    },
  ];
}
