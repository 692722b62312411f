/**
 * Owns taking in an answer of S3's that is wanted whole: a page of a listing, an error, a word. Must never hold more than the
 * longest that S3 gives, whatever comes.
 */

/** A page has 1000 keys of up to 1 KiB, each byte of which may be six in XML. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What comes is longer than any answer. */
export class AnswerTooLong extends Error {
  constructor() {
    super("The answer is too long");
  }
}

/** @throws AnswerTooLong; then nothing more is read, and its connection is ended */
export async function collectAnswer(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > MAX_BYTES) throw new AnswerTooLong();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
