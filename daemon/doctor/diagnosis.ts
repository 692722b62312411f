/** Owns what the doctor says: one line for each thing that was looked at. Must never look at anything. */

export type DiagnosisStatus = "pass" | "warn" | "fail";

export interface Diagnosis {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly status: DiagnosisStatus;
  /** One sentence: how it is. */
  readonly message: string;
  /** One sentence: what to do; null where nothing is to be done. */
  readonly fix: string | null;
}

export function pass(check: string, message: string): Diagnosis {
  return { check, status: "pass", message, fix: null };
}

/** Something works less well, or soon will. */
export function warn(check: string, message: string, fix: string): Diagnosis {
  return { check, status: "warn", message, fix };
}

/** Something does not work, or is not safe. */
export function fail(check: string, message: string, fix: string): Diagnosis {
  return { check, status: "fail", message, fix };
}
