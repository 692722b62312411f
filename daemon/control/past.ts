/** Owns the routes to a book's past: bring files back, remember a manifest's hash. */
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { fetchForRestore } from "../fetch-for-restore.ts";
import { currentActor } from "../plain-actor.ts";
import { check, type Route } from "./route.ts";
import { bookId, manifestBody, restoreBody } from "./shapes.ts";

export function pastRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/books/:book/restore",
      summary: 'Brings {"paths": ["content"]} back to {"reference": "2h"}; answers what it did.',
      async handle({ params, body }) {
        const { reference, paths, actor } = check(restoreBody, body);
        const asked = { bookId: check(bookId, params.book), reference, paths };
        await daemon.owner.settle(asked.bookId);
        await fetchForRestore(daemon.reader, daemon.syncer.fetcher, asked);
        const result = await daemon.host.call("restore", {
          ...asked,
          actor: actor ?? currentActor(findAgent(undefined)),
        });
        // Whoever is answered may look at a mount at once.
        await daemon.mounts.told();
        return result;
      },
    },
    {
      method: "POST",
      path: "/books/:book/manifests",
      summary:
        'Remembers that the book had {"manifest_hash": "…"} at {"position": 4711}; without them, tells those of the present.',
      async handle({ params, body }) {
        const told = check(manifestBody, body);
        const book = check(bookId, params.book);
        if (!("manifest_hash" in told)) {
          const { manifestHash, seq } = await daemon.host.call("tellManifest", { bookId: book });
          return { manifest_hash: manifestHash, position: seq };
        }
        const { manifest_hash: manifestHash, position } = told;
        await daemon.host.call("rememberManifest", { bookId: book, manifestHash, seq: position });
        return {};
      },
    },
  ];
}
