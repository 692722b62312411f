/** Owns asking for what a name means where names are questions. Must never answer. */
import { PfsError } from "../../schema/errors.ts";

/** What `find` finds. What it does not understand, or what may mean several things, is not there for whoever opens a name. */
export function answer<Found>(find: () => Found): Found {
  try {
    return find();
  } catch (error) {
    if (error instanceof PfsError && error.code === "USAGE")
      throw new PfsError("NOT_FOUND", error.message, { hint: error.hint, cause: error });
    throw error;
  }
}
