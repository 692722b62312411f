// A server that is none of PostgreSQL's, or is out of its mind: whatever it says, it is told, the connection is ended, and the
// process goes on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { PostgresDatabase } from "../../lib/remote/postgres-database.ts";
import { NonsenseError, PostgresMessages } from "../../lib/remote/postgres-messages.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";

/** A message as it is sent; its length is right unless one is given. */
function message(type: string, body: Buffer | string = "", length = Buffer.from(body).length + 4): Buffer {
  const bytes = Buffer.concat([Buffer.from(type), Buffer.alloc(4), Buffer.from(body)]);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const OK = message("R", int32(0));
const READY = message("Z", "I");
const WELCOME = Buffer.concat([OK, READY]);
/** One column, of text unless it says otherwise. */
function describe({ type = 25, format = 0 } = {}): Buffer {
  const column = [int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(format)];
  return message("T", Buffer.concat([int16(1), Buffer.from("one\0"), ...column]));
}
const DESCRIPTION = describe();
const JSON_TYPE = 114;
const ROW = message("D", Buffer.concat([int16(1), int32(3), Buffer.from("abc")]));

type Question = (database: PostgresDatabase) => Promise<unknown>;

const QUERY: Question = (database) => database.query("SELECT 1 AS one");
const TRANSACTION: Question = (database) => database.transaction("SELECT 1", async (_, rows) => rows);
const READING: Question = (database) => database.openReading("SELECT 1");

/** Asks a server that says `greeting` to whoever connects, and `answer` to whatever is asked. */
async function ask(greeting: Buffer, answer: Buffer, question = QUERY): Promise<unknown> {
  const ended: Promise<unknown>[] = [];
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    ended.push(once(socket, "close"));
    let says = greeting;
    socket.on("data", () => {
      socket.write(says);
      says = answer;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const database = new PostgresDatabase(`postgres://pfs@127.0.0.1:${port}/test`);
  try {
    const [outcome] = await Promise.allSettled([question(database)]);
    // The client has to end it: the server does not.
    await Promise.all(ended);
    return outcome.status === "rejected" ? outcome.reason : outcome.value;
  } finally {
    await database.close();
    server.close();
  }
}

for (const [what, greeting, answer, said] of [
  ["a proof that nobody knows", message("R", int32(99)), READY, /kind 99/],
  [
    "a proof that goes on and was not begun",
    message("R", Buffer.concat([int32(11), int32(1)])),
    READY,
    /not begun/,
  ],
  [
    "an error in the greeting, and the connection stays",
    message("E", "SFATAL\0C53300\0Mfull\0\0"),
    READY,
    /too many/,
  ],
  ["HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), READY, /type 72/],
  ["an error whose fields have no end", WELCOME, message("E", "SERROR"), /type 69 .*no end/],
  ["a notice that ends in the middle of its fields", WELCOME, message("N", "SNOTICE\0"), /type 78 .*cut off/],
  ["fewer than no columns", WELCOME, Buffer.concat([DESCRIPTION, message("D", int16(-1))]), /-1 columns/],
  [
    "a value that goes on behind the row",
    WELCOME,
    Buffer.concat([DESCRIPTION, message("D", Buffer.concat([int16(1), int32(99)]))]),
    /cut off/,
  ],
  [
    "more columns than it has told of",
    WELCOME,
    Buffer.concat([DESCRIPTION, message("D", Buffer.concat([int16(2), int32(-1), int32(-1)]))]),
    /2 columns, not 1/,
  ],
  ["a column that is not text", WELCOME, describe({ format: 1 }), /not text/],
  [
    "a value that is none of its type",
    WELCOME,
    Buffer.concat([
      describe({ type: JSON_TYPE }),
      message("D", Buffer.concat([int16(1), int32(1), Buffer.from("{")])),
      message("C", "SELECT 1\0"),
      READY,
    ]),
    /none of its type/,
  ],
  [
    "fewer rows than it tells of",
    WELCOME,
    Buffer.concat([DESCRIPTION, message("C", "SELECT 1\0"), READY]),
    /1 rows, not of 0/,
  ],
  [
    "more rows than an INSERT that returns them tells of",
    WELCOME,
    Buffer.concat([DESCRIPTION, ROW, ROW, message("C", "INSERT 0 1\0"), READY]),
    /1 rows, not of 2/,
  ],
  [
    "fewer rows than an UPDATE that returns them tells of",
    WELCOME,
    Buffer.concat([DESCRIPTION, ROW, message("C", "UPDATE 2\0"), READY]),
    /2 rows, not of 1/,
  ],
  ["an answer without an end", WELCOME, READY, /without an end/],
  ["a greeting for an answer", WELCOME, message("K", "\0\0\0\0\0\0\0\0"), /none of an answer/],
  ["a row that nobody has told of", WELCOME, message("D", int16(0)), /0 columns, not any/],
  ["a row of four gigabytes", WELCOME, message("D", "", 0xffff_fff0), /4294967280 bytes/],
  ["a length that is shorter than itself", WELCOME, message("C", "", 0), /0 bytes/],
  ["a copy that nobody has asked for", WELCOME, message("G", "\0\0\0"), /type 71/],
  ["a state that there is not", WELCOME, message("Z", "?"), /no state/],
] as const)
  test(`a server that says nonsense is told of, and the connection is ended: ${what}`, async () => {
    const error = await ask(greeting, answer);
    assert.ok(error instanceof RemoteError, String(error));
    assert.equal(error.code, "UNAVAILABLE");
    assert.match(error.message, said);
    assert.match(error.message, /^The database test of PostgreSQL at [^\p{Cc}]+\.$/u);
  });

for (const [how, question] of [
  ["a statement", QUERY],
  ["a transaction", TRANSACTION],
  ["a reading", READING],
] as const)
  for (const [what, behind] of [
    ["an error", message("E", "SFATAL\0C57P01\0Mbye\0\0")],
    ["the end of an answer", message("C", "SELECT 1\0")],
    ["a description of rows", DESCRIPTION],
    ["no message at all", message("?")],
  ] as const)
    test(`what comes in the same bytes as the end of the greeting ends the connection, and nothing else: ${what}, for ${how}`, async () => {
      const error = await ask(Buffer.concat([WELCOME, behind]), READY, question);
      assert.ok(error instanceof RemoteError && error.isRetryable, String(error));
      assert.equal(error.code, "UNAVAILABLE");
    });

test("a transaction whose first statement has an answer without an end does not begin", async () => {
  const done = ["BEGIN", "SET", "SET"].map((command) => message("C", `${command}\0`));
  const answer = Buffer.concat([...done, DESCRIPTION, ROW, READY]);
  const error = await ask(WELCOME, answer, TRANSACTION);
  assert.ok(error instanceof RemoteError, String(error));
  assert.match(error.message, /an answer without an end/);
});

for (const [kind, name] of [
  [2, "Kerberos V5"],
  [6, "SCM credentials"],
  [7, "GSSAPI"],
  [8, "GSSAPI"],
  [9, "SSPI"],
] as const)
  test(`a server that asks for ${name} (${kind}) is told of as such, once, with what to do`, async () => {
    const error = await ask(message("R", Buffer.concat([int32(kind), Buffer.from("token")])), READY);
    assert.ok(error instanceof RemoteError, String(error));
    assert.deepEqual([error.code, error.isRetryable], ["UNAVAILABLE", false]);
    assert.match(
      error.message,
      new RegExp(
        `^The database test of PostgreSQL at .* asks for a proof that pfs cannot give \\(${name}\\)\\.$`,
      ),
    );
    assert.match(error.hint ?? "", /pg_hba\.conf/);
  });

test("where something else than PostgreSQL answers, the hint says so", async () => {
  const error = await ask(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), READY);
  assert.match((error as RemoteError).hint ?? "", /something else than PostgreSQL answers there/);
});

test("an answer has 256 MiB at the most, whatever it is made of; what nobody keeps counts for none", () => {
  const mebibyte = 2 ** 20;
  const long = message("D", Buffer.concat([int16(1), int32(mebibyte), Buffer.alloc(mebibyte)]));
  const messages = new PostgresMessages();
  messages.take(Buffer.concat([WELCOME, DESCRIPTION]));
  const notice = message(
    "N",
    Buffer.concat([Buffer.from("M"), Buffer.alloc(mebibyte, "x"), Buffer.from("\0\0")]),
  );
  for (let count = 0; count < 300; count++) messages.take(notice);
  for (let answer = 1; answer <= 2; answer++) {
    for (let count = 0; count < 255; count++) messages.take(long);
    messages.take(Buffer.concat([message("C", "SELECT 255\0"), READY, DESCRIPTION]));
  }
  for (let count = 0; count < 255; count++) messages.take(long);
  assert.throws(() => messages.take(long), /type 68 .* more than 268435456 bytes/);
  // Also of very many that have hardly a byte, or of which each is a result by itself.
  for (const little of [
    message("D", Buffer.concat([int16(1), int32(-1)])),
    Buffer.concat([message("C", "SELECT 0\0"), DESCRIPTION]),
  ]) {
    const few = new PostgresMessages(100_000);
    few.take(Buffer.concat([WELCOME, DESCRIPTION]));
    const many = (): void => {
      for (let count = 0; count < 1000; count++) few.take(little);
    };
    assert.throws(many, /more than 100000 bytes/);
  }
});

test("an INSERT that returns no rows may tell of any number", () => {
  const bytes = Buffer.concat([WELCOME, message("n"), message("C", "INSERT 0 5\0"), READY]);
  assert.deepEqual(new PostgresMessages().take(bytes), bytes);
});

test("messages are passed on when they are whole, however they are cut", () => {
  const bytes = Buffer.concat([WELCOME, DESCRIPTION, ROW, ROW, message("C", "SELECT 2\0"), READY]);
  for (let length = 1; length <= bytes.length; length++) {
    const messages = new PostgresMessages();
    const passed: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += length)
      passed.push(messages.take(bytes.subarray(at, at + length)));
    assert.deepEqual(Buffer.concat(passed), bytes);
  }
});

test("a message that is not whole is not passed on, and one of any bytes is read or refused", () => {
  const messages = new PostgresMessages();
  assert.equal(messages.take(DESCRIPTION.subarray(0, -1)).length, 0);
  for (let type = 0; type < 256; type++)
    for (const body of ["", "\0", "\0\0\0\0\0", "I", "\xff\xff"]) {
      const one = message("A", Buffer.from(body, "latin1"));
      one[0] = type;
      try {
        new PostgresMessages().take(one);
      } catch (error) {
        assert.ok(error instanceof NonsenseError);
      }
    }
});
