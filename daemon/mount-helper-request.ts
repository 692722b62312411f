/**
 * Owns what mount(8) says to its helpers: `SOURCE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]`. Must never know how a
 * book is mounted.
 */
import { PfsError } from "../schema/errors.ts";

export interface HelperRequest {
  /** Of the option `store=DIR`. */
  readonly store: string | undefined;
  /** The command line of `pfs`; undefined: nothing is to be done (`mount --fake`). */
  readonly words: readonly string[] | undefined;
}

/** Words with a meaning to mount(8) that no book can follow. */
const IMPOSSIBLE = new Set(["remount", "bind", "rbind", "move"]);

/** @throws PfsError USAGE */
export function helperRequest(args: readonly string[]): HelperRequest {
  const places: string[] = [];
  const options: string[] = [];
  let isFake = false;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string;
    if (word === "-o") options.push(...(args[++at] ?? "").split(","));
    else if (word === "-t" || word === "-N") at++;
    else if (/^-[sfnv]+$/.test(word)) isFake ||= word.includes("f");
    else if (word.startsWith("-")) throw usage(`The option ${word} is not known.`);
    else places.push(word);
  }
  const [book, directory, ...more] = places;
  if (book === undefined || directory === undefined || more.length > 0)
    throw usage("A book and a directory are needed.");
  const impossible = options.find((option) => IMPOSSIBLE.has(option));
  if (impossible !== undefined)
    throw usage(`A mounted book knows no ${impossible}: unmount it and mount it again as it is to be.`);
  const stores = options.filter((option) => option.startsWith("store="));
  const others = options.filter((option) => !option.startsWith("store=") && option !== "");
  const words = ["mount", book, directory, ...(others.length === 0 ? [] : ["-o", others.join(",")])];
  return { store: stores.at(-1)?.slice("store=".length), words: isFake ? undefined : words };
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, {
    hint: "mount -t fuse.pfs BOOK DIRECTORY -o store=DIR,agent=NAME,user=NAME,ro,allow_other; `pfs mount --help` says more.",
  });
}
