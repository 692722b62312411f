/** Owns who answers for changes when nobody says it (R7): PFS_AGENT_ID, else the configuration, else the login name. */
import { userInfo } from "node:os";
import { PfsError } from "../schema/errors.ts";
import { type AgentName, parseAgentName } from "../schema/ids.ts";
import { readConfigDefaults } from "./config-file.ts";

/** Who that is, as help texts say it. */
export const DEFAULT_AGENT = "PFS_AGENT_ID, the configuration's, else the login name";

/**
 * @param given what the command line says
 * @throws PfsError AGENT_REQUIRED, USAGE as parseAgentName; as readConfigDefaults
 */
export function findAgent(given: string | undefined, env: NodeJS.ProcessEnv = process.env): AgentName {
  const named = given ?? env.PFS_AGENT_ID;
  if (named !== undefined) return parseAgentName(named);
  return readConfigDefaults(env).agent ?? parseAgentName(loginName());
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new PfsError("AGENT_REQUIRED", `User ${process.getuid?.()} has no login name on this machine.`, {
      hint: "Say who answers for the changes: -o agent=NAME, or PFS_AGENT_ID.",
      cause,
    });
  }
}
