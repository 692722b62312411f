/** Owns `.pfs/audit/`: what can be asked of the log. */
import { auditPaths } from "./audit-paths.ts";
import { auditAgents, auditOperations, auditQueries } from "./audit-queries.ts";
import { auditSince } from "./audit-since.ts";
import { AuditVerify } from "./audit-verify.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlFile } from "./control-node.ts";
import { FixedDirectory } from "./fixed-directory.ts";
import { GeneratedFile, jsonText } from "./generated-file.ts";
import { logRows } from "./log-rows.ts";

export const auditDirectory: ControlModule = {
  name: "audit",
  description:
    "the log, one row a line, oldest first: all.jsonl, path/<path>.jsonl for one path of the book,\n" +
    "since/<ISO time, or age such as 2h>.jsonl, agent/<agent>.jsonl, op/<operation>.jsonl,\n" +
    "q/<agent=A&op=O&user=U&status=refused&since=2h&until=1h&path=content/**>.jsonl with any of these.\n" +
    "verify: whether the chain is whole, checked each time.\n" +
    "head: the last row and its hash, signed; `pfs verify --head FILE` shows later that the log extends it",
  make: (source) => {
    const { log, signer, shownLayers } = source;
    return new FixedDirectory([
      ["head", new GeneratedFile(() => jsonText(signer.sign({ seq: log.seq, entryHash: log.head })))],
      ["all.jsonl", logRows(source, {}) as ControlFile],
      ["path", auditPaths(source)],
      ["since", auditSince(source)],
      ["agent", auditAgents(source)],
      ["op", auditOperations(source)],
      ["q", auditQueries(source)],
      ["verify", new AuditVerify(() => log.seq, shownLayers === undefined)],
    ]);
  },
};
