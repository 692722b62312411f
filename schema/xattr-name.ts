/**
 * Owns names of extended attributes as text: Linux takes any bytes but NUL, the store keeps text. Bytes that are no UTF-8
 * become a mark and one character for each. Must never know which names are served.
 */

/** Begins a name that stands for bytes. No name space of xattr(7) begins so. */
const MARK = "\u0001";

/** The name for these bytes. `text` is what they are as UTF-8, undefined when they are none. */
export function xattrName(text: string | undefined, bytes: Uint8Array): string {
  if (text !== undefined && !text.startsWith(MARK)) return text;
  return `${MARK}${Buffer.from(bytes).toString("latin1")}`;
}

/** The bytes that a name was made from. */
export function xattrNameBytes(name: string): Buffer {
  return name.startsWith(MARK) ? Buffer.from(name.slice(MARK.length), "latin1") : Buffer.from(name);
}

/** What comes before the first dot, and after it; undefined where there is no dot. */
export function splitXattrName(name: string): readonly [space: string, rest: string] | undefined {
  const plain = name.startsWith(MARK) ? name.slice(MARK.length) : name;
  const dot = plain.indexOf(".");
  return dot === -1 ? undefined : [plain.slice(0, dot), plain.slice(dot + 1)];
}
