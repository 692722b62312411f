/** A thread that saves a file when it is told to, and says what came of it: for tests in which several save at once. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { parentPort, Worker } from "node:worker_threads";

type Order =
  | { readonly type: "save" | "begin"; readonly path: string; readonly text: string }
  | { readonly type: "end" };

/** Undefined: it is done; else the error's name. */
export type Outcome = string | undefined;

let fd = -1;
parentPort?.on("message", (order: Order) => parentPort?.postMessage(attempt(order)));

function attempt(order: Order): Outcome {
  try {
    if (order.type === "end") closeSync(fd);
    else if (order.type === "save") writeFileSync(order.path, order.text);
    else {
      fd = openSync(order.path, "w");
      writeSync(fd, order.text);
    }
    return undefined;
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    // Node has no name for it.
    return errno === -116 ? "ESTALE" : `${code}`;
  }
}

export class Saver {
  readonly #worker = new Worker(new URL(import.meta.url));

  /** Opens, writes, closes. */
  save(path: string, text: string): Promise<Outcome> {
    return this.#ask({ type: "save", path, text });
  }

  /** All of that but the closing. */
  begin(path: string, text: string): Promise<Outcome> {
    return this.#ask({ type: "begin", path, text });
  }

  /** Closes what was begun. */
  end(): Promise<Outcome> {
    return this.#ask({ type: "end" });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(order: Order): Promise<Outcome> {
    const answer = Promise.withResolvers<Outcome>();
    this.#worker.once("message", answer.resolve);
    this.#worker.once("error", answer.reject);
    this.#worker.postMessage(order);
    return answer.promise.finally(() => this.#worker.off("error", answer.reject));
  }
}
