// Bytes of PostgreSQL's protocol as a broken network, server or middlebox makes them: the shape of a message is changed, at a place
// that a seed picks. Never a value in a message that stays well formed: against that there is TLS.

/** What becomes of what one side said at once. */
export interface Corrupted {
  readonly bytes: Buffer;
  /** Nothing that this side says on this connection arrives any more. */
  readonly isSilentThen: boolean;
}

/** Of one kind each; the last one ends in silence, which takes as long as an answer is waited for. */
export const CORRUPTIONS = [
  "type",
  "length",
  "count",
  "terminator",
  "garbage",
  "http",
  "nonsense error",
  "huge length",
  "truncated",
] as const;
export type Corruption = (typeof CORRUPTIONS)[number];

/** All that a server may say, and some that it may not. */
const TYPES = "123ACDEGHIKNRSTVWZcdnst\0\x7f";
const HTTP = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const HEADER_BYTES = 5;
/** As many as still may be the length of something. */
const HUGE = [0x7fff_ffff, 0x4000_0000, 0x0100_0000, 0xffff_ffff];

type Random = () => number;

/** @param bytes stay as they are */
export function corrupt(bytes: Buffer, how: Corruption, random: Random): Corrupted {
  const said = (changed: Buffer, isSilentThen = false): Corrupted => ({ bytes: changed, isSilentThen });
  const copy = Buffer.from(bytes);
  const starts = messagesIn(bytes);
  const start = pick(starts, random) ?? 0;
  const hasHeader = start + HEADER_BYTES <= bytes.length;
  switch (how) {
    case "type":
      copy[start] = TYPES.charCodeAt(below(TYPES.length, random));
      return said(copy);
    case "length": {
      if (!hasHeader) return said(copy.fill(0));
      const length = copy.readUInt32BE(start + 1);
      const wrong = [0, 1, 3, length - 1, length + 1, length + 4, 5, length + 200];
      copy.writeUInt32BE((pick(wrong, random) as number) >>> 0, start + 1);
      return said(copy);
    }
    case "huge length":
      if (hasHeader) copy.writeUInt32BE(pick(HUGE, random) as number, start + 1);
      return said(copy);
    case "count":
      // What a row and its description begin with says how much follows.
      if (start + HEADER_BYTES + 2 <= bytes.length)
        copy.writeInt16BE(pick([-1, -0x8000, 0x7fff, 0], random) as number, start + HEADER_BYTES);
      return said(copy);
    case "terminator": {
      const zeros = [...copy.keys()].filter((index) => copy[index] === 0);
      copy[pick(zeros, random) ?? 0] = 0x41;
      return said(copy);
    }
    case "garbage":
      return said(Buffer.from(Array.from({ length: 1 + below(300, random) }, () => below(256, random))));
    case "http":
      return said(Buffer.from(HTTP));
    case "nonsense error":
      // Of no field's end; the driver would look for it for ever.
      return said(Buffer.from("E\0\0\0\x0aSERROR", "latin1"));
    case "truncated":
      return said(copy.subarray(0, below(bytes.length, random)), true);
  }
}

/** Where messages begin, if the bytes begin with one. */
function messagesIn(bytes: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    starts.push(at);
    at += 1 + Math.max(4, bytes.readUInt32BE(at + 1));
  }
  return starts;
}

function below(end: number, random: Random): number {
  return Math.floor(random() * end);
}

function pick<Item>(items: readonly Item[], random: Random): Item | undefined {
  return items[below(items.length, random)];
}
