/**
 * Owns sending long objects to S3 in parts: equal ones but the last, as R2 wants them; a few at once, whichever objects' they
 * are; resumed where another attempt, or another process, was cut off; aborted when nobody goes on with them. Must never hold a
 * part in memory.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { runBounded } from "../run-bounded.ts";
import { passStep } from "../step.ts";
import { Turns } from "../turns.ts";
import { digestParts } from "./part-digests.ts";
import type { BlobSource, PutOutcome } from "./remote-blobs.ts";
import { RemoteError } from "./remote-error.ts";
import type { S3Connection } from "./s3-connection.ts";
import { s3Answer } from "./s3-errors.ts";
import { S3Listing } from "./s3-listing.ts";
import type { UploadNote, UploadNotes } from "./upload-notes.ts";

/** From this many bytes on an object is sent in parts, unless told otherwise; a part has as many. */
export const PART_BYTES = 16 * 1024 * 1024;
/** S3's limit. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_PARTS = 10_000;
/** Parts of all objects together: more at once are no quicker, and each takes a connection and memory. */
const CONCURRENCY = 4;
/** R2 gives up uploads after as many days by itself. */
const ABANDONED_AFTER_MS = 7 * 24 * 3600 * 1000;

type MissingPart = Pick<UploadNote["parts"][number], "number" | "md5">;
type Upload = Omit<UploadNote, "remote" | "parts"> & { readonly parts: UploadNote["parts"][number][] };

export class S3Uploads {
  readonly #connection: S3Connection;
  readonly #notes: UploadNotes;
  readonly #partBytes: number;
  readonly #turns = new Turns(CONCURRENCY);
  /** To be told of what is sent, by object. */
  readonly #senders = new Set<() => void>();

  /** `partBytes`: of a part, unless the object is so long that it would need too many. */
  constructor(connection: S3Connection, notes: UploadNotes, partBytes: number) {
    this.#connection = connection;
    this.#notes = notes;
    this.#partBytes = partBytes;
  }

  /**
   * Sends what is long, unless it is there.
   * @param isThere asks whether the key has an object
   */
  async put(
    source: BlobSource,
    key: string,
    isThere: () => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<PutOutcome> {
    const { sizeBytes } = source;
    const partBytes = this.#partBytes * Math.ceil(sizeBytes / (this.#partBytes * MAX_PARTS));
    const digests = await digestParts(source, partBytes, signal);
    const upload =
      (await this.#findBegun(key, sizeBytes, partBytes)) ?? (await this.#begin(key, sizeBytes, partBytes));
    try {
      await this.#sendParts(upload, source, digests, signal);
      await this.#complete(upload, signal);
      passStep("upload.completed");
    } catch (error) {
      const answer = s3Answer(error);
      if (answer?.status === 412) {
        await this.#giveUp(upload);
        return "present";
      }
      if (answer?.code === "NoSuchUpload") {
        // It was completed, and the answer was lost; or somebody aborted it.
        await this.#notes.remove(key);
        if (await isThere()) return "stored";
        throw this.#lostUpload(error);
      }
      if (answer?.code === "InvalidPart" || answer?.code === "InvalidPartOrder") {
        await this.#giveUp(upload);
        throw this.#lostUpload(error);
      }
      throw this.#connection.explain(error, signal);
    }
    await this.#notes.remove(key);
    return "stored";
  }

  /** The key has its object: an upload to it that is noted was completed, or has no use any more. */
  async forget(key: string): Promise<void> {
    const note = await this.#notes.find(key);
    if (note !== undefined) await this.#giveUp(note);
  }

  /** Aborts the uploads that were begun so long ago that nobody goes on with them. */
  async abortAbandoned(): Promise<void> {
    const now = Date.now();
    for (const note of await this.#notes.list())
      if (now - Date.parse(note.startedAt) > ABANDONED_AFTER_MS) await this.#giveUp(note);
  }

  /**
   * Aborts uploads below a prefix by their age, whoever has begun them; undefined: the server does not list them.
   * @throws RemoteError CORRUPT: it lists them without an end; then it has aborted some
   */
  async abortBegunBefore(
    beforeMs: number,
    { prefix, isDry, signal }: { prefix: string; isDry: boolean; signal: AbortSignal | undefined },
  ): Promise<number | undefined> {
    const { bucket, name } = this.#connection;
    const listing = new S3Listing({ remoteName: name, isSorted: false });
    let count = 0;
    let next: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (;;) {
      let page: ListMultipartUploadsCommandOutput;
      try {
        page = await this.#connection.sendRaw(
          new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...next }),
          signal,
        );
      } catch (error) {
        if (s3Answer(error)?.status === 501) return undefined;
        throw this.#connection.explain(error, signal);
      }
      const { Uploads: uploads = [], NextKeyMarker: nextKey, NextUploadIdMarker: nextUploadId } = page;
      listing.check(
        uploads.map(({ Key: key, UploadId: uploadId }) => `${key} ${uploadId}`),
        page.IsTruncated === true ? `${nextKey} ${nextUploadId}` : undefined,
      );
      for (const { Key: key, UploadId: uploadId, Initiated: begun } of uploads) {
        // Some servers take a prefix for no more than a hint.
        if (key?.startsWith(prefix) !== true || uploadId === undefined) continue;
        if (begun === undefined || begun.getTime() >= beforeMs) continue;
        count++;
        if (!isDry) await this.#abort(key, uploadId);
      }
      if (page.IsTruncated !== true || nextKey === undefined) return count;
      next = { KeyMarker: nextKey, UploadIdMarker: nextUploadId };
    }
  }

