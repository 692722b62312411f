/** Owns the routes to sync: where books are shared, and doing it now. */
import type { Daemon } from "../daemon.ts";
import { examineRemotes, remotesOf } from "../doctor/remotes.ts";
import { reportOf } from "../error-report.ts";
import type { FetchAnswer } from "../fetch-answer.ts";
import { addRemote } from "../shared-books.ts";
import { type CloneEvent, cloneEvents, prefetchEvents, type SyncEvent, syncEvents } from "../sync-events.ts";
import { check, type Route } from "./route.ts";
import { bookId, cloneBody, fetchBody, prefetchBody, remoteBody, syncBody } from "./shapes.ts";

export function syncRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/sync",
      summary: "The books that are shared, with what waits and what went wrong, one a line.",
      async *handle() {
        yield* daemon.syncer.status();
      },
    },
    {
      method: "GET",
      path: "/remotes",
      summary:
        "Asks all remotes whether they answer and may be written, as `pfs doctor` says it, one line for each.",
      async *handle() {
        yield* await examineRemotes(remotesOf(daemon.reader), daemon.storeDirectory);
      },
    },
    {
      method: "POST",
      path: "/books/:book/remote",
      summary: 'Shares a book: {"log": "postgres://…", "blobs": "s3://…"}; without a password.',
      async handle({ params, body }) {
        const { log: logUrl, blobs: blobsUrl } = check(remoteBody, body);
        const book = check(bookId, params.book);
        const shared = await addRemote(daemon.owner, { bookId: book, urls: { logUrl, blobsUrl } });
        daemon.syncer.book(book);
        return shared;
      },
    },
    {
      method: "DELETE",
      path: "/books/:book/remote",
      summary: "Ends to share a book; it stays as it is, here and there.",
      async handle({ params }) {
        const book = check(bookId, params.book);
        daemon.refuseUnsharing(book);
        return await daemon.syncer.remove(book);
      },
    },
    {
      method: "POST",
      path: "/books/:book/sync",
      summary:
        'Syncs a book now: {"kind": "push"} or {"kind": "pull"}; answers progress and a summary, one a line.',
      async *handle({ params, body }): AsyncGenerator<SyncEvent, void> {
        const { kind } = check(syncBody, body);
        const book = daemon.syncer.book(check(bookId, params.book));
        yield* syncEvents(book.sync, kind);
        book.succeeded();
      },
    },
    {
      method: "POST",
      path: "/books/:book/prefetch",
      summary:
        'Fetches all bytes of a book that are on its remote only; {"history": true}: of older versions, too; answers progress and a summary, one a line.',
      handle({ params, body }) {
        const { history } = check(prefetchBody, body);
        return prefetchEvents(daemon.syncer.book(check(bookId, params.book)).sync, history);
      },
    },
    {
      method: "POST",
      path: "/blobs/fetch",
      summary:
        'Fetches {"hashes": ["…"]} that are on a remote only; answers those that could not be had, and why.',
      async handle({ body }): Promise<FetchAnswer> {
        const { hashes } = check(fetchBody, body);
        const failures = await daemon.syncer.fetcher.fetch(hashes);
        return { failures: [...failures].map(([hash, error]) => ({ hash, failure: reportOf(error) })) };
      },
    },
    {
      method: "POST",
      path: "/clone",
      summary:
        'Brings a shared book: {"book": "my-book", "log": "postgres://…", "blobs": "s3://…"}; answers progress and a summary, one a line.',
      async *handle({ body }): AsyncGenerator<CloneEvent, void> {
        const { book, log: logUrl, blobs: blobsUrl } = check(cloneBody, body);
        const request = { bookId: book, urls: { logUrl, blobsUrl } };
        yield* cloneEvents(daemon.owner, request, () => daemon.syncer.book(book));
      },
    },
  ];
}
