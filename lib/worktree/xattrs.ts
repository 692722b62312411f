/**
 * Owns extended attributes that programs put on files: kept on this machine, never in the book. Must never serve names
 * that the kernel gives a meaning which nobody would enforce here (system.*).
 */
import type { Statement } from "better-sqlite3";
import { PosixError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import type { Store } from "../store.ts";

/** Source: XATTR_NAME_MAX, XATTR_SIZE_MAX and XATTR_LIST_MAX, linux/include/uapi/linux/limits.h */
const SIZE_MAX_BYTES = 65536;
const LIST_MAX_BYTES = 65536;

export class Xattrs {
  readonly #get: Statement<unknown[], { value: Buffer }>;
  readonly #list: Statement<unknown[], { name: string }>;
  readonly #set: Statement<unknown[]>;
  readonly #remove: Statement<unknown[]>;
  readonly #move: Statement<unknown[]>;
  /** The kernel asks for `security.capability` before every write: a store without attributes answers without a query. */
  #mayHoldAny: boolean;

  constructor(store: Store) {
    const { database } = store;
    this.#get = database.prepare("SELECT value FROM worktree_xattr WHERE file_id = ? AND name = ?");
    this.#list = database.prepare("SELECT name FROM worktree_xattr WHERE file_id = ? ORDER BY name");
    this.#set = database.prepare(
      `INSERT INTO worktree_xattr (file_id, name, value) VALUES (?, ?, ?)
       ON CONFLICT (file_id, name) DO UPDATE SET value = excluded.value`,
    );
    this.#remove = database.prepare("DELETE FROM worktree_xattr WHERE file_id = ? AND name = ?");
    this.#move = database.prepare("UPDATE worktree_xattr SET file_id = ? WHERE file_id = ?");
    this.#mayHoldAny = database.prepare("SELECT 1 FROM worktree_xattr LIMIT 1").get() !== undefined;
  }

  /** getxattr(2); undefined where it answers ENODATA. @throws PosixError EOPNOTSUPP, EINVAL */
  get(fileId: FileId, name: string): Buffer | undefined {
    checkName(name);
    return this.#mayHoldAny ? this.#get.get(fileId, name)?.value : undefined;
  }

  list(fileId: FileId): string[] {
    return this.#list.all(fileId).map((row) => row.name);
  }

  /** setxattr(2). @throws PosixError EEXIST, ENODATA, EOPNOTSUPP, EINVAL, E2BIG, ENOSPC */
  set(fileId: FileId, name: string, value: Uint8Array, flags: { create: boolean; replace: boolean }): void {
    checkName(name);
    if (value.byteLength > SIZE_MAX_BYTES) throw new PosixError("E2BIG");
    const present = this.get(fileId, name) !== undefined;
    if (present && flags.create) throw new PosixError("EEXIST");
    if (!present && flags.replace) throw new PosixError("ENODATA");
    const listed = this.list(fileId).reduce((sum, other) => sum + Buffer.byteLength(other) + 1, 0);
    if (!present && listed + Buffer.byteLength(name) + 1 > LIST_MAX_BYTES) throw new PosixError("ENOSPC");
    this.#mayHoldAny = true;
    this.#set.run(fileId, name, value);
  }

  /** removexattr(2). @throws PosixError ENODATA, EOPNOTSUPP, EINVAL */
  remove(fileId: FileId, name: string): void {
    checkName(name);
    if (this.#remove.run(fileId, name).changes === 0) throw new PosixError("ENODATA");
  }

  /** Hands the attributes of one file to another that has none. */
  move(from: FileId, to: FileId): void {
    this.#move.run(to, from);
  }
}

/** As ext4: a name space that is none is EOPNOTSUPP, one without a name in it EINVAL. */
function checkName(name: string): void {
  const [, rest] = /^(?:user|trusted|security)\.(.*)$/s.exec(name) ?? [];
  if (rest === undefined) throw new PosixError("EOPNOTSUPP");
  if (rest === "") throw new PosixError("EINVAL");
}
