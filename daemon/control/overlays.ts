/** Owns the routes to users' overlays: list them, give up what is in one. */
import { listOverlays } from "../../lib/overlays.ts";
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import type { OverlayInput } from "../thread-calls.ts";
import { type ControlRequest, check, type Route } from "./route.ts";
import { bookId, overlayBody, userId } from "./shapes.ts";

export function overlayRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/books/:book/overlays",
      summary: "Who has an overlay over a book, and how much is in it, one a line.",
      async *handle({ params }) {
        yield* listOverlays(daemon.reader, check(bookId, params.book));
      },
    },
    {
      method: "POST",
      path: "/books/:book/overlays/:user/revert",
      summary: 'Makes the base show again: {"paths": ["content/…"]}; [""] gives up the whole overlay.',
      async *handle({ params, body }) {
        yield* await daemon.host.call("revert", overlayInput(params, body));
      },
    },
    {
      method: "POST",
      path: "/books/:book/overlays/:user/publish",
      summary: 'Does to the base what was done in the overlay: {"paths": ["content/…"]}; [""] all of it.',
      async *handle({ params, body }) {
        yield* await daemon.host.call("publishOverlay", overlayInput(params, body));
      },
    },
  ];
}

function overlayInput(params: ControlRequest["params"], body: unknown): OverlayInput {
  const { paths, actor = currentActor(findAgent(undefined)) } = check(overlayBody, body);
  return { bookId: check(bookId, params.book), userId: check(userId, params.user), paths, actor };
}
