/**
 * Owns what is remembered of uploads in parts that have begun, so that a process that died goes on where it was: one small
 * JSON file for each. Must never be more than a shortcut: without a note an upload begins anew.
 */
import { hash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { lazily } from "../../schema/zod.ts";
import { unlessGone } from "./directory-errors.ts";

const noteShape = lazily((z) =>
  z.strictObject({
    /** Endpoint and bucket. */
    remote: z.string(),
    key: z.string(),
    uploadId: z.string(),
    sizeBytes: z.number(),
    partBytes: z.number(),
    /** ISO 8601. */
    startedAt: z.iso.datetime(),
    /** Those that were sent. */
    parts: z.array(z.strictObject({ number: z.number(), etag: z.string(), md5: z.string() })),
  }),
);

export type UploadNote = z.infer<ReturnType<typeof noteShape>>;

export class UploadNotes {
  readonly #directory: string;
  readonly #remote: string;
  #saving: Promise<void> = Promise.resolve();

  /** @param directory is made when it is first needed */
  constructor(directory: string, remote: string) {
    this.#directory = directory;
    this.#remote = remote;
  }

  async find(key: string): Promise<UploadNote | undefined> {
    const note = await this.#read(this.#nameOf(key));
    return note?.key === key ? note : undefined;
  }

  /** All of this remote. */
  async list(): Promise<UploadNote[]> {
    const names = (await readdir(this.#directory).catch(unlessGone)) ?? [];
    const notes = await Promise.all(
      names.filter((name) => name.endsWith(".json")).map(async (name) => await this.#read(name)),
    );
    return notes.filter((note) => note !== undefined);
  }

  /** Saves come one after the other; each has what those before it had. */
  async save(note: Omit<UploadNote, "remote">): Promise<void> {
    const text = JSON.stringify({ remote: this.#remote, ...note });
    const saved = this.#saving.then(async () => await this.#write(this.#nameOf(note.key), text));
    this.#saving = saved.catch(() => undefined);
    await saved;
  }

  async remove(key: string): Promise<void> {
    await rm(join(this.#directory, this.#nameOf(key)), { force: true });
  }

  #nameOf(key: string): string {
    return `${hash("sha256", `${this.#remote}\n${key}`, "hex")}.json`;
  }

  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = join(this.#directory, `${name}.${randomBytes(6).toString("hex")}.tmp`);
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, join(this.#directory, name));
  }

  /** None where there is no note, or half of one, or another remote's. */
  async #read(name: string): Promise<UploadNote | undefined> {
    const text = await readFile(join(this.#directory, name), "utf8").catch(unlessGone);
    if (text === undefined) return undefined;
    const { data: note } = noteShape().safeParse(parseJson(text));
    return note?.remote === this.#remote ? note : undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
