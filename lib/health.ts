/**
 * Owns the checks of a store that are quick enough to be made at any time. Must never be taken for verify.ts, which looks at
 * everything.
 */
import { PfsError } from "../schema/errors.ts";
import { canonicalJson, entryHash, GENESIS_HASH, type LogRow } from "../schema/log-row.ts";
import type { Log } from "./log.ts";
import type { Store } from "./store.ts";

export interface HealthCheck {
  readonly check: "log" | "disk";
  readonly pass: boolean;
  /** One sentence. */
  readonly message: string;
}

/** Never throws for what it checks. */
export function checkHealth(store: Store, log: Log): HealthCheck[] {
  return [checkLog(store, log), checkDisk(store)];
}

/** The end of the chain (R6), and that the log goes on from there. */
function checkLog(store: Store, log: Log): HealthCheck {
  store.read();
  const [last, before] = store.database
    .prepare("SELECT * FROM audit_log ORDER BY seq DESC LIMIT 2")
    .all() as (LogRow | undefined)[];
  const head =
    last === undefined ? GENESIS_HASH : entryHash(before?.entry_hash ?? GENESIS_HASH, canonicalJson(last));
  const pass = head === (last?.entry_hash ?? GENESIS_HASH) && head === log.head;
  return {
    check: "log",
    pass,
    message: pass
      ? `The last of ${log.seq} rows is what its hash says.`
      : `Row ${last?.seq ?? 0} of the log is not what was written; \`pfs verify\` says more.`,
  };
}

function checkDisk(store: Store): HealthCheck {
  try {
    store.checkSpace(0);
    return { check: "disk", pass: true, message: "There is space to write." };
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return { check: "disk", pass: false, message: error.message };
  }
}
