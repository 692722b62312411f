/** Owns `.pfs/audit/since/`: `<time>.jsonl` with the rows of the log from that time on. */
import { PfsError } from "../../schema/errors.ts";
import { quote } from "../../schema/ids.ts";
import { parseTime } from "../../schema/reference.ts";
import { AskedDirectory } from "./asked-directory.ts";
import type { ControlDirectory } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { logRows } from "./log-rows.ts";

const ENDING = ".jsonl";

export function auditSince(source: ControlSource): ControlDirectory {
  return new AskedDirectory((name) => {
    // What programs look for everywhere is no question.
    if (name.startsWith(".")) return undefined;
    const isAsked = name.endsWith(ENDING);
    const text = isAsked ? name.slice(0, -ENDING.length) : name;
    const timeMs = parseTime(text)?.(Date.now());
    if (!isAsked || timeMs === undefined) {
      const reason = isAsked ? "is no time" : `does not end in ${ENDING}`;
      throw new PfsError("NOT_FOUND", `${quote(text)} ${reason}.`, {
        hint: `Ask for an ISO time or an age, such as 2025-11-25T21:46:00Z${ENDING} or 2h${ENDING}.`,
      });
    }
    return logRows(source, { afterSeq: source.logPages.lastBefore(Math.max(0, timeMs)) });
  });
}
