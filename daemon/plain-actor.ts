/** Owns who a command acts for: as plain data that crosses threads and processes, and as the book wants it. */
import { parse } from "node:path";
import type { Actor } from "../lib/node.ts";
import type { AgentName } from "../schema/ids.ts";
import type { PlainActor } from "./thread-calls.ts";

/** The actor that plain data describes. */
export function actorFrom({ agent, uid, gid, pid, command }: PlainActor): Actor {
  return { agent, uid, gid, pid, command: () => command, origin: undefined };
}

/** This process, acting for `agent`. */
export function currentActor(agent: AgentName): PlainActor {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  return { agent, uid, gid, pid: process.pid, command: parse(process.argv[1] ?? "pfs").name };
}
