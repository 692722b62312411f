/**
 * Owns extended attributes that programs put on files of one layer: kept on this machine, never in the book. An overlay
 * shows the base's too, until it changes or removes them for itself. Must never serve names that the
 * kernel gives a meaning which nobody would enforce here (system.*).
 */
import type { Statement } from "better-sqlite3";
import { PosixError } from "../../schema/errors.ts";
import { BASE, type FileId, type UserId } from "../../schema/ids.ts";
import { splitXattrName, xattrNameBytes } from "../../schema/xattr-name.ts";
import type { Store } from "../store.ts";

const NAME_SPACES: ReadonlySet<string> = new Set(["user", "trusted", "security"]);
/** Source: XATTR_NAME_MAX, XATTR_SIZE_MAX and XATTR_LIST_MAX, linux/include/uapi/linux/limits.h */
const SIZE_MAX_BYTES = 65536;
const LIST_MAX_BYTES = 65536;

export class Xattrs {
  readonly #userId: UserId;
  readonly #get: Statement<unknown[], { value: Buffer | null }>;
  readonly #list: Statement<unknown[], { name: string; removed: number }>;
  readonly #set: Statement<unknown[]>;
  readonly #remove: Statement<unknown[]>;
  readonly #move: Statement<unknown[]>;
  readonly #copyUp: Statement<unknown[]>;
  /** The kernel asks for `security.capability` before every write: a store without attributes answers without a query. */
  #holdsAny: boolean;
  /** Those of the base, under an overlay's. */
  readonly #base: Xattrs | undefined;

  constructor(store: Store, userId: UserId, base?: Xattrs) {
    this.#userId = userId;
    this.#base = base;
    const { database } = store;
    this.#get = database.prepare(
      "SELECT value FROM worktree_xattr WHERE file_id = ? AND user_id = ? AND name = ?",
    );
    this.#list = database.prepare(
      "SELECT name, value IS NULL AS removed FROM worktree_xattr WHERE file_id = ? AND user_id = ?",
    );
    this.#set = database.prepare(
      `INSERT INTO worktree_xattr (file_id, user_id, name, value) VALUES (?, ?, ?, ?)
       ON CONFLICT (file_id, user_id, name) DO UPDATE SET value = excluded.value`,
    );
    this.#remove = database.prepare(
      "DELETE FROM worktree_xattr WHERE file_id = ? AND user_id = ? AND name = ?",
    );
    this.#move = database.prepare(
      "UPDATE OR REPLACE worktree_xattr SET file_id = ? WHERE file_id = ? AND user_id = ?",
    );
    this.#copyUp = database.prepare(
      `INSERT OR IGNORE INTO worktree_xattr (file_id, user_id, name, value)
       SELECT file_id, ?, name, value FROM worktree_xattr WHERE file_id = ? AND user_id = ?`,
    );
    this.#holdsAny = database.prepare("SELECT 1 FROM worktree_xattr LIMIT 1").get() !== undefined;
  }

  get #mayHoldAny(): boolean {
    const base = this.#base;
    return this.#holdsAny || (base === undefined ? false : base.#holdsAny);
  }

  /** getxattr(2); undefined where it answers ENODATA. @throws PosixError EOPNOTSUPP, EINVAL */
  get(fileId: FileId, name: string): Buffer | undefined {
    checkName(name);
    if (!this.#mayHoldAny) return undefined;
    const own = this.#get.get(fileId, this.#userId, name);
    const row = own ?? (this.#userId === BASE ? undefined : this.#get.get(fileId, BASE, name));
    return row?.value ?? undefined;
  }

  list(fileId: FileId): string[] {
    if (!this.#mayHoldAny) return [];
    const names = new Set<string>();
    for (const layer of new Set([BASE, this.#userId])) {
      for (const { name, removed } of this.#list.all(fileId, layer)) {
        if (removed === 1) names.delete(name);
        else names.add(name);
      }
    }
    return [...names].sort();
  }

  /** setxattr(2). @throws PosixError EEXIST, ENODATA, EOPNOTSUPP, EINVAL, E2BIG, ENOSPC */
  set(fileId: FileId, name: string, value: Uint8Array, flags: { create: boolean; replace: boolean }): void {
    checkName(name);
    if (value.byteLength > SIZE_MAX_BYTES) throw new PosixError("E2BIG");
    const present = this.get(fileId, name) !== undefined;
    if (present && flags.create) throw new PosixError("EEXIST");
    if (!present && flags.replace) throw new PosixError("ENODATA");
    const listed = this.list(fileId).reduce((sum, other) => sum + xattrNameBytes(other).length + 1, 0);
    if (!present && listed + xattrNameBytes(name).length + 1 > LIST_MAX_BYTES) throw new PosixError("ENOSPC");
    this.#holdsAny = true;
    this.#set.run(fileId, this.#userId, name, value);
  }

  /** removexattr(2). @throws PosixError ENODATA, EOPNOTSUPP, EINVAL */
  remove(fileId: FileId, name: string): void {
    checkName(name);
    if (this.get(fileId, name) === undefined) throw new PosixError("ENODATA");
    this.#remove.run(fileId, this.#userId, name);
    if (this.get(fileId, name) !== undefined) this.#set.run(fileId, this.#userId, name, null);
  }

  /** The base's attributes of a file become this overlay's, where it has none of its own. */
  copyUp(fileId: FileId): void {
    if (!this.#mayHoldAny) return;
    this.#holdsAny = true;
    this.#copyUp.run(this.#userId, fileId, BASE);
  }

  /** Hands the attributes of one file to another that has none. */
  move(from: FileId, to: FileId): void {
    this.#move.run(to, from, this.#userId);
  }
}

/** As ext4: a name space that is none is EOPNOTSUPP, one without a name in it EINVAL. */
function checkName(name: string): void {
  const [space = "", rest] = splitXattrName(name) ?? [];
  if (!NAME_SPACES.has(space)) throw new PosixError("EOPNOTSUPP");
  if (rest === "") throw new PosixError("EINVAL");
}
