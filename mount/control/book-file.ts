/** Owns `.pfs/book.json`: what this book is, and how it is mounted here. */
import { profileToJson } from "../../schema/profiles.ts";
import type { ControlModule } from "./control-module.ts";
import { GeneratedFile, jsonText } from "./generated-file.ts";

export const bookFile: ControlModule = {
  name: "book.json",
  description: "the book's id and schema, and how it is mounted here: layer, agent, options",
  make: (source) =>
    new GeneratedFile(() => {
      const { book } = source.worktree;
      return jsonText({
        book: book.bookId,
        profile: book.profile.name,
        schema: profileToJson(book.profile),
        file_size_limit: book.fileSizeLimitBytes,
        created_at: book.createdAt,
        mount: source.mount(),
      });
    }),
};
