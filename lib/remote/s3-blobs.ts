/**
 * Owns blobs in an S3 bucket: `PREFIX/blobs/ab/HASH`, server-side copies of them in `PREFIX/books/`, and segments of logs
 * in `PREFIX/log/`. Made for Cloudflare R2, and so asks for nothing that only AWS has. Must never try again: with-retry.ts does.
 */
import type { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { type BlobHash, isBlobHash } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import type { S3Location } from "./blobs-location.ts";
import { contentTypeOf } from "./content-type.ts";
import { digestParts } from "./part-digests.ts";
import {
  type BlobSource,
  type FoundFile,
  type ListedBlob,
  type PublishedFile,
  type PutOutcome,
  type RemoteBlobs,
  SEGMENT_MAX_BYTES,
} from "./remote-blobs.ts";
import { RemoteError } from "./remote-error.ts";
import type { RemoteProbe } from "./remote-probe.ts";
import { S3Connection } from "./s3-connection.ts";
import { s3Answer } from "./s3-errors.ts";
import { S3Listing } from "./s3-listing.ts";
import { PART_BYTES, S3Uploads } from "./s3-uploads.ts";
import { UploadNotes } from "./upload-notes.ts";
import { verified } from "./verified.ts";

/** Bytes up to this many are sent at once, whether or not they are there; more only when they are not. */
const SMALL_MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 1000;
/** S3's limit, in UTF-8. */
const KEY_MAX_BYTES = 1024;
const HASH_METADATA = "pfs-hash";
/** Names that readers of XML change: some take blanks off the end. */
const LOST_IN_XML = /\s$|[\u0000-\u001f]/;

interface S3Options extends S3Location {
  /** Where it is noted which uploads have begun: a directory of this store's own, made when it is needed. */
  readonly uploadsDirectory: string;
  /** Objects on a page of a listing. */
  readonly pageItems?: number;
  /** What has as many bytes is sent in parts of as many; R2 takes none that are smaller than 5 MiB. */
  readonly partBytes?: number;
}

export class S3Blobs implements RemoteBlobs {
  readonly #connection: S3Connection;
  readonly #uploads: S3Uploads;
  readonly #blobs: string;
  readonly #books: string;
  readonly #segments: string;
  readonly #pageItems: number;
  readonly #partBytes: number;
  #clearing: Promise<void> | undefined;

  /** Asks nothing of the remote yet. Credentials are those that the AWS SDK finds, each time it needs them. */
  constructor({ uploadsDirectory, pageItems = MAX_KEYS, partBytes = PART_BYTES, ...location }: S3Options) {
    this.#connection = new S3Connection(location);
    const notes = new UploadNotes(uploadsDirectory, `${location.endpoint ?? ""} ${location.bucket}`);
    this.#uploads = new S3Uploads(this.#connection, notes, partBytes);
    this.#blobs = `${location.prefix}blobs/`;
    this.#books = `${location.prefix}books/`;
    this.#segments = `${location.prefix}log/`;
    this.#pageItems = pageItems;
    this.#partBytes = partBytes;
  }

  async has(hash: BlobHash, signal?: AbortSignal): Promise<boolean> {
    return (await this.#head(this.#keyOf(hash), signal)) !== undefined;
  }

  async put(source: BlobSource, signal?: AbortSignal): Promise<PutOutcome> {
    if (source.sizeBytes <= SMALL_MAX_BYTES) {
      const pieces = await Array.fromAsync(verified(source, source.read()), (piece) => Buffer.from(piece));
      return await this.#putWhole(source, Buffer.concat(pieces), signal);
    }
    const isLong = source.sizeBytes >= this.#partBytes;
    if (await this.has(source.hash, signal)) {
      if (isLong) await this.#uploads.forget(this.#keyOf(source.hash));
      return "present";
    }
    if (isLong) {
      this.#clearing ??= this.#uploads.abortAbandoned();
      await this.#clearing.catch(() => {
        this.#clearing = undefined;
      });
      const isThere = async () => await this.has(source.hash, signal);
      return await this.#uploads.put(source, this.#keyOf(source.hash), isThere, signal);
    }
    const [md5 = ""] = await digestParts(source, this.#partBytes, signal);
    return await this.#putStream(source, md5, signal);
  }

  async *get(hash: BlobHash, start = 0, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      const { Body: body, ContentRange: range } = await this.#connection.sendRaw(
        new GetObjectCommand({
          Bucket: this.#connection.bucket,
          Key: this.#keyOf(hash),
          ...(start === 0 ? {} : { Range: `bytes=${start}-` }),
        }),
        signal,
      );
      if (start !== 0 && range?.startsWith(`bytes ${start}-`) !== true)
        throw new RemoteError("UNAVAILABLE", `${this.#connection.name} cannot send a part of an object.`, {
          isRetryable: false,
        });
      yield* endedBy(body as Readable, signal);
    } catch (error) {
      const answer = s3Answer(error);
      if (answer?.code === "NoSuchKey") throw this.#noSuchBlob(hash);
      // Nothing comes behind the last byte.
      if (answer?.status === 416 && start > 0) return;
      throw this.#connection.explain(error, signal);
    }
  }

  async *list(after?: BlobHash, signal?: AbortSignal): AsyncGenerator<readonly ListedBlob[]> {
    const startAfter = after === undefined ? undefined : this.#keyOf(after);
    for await (const objects of this.#listObjects(this.#blobs, startAfter, signal)) {
      const page = objects.flatMap(({ key, sizeBytes, storedAt }) => {
        const hash = key.slice(this.#blobs.length + 3);
        return isBlobHash(hash) && this.#keyOf(hash) === key ? [{ hash, sizeBytes, storedAt }] : [];
      });
      if (page.length > 0) yield page;
    }
  }

  async delete(hash: BlobHash, signal?: AbortSignal): Promise<void> {
    const { bucket } = this.#connection;
    await this.#connection.send(new DeleteObjectCommand({ Bucket: bucket, Key: this.#keyOf(hash) }), signal);
  }

  async publish({ name, hash }: PublishedFile, signal?: AbortSignal): Promise<void> {
    const { bucket } = this.#connection;
    const source = [bucket, ...this.#keyOf(hash).split("/")].map(encodeURIComponent).join("/");
    const command = new CopyObjectCommand({
      Bucket: bucket,
      Key: this.#publishedKey(name),
      CopySource: source,
      MetadataDirective: "REPLACE",
      ContentType: contentTypeOf(name),
      Metadata: { [HASH_METADATA]: hash },
    });
    try {
      await this.#connection.sendRaw(command, signal);
    } catch (error) {
      throw s3Answer(error)?.code === "NoSuchKey"
        ? this.#noSuchBlob(hash)
        : this.#connection.explain(error, signal);
    }
  }

  async unpublish(names: readonly string[], signal?: AbortSignal): Promise<void> {
    const { bucket } = this.#connection;
    for (const name of names.filter((each) => LOST_IN_XML.test(each)))
      await this.#connection.send(
        new DeleteObjectCommand({ Bucket: bucket, Key: this.#books + name }),
        signal,
      );
    const others = names.filter((name) => !LOST_IN_XML.test(name));
    for (let at = 0; at < others.length; at += MAX_KEYS) {
      const keys = others.slice(at, at + MAX_KEYS).map((name) => ({ Key: this.#books + name }));
      const { Errors: [failed] = [] } = await this.#connection.send(
        new DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects: keys, Quiet: true },
        }),
        signal,
      );
      if (failed === undefined) continue;
      const message = `${this.#connection.name} did not remove all objects (${failed.Code}).`;
      throw new RemoteError("UNAVAILABLE", message, { isRetryable: failed.Code !== "AccessDenied" });
    }
  }

  async findPublished(
    name: string,
    signal?: AbortSignal,
  ): Promise<(FoundFile & { readonly hash: BlobHash | undefined }) | undefined> {
    const found = await this.#head(this.#publishedKey(name), signal);
    if (found === undefined) return undefined;
    const hash = found.Metadata?.[HASH_METADATA] ?? "";
    return { name, sizeBytes: found.ContentLength ?? 0, hash: isBlobHash(hash) ? hash : undefined };
  }

  async *listPublished(
    prefix: string,
    after?: string,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly FoundFile[]> {
    const startAfter = after === undefined ? undefined : this.#books + after;
    for await (const objects of this.#listObjects(this.#books + prefix, startAfter, signal)) {
      const page = objects.map(({ key, sizeBytes }) => ({ name: key.slice(this.#books.length), sizeBytes }));
      if (page.length > 0) yield page;
    }
  }

  async abortUploads(beforeMs: number, isDry: boolean, signal?: AbortSignal): Promise<number | undefined> {
    return await this.#uploads.abortBegunBefore(beforeMs, { prefix: this.#blobs, isDry, signal });
  }

  async probe(signal?: AbortSignal): Promise<RemoteProbe> {
    const { bucket: Bucket } = this.#connection;
    await this.#connection.sendTimed(
      new ListObjectsV2Command({ Bucket, Prefix: this.#blobs, MaxKeys: 1 }),
      signal,
    );
    const refuses = await this.#uploads.whyRefused(`${this.#blobs}probe`, signal);
    return { refuses, clockAheadMs: this.#connection.clockAheadMs };
  }

  async putSegment(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#connection.bucket,
      Key: this.#segments + parseTreePath(name),
      Body: bytes,
      ContentLength: bytes.byteLength,
      ContentType: "application/zstd",
    });
    await this.#connection.send(command, signal);
  }

  async getSegment(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    const { bucket } = this.#connection;
    const command = new GetObjectCommand({ Bucket: bucket, Key: this.#segments + parseTreePath(name) });
    try {
      const { Body: body } = await this.#connection.sendRaw(command, signal);
      const pieces: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
        sizeBytes += piece.byteLength;
        if (sizeBytes > SEGMENT_MAX_BYTES)
          throw new RemoteError(
            "CORRUPT",
            `${this.#connection.name} has no segment ${name}: it is too long.`,
            {
              isRetryable: false,
            },
          );
        pieces.push(piece);
      }
      return Buffer.concat(pieces);
    } catch (error) {
      if (error instanceof RemoteError) throw error;
      if (s3Answer(error)?.code !== "NoSuchKey") throw this.#connection.explain(error, signal);
      throw new RemoteError("NOT_FOUND", `${this.#connection.name} has no segment ${name} of a log.`, {
        isRetryable: false,
      });
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  #keyOf(hash: BlobHash): string {
    return `${this.#blobs}${hash.slice(0, 2)}/${hash}`;
  }

  #publishedKey(name: string): string {
    const key = this.#books + parseTreePath(name);
    if (Buffer.byteLength(key) <= KEY_MAX_BYTES) return key;
    throw new RemoteError(
      "INVALID_PATH",
      `${this.#connection.name} has no room for so long a name: ${name}.`,
      {
        hint: `Shorten it: with what comes before it, S3 takes ${KEY_MAX_BYTES} bytes.`,
        isRetryable: false,
      },
    );
  }

  async #head(key: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput | undefined> {
    try {
      const { bucket } = this.#connection;
      return await this.#connection.sendRaw(new HeadObjectCommand({ Bucket: bucket, Key: key }), signal);
    } catch (error) {
      if (s3Answer(error)?.status === 404) return undefined;
      throw this.#connection.explain(error, signal);
    }
  }

  async #putWhole(
    source: BlobSource,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<PutOutcome> {
    const command = new PutObjectCommand({ ...this.#newObject(source), Body: bytes });
    return await this.#unlessPresent(this.#connection.sendRaw(command, signal), signal);
  }

  async #putStream(source: BlobSource, md5: string, signal: AbortSignal | undefined): Promise<PutOutcome> {
    const sent = this.#connection.sendStream(
      (memory) => source.read(undefined, undefined, memory),
      (body) => new PutObjectCommand({ ...this.#newObject(source), Body: body, ContentMD5: md5 }),
      signal,
    );
    return await this.#unlessPresent(sent, signal);
  }

  #newObject({ hash, sizeBytes }: BlobSource) {
    return {
      Bucket: this.#connection.bucket,
      Key: this.#keyOf(hash),
      ContentLength: sizeBytes,
      ContentType: "application/octet-stream",
      IfNoneMatch: "*",
    };
  }

  async #unlessPresent(sent: Promise<unknown>, signal: AbortSignal | undefined): Promise<PutOutcome> {
    try {
      await sent;
      return "stored";
    } catch (error) {
      if (s3Answer(error)?.status === 412) return "present";
      throw this.#connection.explain(error, signal);
    }
  }

  async *#listObjects(
    prefix: string,
    after: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<{ readonly key: string; readonly sizeBytes: number; readonly storedAt: string }[]> {
    const listing = new S3Listing({
      remoteName: this.#connection.name,
      isSorted: prefix === this.#blobs,
      after,
    });
    let token: string | undefined;
    do {
      const page = await this.#connection.send(
        new ListObjectsV2Command({
          Bucket: this.#connection.bucket,
          Prefix: prefix,
          MaxKeys: this.#pageItems,
          ...(token === undefined ? { StartAfter: after } : { ContinuationToken: token }),
        }),
        signal,
      );
      token = page.NextContinuationToken;
      const objects = page.Contents ?? [];
      listing.check(
        objects.map(({ Key: key = "" }) => key),
        token,
      );
      yield objects.map(({ Key: key = "", Size: sizeBytes = 0, LastModified: at }) => ({
        key,
        sizeBytes,
        storedAt: (at ?? new Date(0)).toISOString(),
      }));
    } while (token !== undefined);
  }

  #noSuchBlob(hash: BlobHash): RemoteError {
    return new RemoteError("NOT_FOUND", `${this.#connection.name} has no blob ${hash}.`, {
      isRetryable: false,
    });
  }
}

/** The SDK leaves a body alone whose request is aborted once it has begun to come. */
async function* endedBy(body: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void> {
  const end = (): void => void body.destroy();
  if (signal?.aborted === true) end();
  signal?.addEventListener("abort", end, { once: true });
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } finally {
    signal?.removeEventListener("abort", end);
  }
}
