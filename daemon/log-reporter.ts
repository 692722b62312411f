/** Tells what happens as one JSON object a line, for a log file or a journal. Must never write a file's content. */
import { type DestinationStream, destination, pino } from "pino";
import { isJournal, withPriorities } from "./journal-stream.ts";
import { packageVersion } from "./module-file.ts";
import type { Reporter } from "./reporter.ts";

const STDERR = 2;

/** A reporter that writes to standard error, at once. PFS_LOG_LEVEL chooses how much; `info` if it is not set. */
export function makeLogReporter(stream: DestinationStream = standardError()): Reporter {
  const level = process.env.PFS_LOG_LEVEL || "info";
  const log = pino({ base: { pid: process.pid }, level }, stream);
  return {
    wantsChanges: log.isLevelEnabled("debug"),
    started: (store) => log.info({ store, version: packageVersion() }, "started"),
    mounted: (mount) => log.info({ ...mount }, "mounted"),
    lacks: (message) => log.warn({ operation: "mount" }, message),
    unmounted: (mount) => log.info({ ...mount }, "unmounted"),
    imported: ({ book, created, updated, unchanged }, directory) =>
      log.info({ book, directory, created, updated, unchanged }, "imported"),
    row: ({ seq, operation, book_id, path, agent_id, status }) =>
      log.debug({ seq, operation, book: book_id, path, agent: agent_id, status }, "committed"),
    refusal: (book, { code, path, agent, command, count }) =>
      log.debug({ book, code, path, agent, command, count }, "refused"),
    busy: (message) => log.warn(message),
    differs: (message) => log.warn({ operation: "check" }, message),
    fault: (operation, message) => log.error({ operation }, message),
    stopped: () => log.info("stopped"),
  };
}

function standardError(): DestinationStream {
  const stream = destination({ dest: STDERR, sync: true });
  return isJournal(STDERR) ? withPriorities(stream) : stream;
}
