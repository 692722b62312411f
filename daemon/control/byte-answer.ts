/** Owns an answer that is a stream of bytes, and sending it. Must never hold more of it than one piece. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";

export interface ByteAnswerOptions {
  readonly contentType: string;
  readonly fileName: string;
  /** Each piece is valid until the next is asked for. */
  readonly bytes: AsyncGenerator<Uint8Array, void>;
  /** What is known at the end only, by name. */
  readonly trailers: Readonly<Record<string, () => string>>;
  /** Called once, however it ends. */
  onEnd(): void;
}

export class ByteAnswer {
  readonly #options: ByteAnswerOptions;

  constructor(options: ByteAnswerOptions) {
    this.#options = options;
  }

  /** @throws what fails before the first piece; a failure after that cuts the answer off */
  async send(response: ServerResponse): Promise<void> {
    const { contentType, fileName, bytes, trailers, onEnd } = this.#options;
    try {
      const first = await bytes.next();
      response.setHeader("content-type", contentType);
      response.setHeader("content-disposition", `attachment; filename="${fileName}"`);
      response.setHeader("trailer", Object.keys(trailers).join(", "));
      for (let piece = first; piece.done !== true; piece = await bytes.next()) {
        if (!(await write(response, piece.value))) return;
      }
      response.addTrailers(
        Object.fromEntries(Object.entries(trailers).map(([name, value]) => [name, value()])),
      );
      response.end();
    } finally {
      await bytes.return().catch(() => undefined);
      onEnd();
    }
  }
}

/** False if the client has gone. */
async function write(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  if (response.destroyed) return false;
  const gone = new AbortController();
  const closed = once(response, "close", { signal: gone.signal }).then(
    () => false,
    () => false,
  );
  const written = new Promise<boolean>((resolve) => {
    response.write(piece, (error) => resolve(error == null));
  });
  try {
    return await Promise.race([written, closed]);
  } finally {
    gone.abort();
  }
}
