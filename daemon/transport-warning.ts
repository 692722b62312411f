/** Owns what is said of a mount whose transport does not give what is promised. */
import type { MountOptions } from "../schema/mount-options.ts";

const NO_IDENTITY =
  "fuse-native does not say which program saves, nor takes word of changes: nothing is checked by who has read what (check=off), " +
  "and all that programs ask for is asked anew.";

/** Whole sentences; undefined: there is nothing to say. */
export function transportWarning({ transport }: Pick<MountOptions, "transport">): string | undefined {
  return transport === "fuse-native" ? NO_IDENTITY : undefined;
}
