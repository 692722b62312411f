/** Owns the form of `.pfs/errors.jsonl`: one refusal a line, oldest first. */
import type { ControlFile } from "./control-file.ts";

export const refusals: ControlFile = {
  name: "errors.jsonl",
  nodeid: 5,
  generate: (source) =>
    Buffer.from(
      source
        .refusals()
        .map((refusal) => `${JSON.stringify(refusal)}\n`)
        .join(""),
    ),
};
