/** Owns claims on a remote in PostgreSQL, by the server's clock. Must never know what is claimed. */
import { parseClaim } from "./log-answers.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { type Advance, CLAIM_MS, type ClaimName, type ClaimState } from "./remote-claims.ts";

/** Milliseconds since 1970. */
const NOW = "(extract(epoch FROM now()) * 1000)::bigint";
const UNTIL = `${NOW} + ${CLAIM_MS}`;

export async function readClaim(database: PostgresDatabase, name: ClaimName): Promise<ClaimState> {
  const [row] = await database.query(
    `SELECT position, held_until > ${NOW} AS is_held FROM pfs.claim WHERE name = $1`,
    [name],
  );
  return parseClaim(row ?? { position: 0, is_held: false });
}

export async function claim(
  database: PostgresDatabase,
  name: ClaimName,
  holder: string,
): Promise<number | undefined> {
  const [row] = await database.query(
    `INSERT INTO pfs.claim AS c (name, holder, held_until) VALUES ($1, $2, ${UNTIL})
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
     WHERE c.holder = excluded.holder OR c.held_until <= ${NOW} RETURNING position, true AS is_held`,
    [name, holder],
  );
  return row === undefined ? undefined : parseClaim(row).position;
}

export async function advanceClaim(
  database: PostgresDatabase,
  name: ClaimName,
  { holder, from, to, isLast }: Advance,
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE pfs.claim SET position = $4, held_until = ${isLast ? NOW : UNTIL}
     WHERE name = $1 AND holder = $2 AND held_until > ${NOW} AND position = $3 RETURNING 1`,
    [name, holder, from, to],
  );
  return rows.length === 1;
}

export async function retractClaim(database: PostgresDatabase, name: ClaimName, to: number): Promise<void> {
  await database.query("UPDATE pfs.claim SET position = least(position, $2) WHERE name = $1", [name, to]);
}
