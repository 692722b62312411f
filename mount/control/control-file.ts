/**
 * Owns what one control file is: its fixed place in `.pfs/` and how its content is made. Must never hold content.
 */
import type { ControlSource } from "./control-source.ts";

export interface ControlFile {
  readonly name: string;
  /** Inode number and node id: fixed, below 2^32, never given to another file. 1 is the root, 2 `.pfs` itself. */
  readonly nodeid: number;
  /** The whole content as of now. */
  generate(source: ControlSource): Buffer;
}
