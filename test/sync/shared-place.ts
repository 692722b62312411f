// A remote in a directory with one book, as several machines use it, for the tests of what is done beside the log: publishing,
// verifying and repairing, collecting garbage. Rows come from makers, not from stores.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreReader } from "../../lib/reader.ts";
import { DirectoryBlobs } from "../../lib/remote/directory-blobs.ts";
import { DirectoryLog } from "../../lib/remote/directory-log.ts";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import type { PublishParts } from "../../lib/sync/publish.ts";
import { BASE } from "../../schema/ids.ts";
import { BookFixture } from "../lib/book-fixture.ts";
import { push, readFiles, SHARED_BOOK } from "../remote/log-fixture.ts";
import { BOOK, hashOf, RowMaker } from "../remote/shared-rows.ts";
import { sourceOf } from "../remote/sources.ts";
import { runInLog, tamperWithLog } from "../remote/tamper-with-log.ts";

const SYMLINK = 0o120000;

/** The parts of a machine: its own connections to the remote, or others in their place. */
export type MachineParts = PublishParts & { readonly log: RemoteLog; readonly blobs: RemoteBlobs };

export class SharedPlace {
  readonly top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  readonly directory = join(this.top, "remote");
  readonly log: RemoteLog = new DirectoryLog(this.directory, { isNew: true });
  readonly blobs: RemoteBlobs = new DirectoryBlobs(this.directory, { isNew: true });
  readonly maker = new RowMaker("whoever saves");
  /** A store that has nothing. */
  readonly store = new BookFixture(join(this.top, "store"), {});
  readonly reader = StoreReader.openBeside(this.store.directory);
  /** Text of each path, by layer and path. */
  readonly #texts = new Map<string, string>();

  static async with(work: (place: SharedPlace) => Promise<void>): Promise<void> {
    const place = new SharedPlace();
    try {
      await place.log.createBook(SHARED_BOOK);
      await work(place);
    } finally {
      place.reader.close();
      place.store.close();
      await place.log.close();
      await place.blobs.close();
      rmSync(place.top, { recursive: true });
    }
  }

  /** Of the machine with that name. */
  parts(name: string, others: Partial<MachineParts> = {}): MachineParts {
    const { log, blobs, reader } = this;
    return { bookId: BOOK, storeId: hashOf(name), log, blobs, reader, pageRows: 3, ...others };
  }

  /** Saves, as a push does: bytes first. `null` removes the file. */
  async save(path: string, text: string | null, userId: string = BASE, mode = 0o100644): Promise<void> {
    if (text !== null) await this.blobs.put(sourceOf(text));
    await this.append(path, text, userId, mode);
  }

  /** The row of a save alone. */
  async append(path: string, text: string | null, userId: string = BASE, mode = 0o100644): Promise<void> {
    const key = `${userId}/${path}`;
    const before = this.#texts.get(key) ?? null;
    const size = text === null ? null : Buffer.byteLength(text);
    const others = { user_id: userId as never, size, mode: text === null ? null : mode };
    await push(this.log, [this.maker.change(path, before, text, others)]);
    if (text === null) this.#texts.delete(key);
    else this.#texts.set(key, text);
  }

  async rename(from: string, to: string): Promise<void> {
    const text = this.#texts.get(`${BASE}/${from}`);
    assert.ok(text !== undefined);
    await push(this.log, this.maker.rename(from, to, text, { size: Buffer.byteLength(text) }));
    this.#texts.delete(`${BASE}/${from}`);
    this.#texts.set(`${BASE}/${to}`, text);
  }

  /** All claims end, as they do in time when their holders are gone. */
  endClaims(): void {
    this.run("UPDATE claim SET held_until = 0");
  }

  /** Changes the log's database behind everyone's back. */
  run(sql: string): void {
    runInLog(join(this.directory, "log.db"), sql);
  }

  /** The same without the triggers and constraints that are against it. */
  tamper(sql: string): void {
    tamperWithLog(join(this.directory, "log.db"), sql);
  }

  /** Names and hashes of what is published. */
  async published(): Promise<Map<string, string | undefined>> {
    const found = new Map<string, string | undefined>();
    for await (const page of this.blobs.listPublished(""))
      for (const { name } of page) found.set(name, (await this.blobs.findPublished(name))?.hash);
    return found;
  }

  /** What is published is what the shared journal says, written down another way than the code does. */
  async assertPublished(message = "what is published is what the log says"): Promise<void> {
    const files = (await readFiles(this.log)).filter(
      ({ path, mode, userId }) => mode !== SYMLINK && !(userId === BASE && /^users(\/|$)/.test(path)),
    );
    const wanted = files.map(
      ({ path, userId, hash }) =>
        [userId === BASE ? `${BOOK}/${path}` : `${BOOK}/users/${userId}/${path}`, hash] as const,
    );
    const sorted = (entries: Iterable<readonly [string, string | undefined]>) => [...entries].sort();
    assert.deepEqual(sorted(await this.published()), sorted(wanted), message);
  }
}
