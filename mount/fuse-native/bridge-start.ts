/** What the daemon tells the process that mounts with fuse-native: its one argument, and the socket that it inherits. */

/** The first after stdin, stdout and stderr. */
export const SOCKET_FD = 3;

export interface BridgeStart {
  readonly mountPoint: string;
  /** What `df` and `mount` show as the source. */
  readonly fsname: string;
  readonly readOnly: boolean;
}
