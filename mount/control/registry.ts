/** Owns the list of what is in `.pfs/`: one module for each name, in the order of README and of listings. */
import { archiveFiles } from "./archive-files.ts";
import { auditDirectory } from "./audit-directory.ts";
import { baseDirectory } from "./base-directory.ts";
import { bookFile } from "./book-file.ts";
import { conflictsDirectory } from "./conflicts-directory.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlDirectory, ControlNode } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { errorsFile } from "./errors-file.ts";
import { FixedDirectory } from "./fixed-directory.ts";
import { healthFile } from "./health-file.ts";
import { manifestFile, manifestHashFile } from "./manifest-files.ts";
import { manifestJson } from "./manifest-json.ts";
import { metricsFile } from "./metrics-file.ts";
import { overlayDirectory } from "./overlay-directory.ts";
import { overlaysDirectory } from "./overlays-directory.ts";
import { pastStates } from "./past-states.ts";
import { planDirectory } from "./plan-directory.ts";
import { readmeOf } from "./readme.ts";
import { statusFile } from "./status-file.ts";

const modules: readonly ControlModule[] = [
  bookFile,
  statusFile,
  healthFile,
  errorsFile,
  manifestFile,
  manifestHashFile,
  manifestJson,
  planDirectory,
  conflictsDirectory,
  auditDirectory,
  pastStates,
  baseDirectory,
  overlayDirectory,
  overlaysDirectory,
  ...archiveFiles,
  metricsFile,
];

/** `.pfs/` of one mount. */
export function controlDirectory(source: ControlSource): ControlDirectory {
  const made: [ControlModule, ControlNode][] = [];
  for (const module of modules) {
    const node = module.make(source);
    if (node !== undefined) made.push([module, node]);
  }
  const readme = readmeOf(made.map(([module]) => module));
  return new FixedDirectory([["README", readme], ...made.map(([{ name }, node]) => [name, node] as const)]);
}
