/** Owns how a row of the log is told to people. */
import { BASE } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import { type Cell, styled } from "./style.ts";

/** The lines that tell a row, without its position; the second says why it was refused. */
export function logLines(row: LogRow, time: string): Cell[][] {
  const { operation, status, error_message, user_id } = row;
  const isRefused = status === "refused";
  const verb = (isRefused ? "refused" : operation).padEnd(10);
  const whose = user_id === BASE ? "" : `[${user_id}] `;
  const line = [
    styled("dim", time),
    isRefused ? styled("red", verb) : verb,
    `${whose}${pathOf(row)}`,
    styled("dim", `(${whoDid(row)})`),
  ];
  return error_message === null ? [line] : [line, [`${" ".repeat(6)}${operation}: ${error_message}`]];
}

/** The agent, and the program if it is known: of what another machine did it is not. */
export function whoDid({ agent_id, command }: LogRow): string {
  return command === null || command === "" ? agent_id : `${agent_id}, ${command}`;
}

function pathOf(row: LogRow): string {
  const { operation, path, prev_path, status } = row;
  if (isMoveAway(row)) return `${path} (moved away)`;
  return operation === "rename" && status === "ok" && prev_path !== null ? `${prev_path} → ${path}` : path;
}

/** A rename is two rows; the one of the new name says it all. */
export function isMoveAway({ operation, status, new_hash }: LogRow): boolean {
  return operation === "rename" && status === "ok" && new_hash === null;
}
