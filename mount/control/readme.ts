/** Owns `.pfs/README`: what each control file is, from what the modules say of themselves. */
import type { ControlModule } from "./control-module.ts";
import { GeneratedFile } from "./generated-file.ts";

const NAME_COLUMN = 14;
const INTRODUCTION = `This directory answers questions about the book that is mounted here. Its files are made when they are opened, and
stay as they are for whoever has them open. It is read-only, and not part of the book.
`;

/** README of a mount that has these modules. */
export function readmeOf(modules: readonly ControlModule[]): GeneratedFile {
  const own = { name: "README", description: "this text" };
  const text = `${INTRODUCTION}\n${[own, ...modules].map(entry).join("")}`;
  return new GeneratedFile(() => text);
}

function entry({ name, description }: Pick<ControlModule, "name" | "description">): string {
  const [first, ...more] = description.split("\n");
  const indent = `\n${" ".repeat(NAME_COLUMN)}`;
  return `${name.padEnd(NAME_COLUMN - 1)} ${[first, ...more].join(indent)}\n`;
}
