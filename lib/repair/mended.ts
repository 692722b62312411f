/** Owns how mending is told. */
import type { Rule } from "../verify.ts";

/** Something that is right again. */
export interface Mended {
  /** The rule that was broken. */
  readonly rule: Rule;
  /** As in what verify finds. */
  readonly subject: string;
  /** One sentence: what was done. */
  readonly message: string;
}

export type Tell = (rule: Rule, subject: string, message: string) => void;
