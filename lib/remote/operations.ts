/**
 * Owns what the decorators of remotes have in common: how the operations of an interface are described, and how a decorator is
 * put around all of them. Must never know a particular interface.
 */
import type { BlobSource } from "./remote-blobs.ts";

/** One that answers once. */
interface AnswerOperation {
  readonly type: "answer";
  /** Which argument is the AbortSignal, if it has one. */
  readonly signalAt?: number;
  /** Which argument is a BlobSource, if one is: what is read from it shows that the call goes on. */
  readonly sourceAt?: number;
  /** It may take long where nothing is wrong. */
  readonly isSlow?: boolean;
}

/** One that gives items as they come. */
interface StreamOperation<Args, Item> {
  readonly type: "stream";
  readonly signalAt?: number;
  /** The arguments that ask for what comes behind `last`. */
  resume(args: Args, last: Item): Args;
}

/** One that decorators leave alone. */
interface OwnOperation {
  readonly type: "own";
}

/** How each method of an interface is called. */
export type Operations<Remote> = {
  readonly [Name in keyof Remote]: Remote[Name] extends (...args: infer Args) => infer Answer
    ? Answer extends AsyncIterable<infer Item>
      ? StreamOperation<Args, Item>
      : Answer extends Promise<unknown>
        ? AnswerOperation | OwnOperation
        : OwnOperation
    : never;
};

interface Call {
  /** The operation's name. */
  readonly name: string;
  readonly isSlow: boolean;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
}

/** How an attempt is watched. */
export interface Watching {
  /** In place of the caller's. */
  readonly signal?: AbortSignal | undefined;
  /** Called when it was seen to go on. */
  readonly onProgress?: () => void;
}

export interface AnswerCall<Answer> extends Call {
  /** Does it; may be called again. */
  start(watching?: Watching): Promise<Answer>;
}

export interface StreamCall<Item> extends Call {
  /** Opens the stream behind what came of it so far; may be called again when the one before has ended. */
  start(watching?: Watching): AsyncIterable<Item>;
}

/** What is done around each call of a remote. */
export interface Decorator {
  answer<Answer>(call: AnswerCall<Answer>): Promise<Answer>;
  stream<Item>(call: StreamCall<Item>): AsyncIterable<Item>;
}

type Method = (...args: unknown[]) => unknown;
type AnyOperation = AnswerOperation | StreamOperation<unknown[], unknown> | OwnOperation;

/** The remote with the decorator around each of its operations. */
export function decorate<Remote extends object>(
  remote: Remote,
  operations: Operations<Remote>,
  decorator: Decorator,
): Remote {
  const methods = (Object.entries(operations) as [string, AnyOperation][]).map(([name, operation]) => {
    const method = ((remote as Record<string, unknown>)[name] as Method).bind(remote);
    return [name, decorateOne(name, operation, method, decorator)] as const;
  });
  return Object.fromEntries(methods) as Remote;
}

function decorateOne(name: string, operation: AnyOperation, method: Method, decorator: Decorator): Method {
  if (operation.type === "own") return method;
  const { type, signalAt } = operation;
  const signalIn = (args: readonly unknown[]) =>
    signalAt === undefined ? undefined : (args[signalAt] as AbortSignal | undefined);
  if (type === "answer") {
    const { sourceAt, isSlow = false } = operation;
    return (...args) =>
      decorator.answer({
        name,
        isSlow,
        signal: signalIn(args),
        start: ({ signal, onProgress } = {}) => {
          const watched = withArgument(args, signalAt, signal);
          if (onProgress !== undefined && sourceAt !== undefined)
            watched[sourceAt] = watchSource(watched[sourceAt] as BlobSource, onProgress);
          return method(...watched) as Promise<never>;
        },
      });
  }
  return (...given) => {
    let args = given;
    const start = async function* ({ signal }: Watching = {}) {
      for await (const item of method(...withArgument(args, signalAt, signal)) as AsyncIterable<unknown>) {
        args = operation.resume(args, item);
        yield item;
      }
    };
    return decorator.stream({ name, isSlow: false, signal: signalIn(args), start });
  };
}

/** The arguments with one of them replaced, unless there is nothing to replace it with. */
function withArgument(args: readonly unknown[], at: number | undefined, value: unknown): unknown[] {
  const changed = [...args];
  if (at === undefined || value === undefined) return changed;
  while (changed.length < at) changed.push(undefined);
  changed[at] = value;
  return changed;
}

/** The source, telling of each piece that is read from it, and of the turns of others that are waited for. */
function watchSource(source: BlobSource, onProgress: () => void): BlobSource {
  const { hash, sizeBytes } = source;
  return {
    hash,
    sizeBytes,
    goesOn() {
      onProgress();
      source.goesOn?.();
    },
    async *read(start, end, memory) {
      for await (const piece of source.read(start, end, memory)) {
        onProgress();
        yield piece;
      }
    },
  };
}