  /**
   * Begins an upload and aborts it: whoever may do that may write, and nobody ever sees an object.
   * @returns why it was refused, without a full stop; undefined: it was not
   * @throws RemoteError where it is not known
   */
  async whyRefused(key: string, signal?: AbortSignal): Promise<string | undefined> {
    const { bucket } = this.#connection;
    try {
      const { UploadId } = await this.#connection.sendRaw(
        new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }),
        signal,
      );
      await this.#connection.sendRaw(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId }));
      return undefined;
    } catch (error) {
      const explained = this.#connection.explain(error, signal);
      const answer = s3Answer(error);
      if (answer?.status !== 403 && answer?.status !== 401) throw explained;
      return (explained as Error).message.replace(/\.$/, "");
    }
  }

  async #findBegun(key: string, sizeBytes: number, partBytes: number): Promise<Upload | undefined> {
    const note = await this.#notes.find(key);
    if (note === undefined) return undefined;
    if (note.sizeBytes === sizeBytes && note.partBytes === partBytes)
      return { ...note, parts: [...note.parts] };
    await this.#giveUp(note);
    return undefined;
  }

  async #begin(key: string, sizeBytes: number, partBytes: number): Promise<Upload> {
    const { UploadId: uploadId } = await this.#connection.send(
      new CreateMultipartUploadCommand({
        Bucket: this.#connection.bucket,
        Key: key,
        ContentType: "application/octet-stream",
      }),
    );
    if (uploadId === undefined) throw new Error("S3 named no upload");
    passStep("upload.begun");
    const upload = { key, uploadId, sizeBytes, partBytes, startedAt: new Date().toISOString(), parts: [] };
    await this.#notes.save(upload);
    passStep("upload.noted");
    return upload;
  }

  async #sendParts(
    upload: Upload,
    source: BlobSource,
    digests: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const sent = new Map(upload.parts.map(({ number, md5 }) => [number, md5]));
    const missing = digests
      .map((md5, at) => ({ number: at + 1, md5 }))
      .filter(({ number, md5 }) => sent.get(number) !== md5);
    // What waits for its turn is not sent any more once another part has failed.
    const stop = new AbortController();
    const waits = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    let underWay = 0;
    // Who waits goes on as long as others send; who sends must go on by itself.
    const goesOn = (): void => {
      if (underWay === 0) source.goesOn?.();
    };
    const send = async (part: MissingPart): Promise<void> => {
      underWay++;
      try {
        await this.#sendPart(upload, source, part, signal);
      } catch (error) {
        // Before its turn is the next one's.
        stop.abort(error);
        throw error;
      } finally {
        underWay--;
      }
    };
    this.#senders.add(goesOn);
    try {
      await runBounded(missing, CONCURRENCY, (part) => this.#turns.run(() => send(part), waits));
    } finally {
      this.#senders.delete(goesOn);
    }
  }

  async #sendPart(
    upload: Upload,
    source: BlobSource,
    { number, md5 }: MissingPart,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const start = (number - 1) * upload.partBytes;
    const end = Math.min(start + upload.partBytes, upload.sizeBytes);
    const { ETag: etag } = await this.#connection.sendStream(
      (memory) => this.#told(source.read(start, end, memory)),
      (body) =>
        new UploadPartCommand({
          Bucket: this.#connection.bucket,
          Key: upload.key,
          UploadId: upload.uploadId,
          PartNumber: number,
          Body: body,
          ContentLength: end - start,
          ContentMD5: md5,
        }),
      signal,
    );
    if (etag === undefined) throw new Error("S3 named no ETag");
    passStep("upload.part-sent");
    upload.parts.push({ number, etag, md5 });
    await this.#notes.save(upload);
  }

  /** The same pieces; each shows those who wait for a turn that it goes on. */
  async *#told(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const piece of pieces) {
      for (const goesOn of this.#senders) goesOn();
      yield piece;
    }
  }

  async #complete(upload: Upload, signal: AbortSignal | undefined): Promise<void> {
    const parts = new Map(upload.parts.map((part) => [part.number, part]));
    await this.#connection.sendRaw(
      new CompleteMultipartUploadCommand({
        Bucket: this.#connection.bucket,
        Key: upload.key,
        UploadId: upload.uploadId,
        IfNoneMatch: "*",
        MultipartUpload: {
          Parts: [...parts.values()]
            .sort((a, b) => a.number - b.number)
            .map(({ number, etag }) => ({ PartNumber: number, ETag: etag })),
        },
      }),
      signal,
    );
  }

  async #giveUp({ key, uploadId }: Pick<Upload, "key" | "uploadId">): Promise<void> {
    await this.#abort(key, uploadId);
    await this.#notes.remove(key);
  }

  /** One that is not there any more is aborted already. */
  async #abort(key: string, uploadId: string): Promise<void> {
    const { bucket } = this.#connection;
    try {
      await this.#connection.sendRaw(
        new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }),
      );
    } catch (error) {
      if (s3Answer(error)?.code !== "NoSuchUpload") throw this.#connection.explain(error);
    }
  }

  #lostUpload(cause: unknown): RemoteError {
    return new RemoteError(
      "UNAVAILABLE",
      `${this.#connection.name} has forgotten an upload; it begins anew.`,
      {
        isRetryable: true,
        cause: new Error(s3Answer(cause)?.code),
      },
    );
  }
}
