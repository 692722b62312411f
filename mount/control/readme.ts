/** Owns the text of `.pfs/README`: what each control file is. */
import type { ControlFile } from "./control-file.ts";

const text = `This directory answers questions about the book that is mounted here. Everything in it is
read-only, and its files are made when they are opened. It is not part of the book.

README        this text
status.json   the book, its profile and agent, the position in the log, open drafts, mounts
errors.jsonl  recent refusals, one JSON object a line: when, what, which path, who, what to do
`;
const content = Buffer.from(text);

export const readme: ControlFile = {
  name: "README",
  nodeid: 3,
  generate: () => content,
};
