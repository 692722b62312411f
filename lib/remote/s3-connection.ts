/**
 * Owns how requests go to S3: the client's settings, streams as bodies, failures as RemoteErrors. Must never try again
 * (with-retry.ts does) nor know what is stored.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  S3Client,
  type S3ClientConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from "@aws-sdk/client-s3";
import { PIECE_BYTES } from "../file-pieces.ts";
import { SpareMemory } from "../spare-memory.ts";
import { nameOfLocation, type S3Location } from "./blobs-location.ts";
import { collectAnswer } from "./collect-answer.ts";
import { clockAhead } from "./remote-probe.ts";
import { asS3Error } from "./s3-errors.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/**
 * Requests under way at once. More would wait, which the SDK counts as connecting and gives up, so that it is well above what
 * a daemon does at once: a push 8 puts and 4 parts (send-blobs.ts, s3-uploads.ts), publishing 8 (publish.ts), and 16 each a
 * prefetch, an archive's or a command's fetch (fetch-blobs.ts) and a check (check-published.ts): 68; the rest are files that
 * are opened.
 */
const MAX_SOCKETS = 128;
/** Twice what a body's stream and its socket hold at most: each its high-water mark, and a piece beyond it. */
const RING_BYTES = 8 * PIECE_BYTES;
/** Memory is kept for as many bodies when none is sent: for the parts of an upload (s3-uploads.ts). */
const KEPT_BODIES = 4;
/** What the SDK would write to the console is told by its errors, or of no use. */
const silent = { debug() {}, info() {}, warn() {}, error() {} };

type Command<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = Parameters<
  typeof S3Client.prototype.send<Input, Output>
>[0];

export class S3Connection {
  readonly bucket: string;
  /** For messages, at the beginning of a sentence. */
  readonly name: string;
  readonly #client: S3Client;
  readonly #rings = new SpareMemory(RING_BYTES, KEPT_BODIES);
  readonly #pieces = new SpareMemory(PIECE_BYTES, 2 * KEPT_BODIES);
  #clockAheadMs: number | undefined;

  constructor(location: S3Location) {
    this.bucket = location.bucket;
    this.name = nameOfLocation(location);
    this.#client = new S3Client(configOf(location));
    addContentMd5(this.#client);
  }

  /** How far the server's clock was ahead of ours when it last answered, milliseconds, to a second. */
  get clockAheadMs(): number | undefined {
    return this.#clockAheadMs;
  }

  /** @throws RemoteError; the signal's reason */
  async send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: Command<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    try {
      return await this.sendRaw(command, signal);
    } catch (error) {
      throw this.explain(error, signal);
    }
  }

  /** The same with failures as the SDK throws them, for s3Answer. */
  async sendRaw<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: Command<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    signal?.throwIfAborted();
    return await this.#client.send(command, signal === undefined ? {} : { abortSignal: signal });
  }

  /** As {@link send}, noting the server's clock. */
  async sendTimed<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: Command<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    command.middlewareStack.add(
      (next) => async (given) => {
        const beforeMs = Date.now();
        const result = await next(given);
        const { headers = {} } = (result.response ?? {}) as { headers?: Record<string, string> };
        const toldMs = Date.parse(headers.date ?? "");
        // It has told the second that had begun.
        if (!Number.isNaN(toldMs)) this.#clockAheadMs = clockAhead(toldMs + 500, beforeMs, Date.now());
        return result;
      },
      { step: "deserialize", priority: "low" },
    );
    return await this.send(command, signal);
  }

  /**
   * Sends a command whose body is a stream, of which the SDK itself would never tell that it failed. The body must have an MD5.
   * @param read the body's pieces, in memory of {@link PIECE_BYTES} that others use once the reading has ended: nobody may hold
   *   any back (verified.ts does)
   * @throws what the stream throws; else as sendRaw
   */
  async sendStream<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    read: (memory: SpareMemory) => AsyncIterable<Uint8Array>,
    makeCommand: (body: Readable) => Command<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    const broken = new AbortController();
    const ring = this.#rings.take();
    const pieces = inSameMemory(read(this.#pieces), ring);
    const body = Readable.from(pieces, { objectMode: false, highWaterMark: PIECE_BYTES });
    let failure: { readonly error: unknown } | undefined;
    body.on("error", (error) => {
      failure ??= { error };
      broken.abort(error);
    });
    try {
      const signals = signal === undefined ? [broken.signal] : [broken.signal, signal];
      const answer = await this.sendRaw(makeCommand(body), AbortSignal.any(signals));
      // Only after an answer: of a request that failed, bytes may still be on their way.
      this.#rings.giveBack(ring);
      return answer;
    } catch (error) {
      throw failure === undefined ? error : failure.error;
    } finally {
      body.destroy();
    }
  }

  /** The error to throw for one that the SDK threw. */
  explain(error: unknown, signal?: AbortSignal): unknown {
    return signal?.aborted === true ? signal.reason : asS3Error(error, this.name);
  }

  close(): void {
    this.#client.destroy();
  }
}

function configOf({ endpoint, region }: S3Location): S3ClientConfig {
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    // R2 knows few of the checksums that the SDK would add; each request that has its bytes in memory has an MD5.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Servers that do not answer it cost seconds.
    expectContinueHeader: false,
    // Its own holds whatever comes.
    streamCollector: collectAnswer,
    logger: silent,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: agent,
      httpsAgent: agent,
      logger: silent,
    },
  };
}

/**
 * The pieces in a ring of memory that is used again and again: copies for each would be garbage by the gigabyte, which piles up
 * until the collector sees a need. If ever bytes were overtaken on their way, their MD5 would tell the server.
 */
async function* inSameMemory(pieces: AsyncIterable<Uint8Array>, ring: Buffer): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.byteLength; ) {
      if (at === RING_BYTES) at = 0;
      const end = Math.min(at + PIECE_BYTES, RING_BYTES, at + piece.byteLength - taken);
      ring.set(piece.subarray(taken, taken + end - at), at);
      taken += end - at;
      yield ring.subarray(at, end);
      at = end;
    }
  }
}

/** Lets the server find out when bytes were changed on their way to it. */
function addContentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { body, headers } = args.request as { body?: unknown; headers: Record<string, string> };
      if ((typeof body === "string" && body !== "") || body instanceof Uint8Array)
        headers["content-md5"] ??= createHash("md5").update(body).digest("base64");
      return await next(args);
    },
    { step: "build", priority: "low", name: "addContentMd5" },
  );
}
