/**
 * The failure of the codec: a message that the protocol does not allow. Owns the class only.
 */
import { PosixError } from "../../schema/errors.ts";

/**
 * A kernel message that is shorter than what it claims to hold, or holds values that no kernel sends. It is to
 * be answered with EINVAL (or, if it has no readable header, dropped); it never ends the mount.
 */
export class ProtocolError extends PosixError {
  constructor(message: string) {
    super("EINVAL", message);
    this.name = "ProtocolError";
  }
}
