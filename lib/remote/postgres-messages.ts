/**
 * Owns what a PostgreSQL server may say: messages are whole and well formed before the driver reads them, which would look for
 * the end of some for ever, or throw where nobody can catch it. Must never know what was asked.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** What came is not what a PostgreSQL server says. */
export class NonsenseError extends Error {
  override readonly name = "NonsenseError";
}

/** A server asks who is there in a way that the driver has no answer for; the message is the name of that way. */
export class UnknownProofError extends Error {
  override readonly name = "UnknownProofError";
}

/** Before what is in a message: its type, and a length that counts itself. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
/** Of what never is long: libpq's bound for the same. */
const SHORT_BYTES = 30_000;
/** A row has a page of a log in it at most. */
const LONG_BYTES = 128 * 2 ** 20;
/**
 * Of all that is held until a question is answered. The longest that is asked for are 1000 rows of the log, of 72 kB each if
 * every field is as long as it may be, and all hidden files of a book, of which a million fit.
 */
const ANSWER_BYTES = 256 * 2 ** 20;
/** What a message takes in memory beside its bytes, about. */
const MESSAGE_BYTES = 100;
const NULL_LENGTH = -1;
/** Values in another one are never asked for. */
const TEXT_FORMAT = 0;

const AUTHENTICATION_OK = 0;
const CLEARTEXT = 3;
const MD5 = 5;
/** Its steps, one after the other. */
const SASL = [10, 11, 12];
/** What else PostgreSQL may ask for, or did once. */
const UNKNOWN_PROOFS: Readonly<Record<number, string>> = {
  2: "Kerberos V5",
  6: "SCM credentials",
  7: "GSSAPI",
  8: "GSSAPI",
  9: "SSPI",
};

