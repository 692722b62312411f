/**
 * Owns a push: the outbox of a book is sent to its remote, bytes before the rows that name them (B1), each row once whatever
 * was cut off in between (O1). Has no time of its own: it is a step, to be taken again when it fails.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";
import { readOutbox } from "../outbox.ts";
import type { Appended } from "../remote/remote-log.ts";
import { headBehind } from "../remote/shared-chain.ts";
import { passStep } from "../step.ts";
import type { FollowCounts } from "../worktree/follow-remote.ts";
import { assureSent } from "./assure-sent.ts";
import { CollectionFence } from "./collection-fence.ts";
import { addCounts, NOTHING, pull, pulledHeadOf } from "./pull.ts";
import { putBlobs, sendBlobs } from "./send-blobs.ts";
import { PUSH_ROWS, type SyncParts } from "./sync-parts.ts";

export interface Pushed {
  /** Rows. */
  readonly pushed: number;
  readonly pulled: FollowCounts;
}

/**
 * Pulls, and pushes until nothing waits; pulls again where somebody else was first.
 * @throws PfsError as {@link pull}; STORE_DAMAGED: the remote refuses what fits everything that it has
 */
export async function push(parts: SyncParts): Promise<Pushed> {
  const { reader, bookId, storeId, log, owner, signal, sent: notes, pageRows = PUSH_ROWS } = parts;
  let pushed = 0;
  const pulled = { ...NOTHING };
  for (let refusedAt: number | undefined; ; ) {
    addCounts(pulled, await pull(parts));
    await assureSent(parts);
    const rows = readOutbox(reader.database, bookId, storeId, pageRows);
    if (rows.length === 0) return { pushed, pulled };
    const fence = await CollectionFence.setUp(log);
    const sent = await sendBlobs(parts, rows);
    passStep("push.all-put");
    const pulledHead = pulledHeadOf(parts);
    const outcome = await append(log, bookId, rows, pulledHead.seq);
    if ("refusal" in outcome) {
      // Somebody was first, whose rows the next pull brings; or nobody was.
      if (refusedAt === pulledHead.seq) throw outcome.refusal;
      refusedAt = pulledHead.seq;
      continue;
    }
    passStep("push.appended");
    // What was found there may have been garbage until now.
    if (!(await fence.holds(signal))) await putBlobs(parts, sent);
    passStep("push.fenced");
    const pairs = rows.map((row, index) => ({
      seq: row.origin_seq,
      sharedSeq: outcome.seqs[index] as number,
    }));
    await owner.noteShared(
      bookId,
      pairs,
      sent.map(({ hash }) => hash),
      headBehind(pulledHead, rows, outcome.seqs),
    );
    passStep("push.shared");
    notes?.clear();
    pushed += rows.length;
    parts.onProgress?.({ type: "pushed", rows: rows.length });
  }
}

type Outcome = Extract<Appended, { type: "appended" }> | { readonly refusal: PfsError };

async function append(
  log: SyncParts["log"],
  bookId: BookId,
  rows: readonly RowToShare[],
  pulledSeq: number,
): Promise<Outcome> {
  try {
    const outcome = await log.append(bookId, rows, pulledSeq);
    return outcome.type === "moved" ? { refusal: stuck(rows[outcome.index]) } : outcome;
  } catch (error) {
    // An append that was given up may have been done after all, later than the pull that looked for it.
    if (error instanceof PfsError && error.code === "STORE_DAMAGED") return { refusal: error };
    throw error;
  }
}

function stuck(row: RowToShare | undefined): PfsError {
  return new PfsError(
    "STORE_DAMAGED",
    `The remote refuses a change of ${row?.path} although nobody else has changed it since.`,
    {
      path: row?.path,
      hint: "Compare `pfs log` of that path here and on another machine. Nothing is lost; what is saved here waits.",
    },
  );
}
