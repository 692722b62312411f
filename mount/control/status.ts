/** Owns the form of `.pfs/status.json`. */
import type { ControlFile } from "./control-file.ts";

export const status: ControlFile = {
  name: "status.json",
  nodeid: 4,
  generate: (source) => Buffer.from(`${JSON.stringify(source.status(), null, 2)}\n`),
};
