/**
 * Owns `.pfs/audit/q/`, `.pfs/audit/agent/` and `.pfs/audit/op/`: rows of the log by what is known of them. What is asked is
 * in the name; of a pattern of paths each `/` makes a directory. Must never list what could be asked.
 */
import type { LogSearch } from "../../lib/log-search.ts";
import { PfsError } from "../../schema/errors.ts";
import { quote } from "../../schema/ids.ts";
import { type LogQuestion, parseLogQuestion } from "../../schema/log-question.ts";
import { logOperations } from "../../schema/log-row.ts";
import { AnswerFile } from "./answer-file.ts";
import { AskedDirectory } from "./asked-directory.ts";
import type { ControlDirectory, ControlFile, ControlNode } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { FixedDirectory } from "./fixed-directory.ts";

const ENDING = ".jsonl";

/**
 * `.pfs/audit/q/`, or below it what a pattern of paths has begun with.
 * @param begun what was asked so far, up to a `/`
 */
export function auditQueries(source: ControlSource, begun = ""): ControlDirectory {
  return new AskedDirectory((name) => {
    if (name.endsWith(ENDING)) return answer(source, `${begun}${name.slice(0, -ENDING.length)}`);
    const asked = `${begun}${name}`;
    // Only a pattern of paths goes on after a `/`.
    const last = asked.slice(asked.lastIndexOf("&") + 1);
    if (last.startsWith("path=")) return auditQueries(source, `${asked}/`);
    throw new PfsError(
      "NOT_FOUND",
      `${quote(asked)} is no question to the log: it does not end in ${ENDING}.`,
      {
        hint: `Ask as in agent=ann&since=2h${ENDING}.`,
      },
    );
  });
}

/** `.pfs/audit/agent/`: `<agent>.jsonl`. */
export function auditAgents(source: ControlSource): ControlDirectory {
  return new AskedDirectory((name) => answerOne(source, "agent", name));
}

/** `.pfs/audit/op/`: a file for each operation. */
export function auditOperations(source: ControlSource): ControlDirectory {
  return new OperationsDirectory(source);
}

/** It lists all there are, and says so of any other. */
class OperationsDirectory extends FixedDirectory {
  readonly #source: ControlSource;

  constructor(source: ControlSource) {
    super(logOperations.map((operation) => [`${operation}${ENDING}`, answer(source, `op=${operation}`)]));
    this.#source = source;
  }

  override find(name: string): ControlNode | undefined {
    return super.find(name) ?? answerOne(this.#source, "op", name);
  }
}

/** The answer to one question, of which the name is the value. @throws PfsError NOT_FOUND */
function answerOne(source: ControlSource, key: string, name: string): ControlFile | undefined {
  if (name.endsWith(ENDING))
    return answer(source, `${key}=${encodeURIComponent(name.slice(0, -ENDING.length))}`);
  // What programs look for everywhere is no question.
  if (name.startsWith(".")) return undefined;
  throw new PfsError("NOT_FOUND", `${quote(name)} does not end in ${ENDING}.`, {
    hint: `Ask for ${name}${ENDING}.`,
  });
}

/** @throws PfsError NOT_FOUND */
function answer(source: ControlSource, text: string): ControlFile {
  const { query, since, until } = parse(text);
  const { log, logPages, worktree, shownLayers: layers } = source;
  const { bookId } = worktree.book;
  return new AnswerFile(source, (): LogSearch => {
    const nowMs = Date.now();
    const [sinceMs, untilMs] = [since?.(nowMs), until?.(nowMs)];
    return {
      query: { ...query, bookId, ...(layers === undefined ? {} : { layers }) },
      afterSeq: sinceMs === undefined ? 0 : logPages.lastBefore(Math.max(0, sinceMs)),
      untilSeq: untilMs === undefined ? log.seq : logPages.lastBefore(Math.max(0, untilMs)),
    };
  });
}

/** A name that asks nothing is a name that is not there. */
function parse(text: string): LogQuestion {
  try {
    return parseLogQuestion(text);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    throw new PfsError("NOT_FOUND", error.message, { hint: error.hint, cause: error });
  }
}
