/** Owns what every command's file needs of the program that it is added to. */
import type { Command } from "commander";
import type { Context } from "./context.ts";

/** The context for a command that runs, from the options before and after its name. */
export type ContextOf = (command: Command) => Context;
