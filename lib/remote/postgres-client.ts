/**
 * Owns one connection of the driver, which believes what it is told: what is no message of PostgreSQL ends the connection before
 * the driver reads it, and whatever the driver throws while it reads does, too. Must never know what is asked.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { Client, type ClientConfig, type Connection } from "pg";
import { NonsenseError, PostgresMessages, UnknownProofError } from "./postgres-messages.ts";

/** What the driver's types leave out, for which package.json takes no other minor version: where it begins to read a connection, which with TLS is another one than it was made with. */
interface ReadingConnection extends Connection {
  attachListeners(stream: EventEmitter): void;
}

export class PostgresClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    // Without a listener an error ends the process, and one may come before whoever made this has added its own: in the very bytes
    // that end the greeting. Whoever asks next is told.
    this.on("error", () => {});
    const connection = this.connection as ReadingConnection;
    const attach = connection.attachListeners.bind(connection);
    connection.attachListeners = (stream) => attach(checked(stream as Duplex));
    // Nobody ends a connection that could not be made: a server does, if it is one.
    const refuse = (): void => {
      connection.stream.destroy();
    };
    connection.on("error", refuse);
    connection.on("errorMessage", refuse);
    this.once("connect", () => connection.off("errorMessage", refuse));
  }
}

/** What the stream says, in whole messages. */
function checked(stream: Duplex): EventEmitter {
  const messages = new PostgresMessages();
  const reader = new EventEmitter();
  let isGivenUp = false;
  stream.on("data", (piece: Buffer) => {
    if (isGivenUp) return;
    try {
      const whole = messages.take(piece);
      if (whole.length > 0) reader.emit("data", whole);
    } catch (error) {
      isGivenUp = true;
      stream.destroy(
        error instanceof NonsenseError || error instanceof UnknownProofError
          ? error
          : new NonsenseError(`something that cannot be read: ${error}`, { cause: error }),
      );
    }
  });
  stream.on("end", () => reader.emit("end"));
  return reader;
}
