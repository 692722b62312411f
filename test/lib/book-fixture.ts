// A store with one book for the tests of the floor lib/: opened in a directory of its own, handled by paths.
// Must never go around the worktree, except where a test asks for the database.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Library } from "../../lib/library.ts";
import type { Actor, Identity, Node } from "../../lib/node.ts";
import type { StoreOptions } from "../../lib/store.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { type FileId, parseAgentName, parseBookId, type UserId } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import { builtInProfile, type Profile } from "../../schema/profiles.ts";

export const BOOK = parseBookId("test-book");

/** An actor with the name `agent`; `origin` stands for its mount. */
export function actorNamed(agent: string, origin: object | undefined = undefined): Actor {
  return { agent: parseAgentName(agent), uid: 1000, gid: 1000, pid: 4321, command: () => "test", origin };
}

export const ALICE = actorNamed("alice", { mount: "alice" });
export const PLAIN_RENAME = { noReplace: false, exchange: false };
export const EXCHANGE = { noReplace: false, exchange: true };

export interface BookOptions {
  readonly profile?: Profile;
  readonly fileSizeLimitBytes?: number;
  /** Where to make the store; default a new directory below the system's temporary one. */
  readonly directory?: string;
  readonly store?: StoreOptions;
}

/** Where a path is: the directory that holds it, and its name there. */
export interface Spot {
  readonly parent: FileId;
  readonly name: string;
}

export class BookFixture {
  readonly directory: string;
  library: Library;
  worktree: Worktree;
  readonly #storeOptions: StoreOptions;

  constructor(
    directory: string,
    { profile = builtInProfile("any"), fileSizeLimitBytes, store = {} }: BookOptions,
  ) {
    this.directory = directory;
    this.#storeOptions = store;
    this.library = Library.open(directory, store);
    if (this.library.books.find(BOOK) === undefined)
      this.library.createBook(BOOK, profile, { fileSizeLimitBytes });
    this.worktree = this.library.worktree(BOOK);
  }

  close(): void {
    this.library.close();
  }

  /** As after a restart of the daemon. */
  reopen(): void {
    this.library.close();
    this.openStore();
  }

  /** Once more, after whatever has closed it. */
  protected openStore(): void {
    this.library = Library.open(this.directory, this.#storeOptions);
    this.worktree = this.library.worktree(BOOK);
  }

  /** @throws Error when a directory on the way is absent */
  spot(path: string): Spot {
    const names = path.split("/");
    const name = names.pop() as string;
    let parent = this.worktree.rootId;
    for (const step of names) {
      const node = this.worktree.lookup(parent, step);
      if (node === undefined) throw new Error(`the test has no directory ${step} of ${path}`);
      parent = node.fileId;
    }
    return { parent, name };
  }

  find(path: string): Node | undefined {
    if (path === "") return this.worktree.get(this.worktree.rootId);
    const { parent, name } = this.spot(path);
    return this.worktree.lookup(parent, name);
  }

  node(path: string): Node {
    const node = this.find(path);
    if (node === undefined) throw new Error(`${path} is not there`);
    return node;
  }

  makeDirectories(path: string): void {
    const names = path.split("/");
    for (let depth = 1; depth <= names.length; depth++) {
      const at = names.slice(0, depth).join("/");
      if (this.find(at) === undefined) this.makeDirectory(at);
    }
  }

  makeDirectory(path: string, actor = ALICE): Node {
    const { parent, name } = this.spot(path);
    return this.worktree.makeDirectory(parent, name, 0o755, actor);
  }

  create(path: string, actor = ALICE, mode = 0o644): OpenFile {
    const { parent, name } = this.spot(path);
    return this.worktree.create(parent, name, mode, actor);
  }

  open(path: string): OpenFile {
    return this.worktree.open(this.node(path).fileId);
  }

  /** As a shell's `>`: opens or creates, truncates, writes, closes. */
  write(path: string, bytes: string | Uint8Array, actor = ALICE): void {
    const isThere = this.find(path) !== undefined;
    const file = isThere ? this.open(path) : this.create(path, actor);
    closing(file, actor, () => {
      if (isThere) file.truncate(0, actor);
      file.write(0, Buffer.from(bytes), actor);
    });
  }

  append(path: string, bytes: string | Uint8Array, actor = ALICE): void {
    const file = this.open(path);
    closing(file, actor, () => file.write(file.size, Buffer.from(bytes), actor));
  }

  bytes(path: string): Buffer {
    const file = this.open(path);
    try {
      return contentOf(file);
    } finally {
      file.release(ALICE);
    }
  }

  text(path: string): string {
    return this.bytes(path).toString("latin1");
  }

  rename(from: string, to: string, flags = PLAIN_RENAME, actor = ALICE): Identity[] {
    return this.worktree.rename(this.spot(from), this.spot(to), flags, actor);
  }

  unlink(path: string, actor = ALICE): Identity[] {
    const { parent, name } = this.spot(path);
    return this.worktree.unlink(parent, name, actor);
  }

  removeDirectory(path: string, actor = ALICE): Identity[] {
    const { parent, name } = this.spot(path);
    return this.worktree.removeDirectory(parent, name, actor);
  }

  symlink(target: string, path: string, actor = ALICE): Node {
    const { parent, name } = this.spot(path);
    return this.worktree.makeSymlink(parent, name, Buffer.from(target), actor);
  }

  link(from: string, to: string, actor = ALICE): Node {
    const { parent, name } = this.spot(to);
    return this.worktree.link(this.node(from).fileId, parent, name, actor);
  }

  /** Names in a directory, as listed. */
  list(path: string): string[] {
    const names: string[] = [];
    this.worktree.list(this.node(path).fileId, 0, (name) => names.push(name) > 0);
    return names;
  }

  /** Settles at once what waits. */
  settle(): void {
    this.worktree.settle(0);
  }

  /** All log rows, or those after `after`. */
  log(after = 0): LogRow[] {
    return this.library.store.database
      .prepare("SELECT * FROM audit_log WHERE seq > ? ORDER BY seq")
      .all(after) as LogRow[];
  }

  /** What the log says of each row, in short: `update a.md`, `refused create b`. */
  story(after = 0): string[] {
    return this.log(after).map(
      ({ operation, path, status }) => `${status === "ok" ? "" : "refused "}${operation} ${path}`,
    );
  }
}

/** The same store by another layer. */
export function layerOf(book: BookFixture, user: UserId): BookFixture {
  const layer = Object.create(book) as BookFixture;
  layer.worktree = book.library.worktree(BOOK, user);
  return layer;
}

/** Everything an open file holds. */
export function contentOf(file: OpenFile): Buffer {
  const bytes = Buffer.alloc(file.size);
  const length = file.read(0, bytes);
  if (length !== bytes.byteLength) throw new Error(`${length} of ${bytes.byteLength} bytes were read`);
  return bytes;
}

/** Runs `body`, then does what close(2) does, as the kernel: FLUSH, whose failure is close's, and RELEASE. */
export function closing(file: OpenFile, actor: Actor, body: () => void): void {
  try {
    body();
    file.commit(actor, { durable: false });
  } finally {
    file.release(actor);
  }
}

/** Calls `use` with a book in a store of its own, and takes both away. */
export function withBook(use: (book: BookFixture) => void, options: BookOptions = {}): void {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const book = new BookFixture(directory, options);
    try {
      use(book);
    } finally {
      book.close();
    }
  } finally {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}