/** What is in a message, read from its beginning. */
class Body {
  /** How many it said that it has, if it did. */
  columns: number | undefined;
  /** What proof it asks for, if it does. */
  proof: number | undefined;
  /** How many rows it says that there were, if it does. */
  rows: number | undefined;
  /** Whether it says so of a SELECT, which answers with all of them; others do where they were asked to. */
  isSelect = false;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(bytes: number): void {
    if (bytes < 0 || this.#at + bytes > this.#bytes.length) throw new NonsenseError("what it has is cut off");
    this.#at += bytes;
  }

  byte(): number {
    this.skip(1);
    return this.#bytes[this.#at - 1] as number;
  }

  int16(): number {
    this.skip(2);
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.skip(4);
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  /** Text that ends with a zero. */
  text(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) throw new NonsenseError("a text in it has no end");
    const text = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  skipAll(): void {
    this.#at = this.#bytes.length;
  }
}

interface Form {
  readonly isLong?: boolean;
  /** Reads all of it. @throws NonsenseError */
  readonly read: (body: Body) => void;
}

function nothing(): void {}

function readFields(body: Body): void {
  while (body.byte() !== 0) body.text();
}

function readRow(body: Body): void {
  const columns = countOf(body);
  for (let column = 0; column < columns; column++) {
    const length = body.int32();
    if (length !== NULL_LENGTH) body.skip(length);
  }
}

function readDescription(body: Body): void {
  const columns = countOf(body);
  for (let column = 0; column < columns; column++) {
    body.text();
    // Its table and type.
    body.skip(16);
    if (body.int16() !== TEXT_FORMAT) throw new NonsenseError("it has a column that is not text");
  }
}

function readAuthentication(body: Body): void {
  const kind = body.int32();
  body.proof = kind;
  const unknown = UNKNOWN_PROOFS[kind];
  if (unknown !== undefined) throw new UnknownProofError(unknown);
  if (kind === MD5) body.skip(4);
  else if (SASL.includes(kind)) body.skipAll();
  else if (kind !== AUTHENTICATION_OK && kind !== CLEARTEXT)
    throw new NonsenseError(`it asks for a proof of kind ${kind}`);
}

function readCompletion(body: Body): void {
  const [, command, rows] = /^(SELECT|INSERT \d+|UPDATE|DELETE) (\d+)$/.exec(body.text().toString()) ?? [];
  if (rows === undefined) return;
  body.rows = Number(rows);
  body.isSelect = command === "SELECT";
}

function countOf(body: Body): number {
  const count = body.int16();
  if (count < 0) throw new NonsenseError(`it has ${count} columns`);
  body.columns = count;
  return count;
}

/** By type. What copies rows, or calls functions, is never asked for. */
const FORMS: Readonly<Record<string, Form>> = {
  1: { read: nothing },
  2: { read: nothing },
  3: { read: nothing },
  n: { read: nothing },
  s: { read: nothing },
  I: { read: nothing },
  A: {
    isLong: true,
    read: (body) => {
      body.skip(4);
      body.text();
      body.text();
    },
  },
  C: { read: readCompletion },
  D: { isLong: true, read: readRow },
  E: { isLong: true, read: readFields },
  // Older servers have keys of four bytes, newer ones longer ones.
  K: {
    read: (body) => {
      body.skip(8);
      body.skipAll();
    },
  },
  N: { isLong: true, read: readFields },
  R: { read: readAuthentication },
  S: {
    read: (body) => {
      body.text();
      body.text();
    },
  },
  T: { isLong: true, read: readDescription },
  Z: {
    read: (body) => {
      const status = String.fromCharCode(body.byte());
      if (!"ITE".includes(status)) throw new NonsenseError("it is in no state");
    },
  },
  t: { isLong: true, read: (body) => body.skip(4 * countOf(body)) },
  v: {
    read: (body) => {
      body.skip(4);
      for (let count = body.int32(); count > 0; count--) body.text();
    },
  },
};

/** Behind these come no more rows of the same. */
const ENDS_ROWS = "CEIZn";
/** These come by themselves, and nobody keeps them. */
const OF_NO_ANSWER = "ANS";
/** Before it is ready for the first question, and never later. */
const GREETING = "RKv";

/** What one server says on one connection. */
export class PostgresMessages {
  readonly #pieces: Buffer[] = [];
  #heldBytes = 0;
  /** So many are needed until there is something to read. */
  #neededBytes = HEADER_BYTES;
  /** Of the rows that may come now. */
  #columns: number | undefined;
  /** So many of them have come. */
  #rows = 0;
  /** That was asked for last. */
  #proof: number | undefined;
  #isReady = false;
  /** Since it was ready for a question. */
  #answerBytes = 0;
  readonly #maxAnswerBytes: number;

  constructor(maxAnswerBytes = ANSWER_BYTES) {
    this.#maxAnswerBytes = maxAnswerBytes;
  }

  /**
   * @returns the messages that are whole now, in their bytes; what has begun is kept
   * @throws NonsenseError, UnknownProofError: nothing that comes later is to be read
   */
  take(piece: Buffer): Buffer {
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes < this.#neededBytes) return Buffer.alloc(0);
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    let at = 0;
    this.#neededBytes = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = lengthAt(bytes, at);
      if (bytes.length - at < 1 + length) {
        this.#neededBytes = 1 + length;
        break;
      }
      this.#read(bytes.subarray(at, at + 1 + length));
      at += 1 + length;
    }
    const rest = bytes.subarray(at);
    this.#pieces.splice(0, Number.POSITIVE_INFINITY, ...(rest.length === 0 ? [] : [rest]));
    this.#heldBytes = rest.length;
    return bytes.subarray(0, at);
  }

  #read(message: Buffer): void {
    const type = String.fromCharCode(message[0] as number);
    const body = new Body(message.subarray(HEADER_BYTES));
    try {
      if (this.#isReady && GREETING.includes(type)) throw new NonsenseError("it is none of an answer");
      if (!OF_NO_ANSWER.includes(type)) this.#answerBytes += message.length + MESSAGE_BYTES;
      if (this.#answerBytes > this.#maxAnswerBytes)
        throw new NonsenseError(`with it an answer has more than ${this.#maxAnswerBytes} bytes`);
      FORMS[type]?.read(body);
      const { columns, proof, rows, isSelect } = body;
      // The driver would go on with nothing.
      if (proof !== undefined && SASL.indexOf(proof) > 0 && this.#proof !== proof - 1)
        throw new NonsenseError("it goes on with a proof that was not begun");
      this.#proof = proof ?? this.#proof;
      if (!body.isAtEnd) throw new NonsenseError("it goes on behind its end");
      if (type === "D" && columns !== this.#columns)
        throw new NonsenseError(`it has ${columns} columns, not ${this.#columns ?? "any"}`);
      if (rows !== undefined && rows !== this.#rows && (isSelect || this.#columns !== undefined))
        throw new NonsenseError(`it tells of ${rows} rows, not of ${this.#rows}`);
      if (type === "Z") {
        this.#isReady = true;
        this.#answerBytes = 0;
      }
      if (type === "D") this.#rows++;
      else if (type === "T") this.#columns = columns;
      else if (ENDS_ROWS.includes(type)) {
        this.#columns = undefined;
        this.#rows = 0;
      }
    } catch (error) {
      if (error instanceof UnknownProofError) throw error;
      throw nonsense(type, (error as Error).message);
    }
  }
}

/** Of the message there, checked before anybody waits for so much. */
function lengthAt(bytes: Buffer, at: number): number {
  const type = String.fromCharCode(bytes[at] as number);
  const length = bytes.readUInt32BE(at + 1);
  const form = FORMS[type];
  if (form === undefined) throw nonsense(type, "there is none");
  if (length < LENGTH_BYTES || length > (form.isLong === true ? LONG_BYTES : SHORT_BYTES))
    throw nonsense(type, `it has ${length} bytes`);
  return length;
}

function nonsense(type: string, why: string): NonsenseError {
  return new NonsenseError(`a message of type ${type.charCodeAt(0)} that cannot be read: ${why}`);
}
