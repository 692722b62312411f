/**
 * Owns what the control files ask of whoever made the mount. Must never say how a file looks.
 */

/** Answers the questions that the files in `.pfs/` put; asked at each look at such a file, so answers must be cheap. */
export interface ControlSource {
  /** Book, profile, agent, position in the log, drafts, mounts: what `status.json` shows. */
  status(): object;
  /** Recent refusals, oldest first: the lines of `errors.jsonl`. */
  refusals(): readonly object[];
}
