/** Owns claims on a remote in a directory, by the clock of whoever claims. Must never know what is claimed. */
import type { Database } from "better-sqlite3";
import { parseClaim } from "./log-answers.ts";
import { type Advance, CLAIM_MS, type ClaimName, type ClaimState } from "./remote-claims.ts";

export function readClaim(database: Database, name: ClaimName): ClaimState {
  const row = database
    .prepare("SELECT position, held_until > ? AS is_held FROM claim WHERE name = ?")
    .get(Date.now(), name) as { position: unknown; is_held: number } | undefined;
  return row === undefined
    ? { position: 0, isHeld: false }
    : parseClaim({ ...row, is_held: row.is_held === 1 });
}

export function claim(database: Database, name: ClaimName, holder: string): number | undefined {
  const position = database
    .prepare(
      `INSERT INTO claim (name, holder, held_until) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
       WHERE holder = excluded.holder OR held_until <= ? RETURNING position`,
    )
    .pluck()
    .get(name, holder, Date.now() + CLAIM_MS, Date.now());
  return position === undefined ? undefined : parseClaim({ position, is_held: true }).position;
}

export function advanceClaim(
  database: Database,
  name: ClaimName,
  { holder, from, to, isLast }: Advance,
): boolean {
  const now = Date.now();
  const { changes } = database
    .prepare(
      "UPDATE claim SET position = ?, held_until = ? WHERE name = ? AND holder = ? AND held_until > ? AND position = ?",
    )
    .run(to, isLast ? now : now + CLAIM_MS, name, holder, now, from);
  return changes === 1;
}

export function retractClaim(database: Database, name: ClaimName, to: number): void {
  database.prepare("UPDATE claim SET position = min(position, ?) WHERE name = ?").run(to, name);
}
