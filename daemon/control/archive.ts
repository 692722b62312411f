/** Owns the route to a book as a ZIP archive. */
import { findArchive } from "../../lib/archive/archive-request.ts";
import { BookArchive } from "../../lib/archive/book-archive.ts";
import { StoreReader } from "../../lib/reader.ts";
import type { Daemon } from "../daemon.ts";
import { SETTLE_AGE_MS } from "../settle-age.ts";
import { ByteAnswer } from "./byte-answer.ts";
import { check, type Route } from "./route.ts";
import { archiveQuery, bookId } from "./shapes.ts";

export function archiveRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/books/:book/archive",
      summary:
        "The book as a ZIP archive; ?scope=&user=&at=&timeout=&resume=. Trailers: pfs-errors, pfs-resume.",
      async handle({ params, query }) {
        const startedMs = performance.now();
        const book = check(bookId, params.book);
        const { scope, user, at, timeout, resume } = check(archiveQuery, Object.fromEntries(query));
        await daemon.host.call("settle", { bookId: book, minimumAgeMs: SETTLE_AGE_MS });
        // Of its own, as it is used while others are.
        const reader = StoreReader.openBeside(daemon.storeDirectory);
        reader.fetcher = daemon.syncer.fetcher;
        try {
          const asked = findArchive(reader, { bookId: book, scope, userId: user, reference: at, resume });
          const { view, survey, after, part, fileName } = asked;
          if (view.userId === undefined) {
            const { manifestHash } = survey;
            await daemon.host.call("rememberManifest", { bookId: book, manifestHash, seq: view.seq });
          }
          const deadlineMs = timeout === undefined ? Number.POSITIVE_INFINITY : startedMs + timeout * 1000;
          const archive = new BookArchive(reader, view, { after, part, deadlineMs });
          const ended = daemon.archives.begin();
          return new ByteAnswer({
            contentType: "application/zip",
            fileName,
            bytes: archive.bytes(),
            trailers: {
              "pfs-errors": () => String(archive.outcome.errors.length),
              "pfs-resume": () => archive.outcome.resume ?? "",
            },
            onEnd: () => {
              reader.close();
              ended(archive.isWhole ? "whole" : "partial");
            },
          });
        } catch (error) {
          reader.close();
          throw error;
        }
      },
    },
  ];
}
