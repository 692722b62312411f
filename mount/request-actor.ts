/**
 * Owns who a kernel request is done for: the mount's agent, and the user and process that the request names.
 * Must never read /proc before somebody asks.
 */
import type { Actor } from "../lib/node.ts";
import type { AgentName } from "../schema/ids.ts";
import type { CheckMode } from "../schema/mount-options.ts";
import { commandOf, processIdOf } from "./process-names.ts";

/** The ids of a request's header. `pid` is a thread's id. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export class RequestActor implements Actor {
  readonly agent: AgentName;
  readonly origin: object;
  readonly hidesBase: boolean;
  readonly check: CheckMode | undefined;
  readonly uid: number;
  readonly gid: number;
  /** The thread that asked, as the kernel names it. */
  readonly tid: number;
  #pid: number | undefined;
  #command: string | undefined;

  constructor(
    agent: AgentName,
    origin: object,
    { uid, gid, pid }: Credentials,
    { hidesBase = false, check }: Pick<Actor, "hidesBase" | "check"> = {},
  ) {
    this.agent = agent;
    this.origin = origin;
    this.hidesBase = hidesBase;
    this.check = check;
    this.uid = uid;
    this.gid = gid;
    this.tid = pid;
  }

  get pid(): number {
    this.#pid ??= processIdOf(this.tid);
    return this.#pid;
  }

  command(): string {
    this.#command ??= commandOf(this.tid);
    return this.#command;
  }

  /** Reads what the log may need while the process is sure to be there. */
  capture(): void {
    this.#pid ??= processIdOf(this.tid);
    this.#command ??= commandOf(this.tid);
  }
}
