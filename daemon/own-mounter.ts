/**
 * Owns mounting on a directory that an automounter waits to see mounted: until it is, every process but those of the automounter,
 * of which the mount helper is one, that as much as looks at the directory waits for that, as the daemon would for itself. So the
 * helper is the daemon's mounter for that one directory. Source: autofs_d_manage of fs/autofs/root.c, Linux.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, rmSync, statSync } from "node:fs";
import { closeFd, waitReadable } from "../lib/libc.ts";
import { acceptSocket, listenSocket, type PeerCredentials } from "../lib/libc-sockets.ts";
import type { HeldDirectory } from "../mount/kernel/held-directory.ts";
import { bookAround, FILESYSTEM_TYPE, mountPointOf } from "../mount/kernel/mount-table.ts";
import { PfsError } from "../schema/errors.ts";
import type { MounterRequest } from "../schema/mounter-request.ts";
import { answerConnection } from "./mounter-service.ts";

/** How often it is looked whether the daemon has answered. */
const LOOK_MS = 100;

export class OwnMounter {
  /** Where it listens. */
  readonly path: string;
  readonly #directory: string;
  readonly #daemonUid: number;
  readonly #listening: number;
  readonly #served: Promise<void>;
  #isClosed = false;

  /** Of a store's daemon, for one directory. */
  static async open(directory: string, storeDirectory: string): Promise<OwnMounter> {
    return new OwnMounter(await mountPointOf(directory), statSync(storeDirectory).uid);
  }

  private constructor(directory: string, daemonUid: number) {
    this.#directory = directory;
    this.#daemonUid = daemonUid;
    this.path = `/run/pfs-mount-${process.pid}-${randomBytes(6).toString("hex")}.sock`;
    this.#listening = listenSocket(this.path);
    chmodSync(this.path, 0o600);
    chownSync(this.path, daemonUid, 0);
    this.#served = this.#serve();
  }

  /** To be called once the daemon has answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#served;
    closeFd(this.#listening);
    rmSync(this.path, { force: true });
  }

  async #serve(): Promise<void> {
    while (!this.#isClosed) {
      if (!(await waitReadable(this.#listening, LOOK_MS))) continue;
      const connection = acceptSocket(this.#listening);
      try {
        await answerConnection(connection, {
          admit: (held, request, caller) => this.#admit(held, request, caller),
          tell: () => {},
        });
      } finally {
        closeFd(connection);
      }
    }
  }

  /** @throws PfsError NOT_PERMITTED, MOUNT_FAILED */
  async #admit(held: HeldDirectory, request: MounterRequest, { uid }: PeerCredentials): Promise<void> {
    const { directory } = held;
    if (uid !== this.#daemonUid || directory !== this.#directory)
      throw new PfsError("NOT_PERMITTED", `Only the store's daemon has ${this.#directory} mounted here.`);
    if (request.operation === "unmount") return;
    if (request.guest !== undefined)
      throw new PfsError("NOT_PERMITTED", `${directory} is mounted for nobody but the store's daemon.`);
    const around = await bookAround(directory);
    if (around !== undefined)
      throw new PfsError(
        "MOUNT_FAILED",
        `Cannot mount ${directory}: it is in a book, which is mounted at ${around}.`,
      );
    if ((await held.mountThere())?.type === FILESYSTEM_TYPE)
      throw new PfsError("MOUNT_FAILED", `Cannot mount ${directory}: a book is mounted there already.`);
  }
}
