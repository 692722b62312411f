// A shared log in a directory that somebody rewrites who may write to its database, so that its chain fits again.

import { chain, EMPTY_HEAD } from "../../lib/remote/shared-chain.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { readAll } from "../remote/log-fixture.ts";
import type { SharedPlace } from "./shared-place.ts";

/** Gives each row another agent or hash, as `change` says. */
export async function rewriteLog(
  place: SharedPlace,
  change: (row: SharedRow) => Partial<Pick<SharedRow, "agent_id" | "new_hash">>,
): Promise<void> {
  let head = EMPTY_HEAD;
  const updates: string[] = [];
  for (const row of await readAll(place.log, BOOK)) {
    const { seq, agent_id, new_hash, entry_hash } = chain(head, { ...row, ...change(row) });
    const bytes = new_hash === null ? "NULL" : `'${new_hash}'`;
    updates.push(
      `UPDATE audit_log SET agent_id = '${agent_id}', new_hash = ${bytes}, entry_hash = '${entry_hash}'
       WHERE book_id = '${BOOK}' AND seq = ${seq}`,
    );
    head = { seq, entryHash: entry_hash };
  }
  updates.push(`UPDATE book SET entry_hash = '${head.entryHash}' WHERE book_id = '${BOOK}'`);
  place.tamper(updates.join(";"));
}
