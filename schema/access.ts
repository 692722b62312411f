/**
 * Owns who of a machine's other Unix users may mount what, as rules, and what they say of a request. Must never ask the
 * system who somebody is.
 */
import { PfsError } from "./errors.ts";
import { type AgentName, type BookId, quote, type UserId } from "./ids.ts";

/** What one Unix user may mount. */
export interface AccessRule {
  /** A login name. */
  readonly unixUser: string;
  /** undefined: every book of the store. */
  readonly bookIds: readonly BookId[] | undefined;
  /** Whose overlays. The base alone is nobody's: on it each overlay can be read. */
  readonly userIds: readonly UserId[];
  /** Who may be named as answerable; the first is, where nobody is named. */
  readonly agents: readonly AgentName[];
}

/** Other Unix users of the machine mount by a socket of their own, each what the rules admit. */
export interface Access {
  /** Path of the socket, absolute. */
  readonly socket: string;
  readonly rules: readonly AccessRule[];
}

/** What somebody asks to mount. */
export interface AccessRequest {
  readonly bookId: BookId;
  readonly userId: UserId | undefined;
  /** undefined: whoever the rules name first. */
  readonly agent: AgentName | undefined;
  readonly allowOther: boolean;
}

/**
 * Who answers for what is changed through a mount that the rules admit.
 * @param rules those of the Unix user who asks
 * @throws PfsError NOT_PERMITTED, in a sentence that tells of nobody else's rules
 */
export function admitMount(
  rules: readonly AccessRule[],
  { bookId, userId, agent, allowOther }: AccessRequest,
): AgentName {
  if (rules.length === 0) throw refused("Your Unix user may mount nothing here");
  if (allowOther) throw refused("A mount that is made for you is for you alone: allow_other is not possible");
  if (userId === undefined) throw refused("Only an overlay may be mounted, named as in user=NAME");
  const ofUser = rules.filter(
    ({ userIds, bookIds }) => userIds.includes(userId) && (bookIds === undefined || bookIds.includes(bookId)),
  );
  if (ofUser.length === 0) throw refused(`Your Unix user may not mount ${bookId} as ${userId}`);
  const admitted = ofUser.find(({ agents }) => agent === undefined || agents.includes(agent));
  const named = agent ?? admitted?.agents[0];
  if (admitted === undefined || named === undefined)
    throw refused(`Your Unix user may not name the agent ${quote(agent ?? "")}`);
  return named;
}

function refused(what: string): PfsError {
  return new PfsError("NOT_PERMITTED", `${what}.`, {
    hint: "The daemon's configuration decides it, under `access`: ask who keeps that.",
  });
}
