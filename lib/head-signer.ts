/**
 * Owns the key that a store signs its log's heads with: made when it is first needed, in `audit-key.pem` of the store's
 * directory, for its owner alone. Must never give the private key out.
 */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { PfsError } from "../schema/errors.ts";
import { type SignedHead, signedText, storeIdOf } from "../schema/signed-head.ts";
import type { LogHead } from "./reader.ts";
import { asUnwritable } from "./unwritable.ts";

const OTHERS = 0o077;

export class HeadSigner {
  readonly #directory: string;
  #key: { readonly secret: KeyObject; readonly public: string; readonly storeId: string } | undefined;
  #latest: SignedHead | undefined;

  /** @param directory of the store */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The key's file. */
  get path(): string {
    return join(this.#directory, "audit-key.pem");
  }

  /** The key that signatures are checked with: SPKI, PEM. @throws as {@link sign} */
  get publicKey(): string {
    return this.#load().public;
  }

  /** What a store is known by. @throws as {@link sign} */
  get storeId(): string {
    return this.#load().storeId;
  }

  /**
   * Signs a head; one that was signed last is not signed again.
   * @throws PfsError STORE_DAMAGED: the key's file holds no such key; NOT_PERMITTED: others may read it; READ_ONLY
   */
  sign({ seq, entryHash }: LogHead): SignedHead {
    if (this.#latest?.seq === seq && this.#latest.entry_hash === entryHash) return this.#latest;
    const key = this.#load();
    const claim = { store_id: key.storeId, seq, entry_hash: entryHash, time: new Date().toISOString() };
    const signature = sign(null, Buffer.from(signedText(claim)), key.secret).toString("base64");
    this.#latest = { ...claim, public_key: key.public, signature };
    return this.#latest;
  }

  #load() {
    if (this.#key !== undefined) return this.#key;
    const secret = parseKey(this.#read() ?? this.#make(), this.path);
    const open = createPublicKey(secret);
    this.#key = {
      secret,
      public: open.export({ type: "spki", format: "pem" }) as string,
      storeId: storeIdOf(open),
    };
    return this.#key;
  }

  #read(): string | undefined {
    let fd: number;
    try {
      fd = openSync(this.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw asUnwritable(error, this.#directory);
    }
    try {
      if ((fstatSync(fd).mode & OTHERS) !== 0) {
        throw new PfsError("NOT_PERMITTED", `Others may read ${this.path}, which heads are signed with.`, {
          path: this.path,
          hint: "If nobody did, `chmod 600` it; else remove it: the next head is signed with a new key.",
        });
      }
      return readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  }

  /** Of two processes that make one at once, both use the one that came first. */
  #make(): string {
    const { privateKey } = generateKeyPairSync("ed25519");
    const text = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const temporary = `${this.path}.${process.pid}-${process.hrtime.bigint()}`;
    try {
      const fd = openSync(temporary, "wx", 0o600);
      try {
        writeSync(fd, text);
        keepOwner(fd, this.#directory);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      linkSync(temporary, this.path);
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return this.#read() ?? text;
      throw asUnwritable(error, this.#directory);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}

/** What root makes in a user's store is that user's, as all of it. */
export function keepOwner(fd: number, directory: string): void {
  const { uid, gid } = statSync(directory);
  if (uid !== fstatSync(fd).uid) fchownSync(fd, uid, gid);
}

function parseKey(text: string, path: string): KeyObject {
  let cause: unknown;
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (error) {
    cause = error;
  }
  throw new PfsError("STORE_DAMAGED", `${path} holds no key to sign heads with.`, {
    path,
    hint: "Restore it from a backup, or remove it: the next head is signed with a new key.",
    cause,
  });
}
