/**
 * Owns the rows that refusals have in the log: one where the path could be one of the book's, and one more for all that
 * came again soon after. They carry the current hash on both sides (R6).
 */
import type { PfsError } from "../../schema/errors.ts";
import type { Actor } from "../node.ts";
import type { RefusedOperation } from "./refusals.ts";
import type { Tree } from "./tree.ts";

/** The row of a new refusal. */
export function logRefusal(tree: Tree, error: PfsError, refused: RefusedOperation, actor: Actor): void {
  append(tree, `${error.code}: ${error.message}`, refused, actor);
}

/** The rows of what was refused again, if the first time was `minimumAgeMs` ago or longer. */
export function logRepeats(tree: Tree, minimumAgeMs: number): void {
  const startedMs = performance.now();
  tree.refusals.settle(minimumAgeMs, ({ refusal, operation, actor, more }) => {
    const { code, message, path, time } = refusal;
    const text = `${code}: ${message} Refused ${more} more ${more === 1 ? "time" : "times"} until ${time}.`;
    append(tree, text, { operation, path, startedMs }, actor);
  });
}

function append(
  tree: Tree,
  errorMessage: string,
  { operation, path, startedMs }: RefusedOperation,
  actor: Actor,
): void {
  // Also of a path that nobody sees any more because it was vacated: for the log its file is still there (R6).
  const row = tree.journal.get(path);
  const currentHash = row?.sha256 ?? null;
  tree.store.transaction(() =>
    tree.log.append(
      {
        operation,
        bookId: tree.book.bookId,
        path,
        userId: tree.layer,
        prevHash: currentHash,
        newHash: currentHash,
        status: "refused",
        errorMessage,
        startedMs,
        fileId: row?.fileId ?? null,
      },
      actor,
    ),
  );
}
