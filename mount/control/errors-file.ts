/** Owns `.pfs/errors.jsonl`: one recent refusal a line, oldest first. */
import type { ControlModule } from "./control-module.ts";
import { GeneratedFile } from "./generated-file.ts";

export const errorsFile: ControlModule = {
  name: "errors.jsonl",
  description: "recent refusals, one JSON object a line: when, what, which path, who, what to do",
  make: ({ worktree }) =>
    new GeneratedFile(() =>
      worktree.refusals
        .list()
        .map((refusal) => `${JSON.stringify(refusal)}\n`)
        .join(""),
    ),
};
