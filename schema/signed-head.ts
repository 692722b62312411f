/**
 * Owns what a signed head is: a position of the log, the hash of its row, and who vouches for them. What is signed, how that
 * is checked, and its JSON. Must never hold a private key.
 */
import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import { PfsError } from "./errors.ts";

/** What a head says. */
export interface HeadClaim {
  /** SHA-256 of the public key (SPKI, DER): a store is known by its key. */
  readonly store_id: string;
  /** Position of the log; 0 for an empty one. */
  readonly seq: number;
  /** entry_hash of the row there. */
  readonly entry_hash: string;
  /** When it was signed: ISO 8601, UTC, milliseconds. */
  readonly time: string;
}

/** Names are those of its JSON. */
export interface SignedHead extends HeadClaim {
  /** SPKI, PEM. */
  readonly public_key: string;
  /** Ed25519 over {@link signedText}, Base64. */
  readonly signature: string;
}

const HASH = /^[0-9a-f]{64}$/;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;
const MAX_KEY_CHARS = 1000;

/** Checked by hand, as every start of a store reads one: a library would take longer to load than all else. */
function headOf(value: unknown): SignedHead | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { store_id, seq, entry_hash, time, public_key, signature } = value as Partial<SignedHead>;
  const fits = (text: unknown, pattern: RegExp): text is string =>
    typeof text === "string" && pattern.test(text);
  if (!fits(store_id, HASH) || !fits(entry_hash, HASH) || !fits(signature, SIGNATURE)) return undefined;
  if (!fits(time, TIME) || Number.isNaN(Date.parse(time))) return undefined;
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) return undefined;
  if (typeof public_key !== "string" || public_key.length > MAX_KEY_CHARS) return undefined;
  return { store_id, seq, entry_hash, time, public_key, signature };
}

/** The text that the signature is over: a line that says what it is, then JSON with sorted keys (RFC 8785). */
export function signedText({ store_id, seq, entry_hash, time }: HeadClaim): string {
  return `pfs audit head 1\n${JSON.stringify({ entry_hash, seq, store_id, time })}`;
}

/** A store's name for its public key. */
export function storeIdOf(key: KeyObject): string {
  return hash("sha256", key.export({ type: "spki", format: "der" }), "hex");
}

/**
 * A signed head from its JSON; what else is in the object is left out.
 * @param source where the text is from, for the message
 * @throws PfsError USAGE when it is none, or when its signature is not by its key
 */
export function parseSignedHead(text: string, source: string): SignedHead {
  const head = headOf(parseJson(text));
  if (head === undefined) throw refused(source, "is no signed head of a log");
  if (!isSigned(head)) {
    throw refused(source, "is not signed by the key that it names: it was changed after it was signed");
  }
  return head;
}

function isSigned(head: SignedHead): boolean {
  try {
    const key = createPublicKey(head.public_key);
    const isNamed = key.asymmetricKeyType === "ed25519" && storeIdOf(key) === head.store_id;
    return isNamed && verify(null, Buffer.from(signedText(head)), key, Buffer.from(head.signature, "base64"));
  } catch {
    // No public key, says OpenSSL.
    return false;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(source: string, what: string): PfsError {
  return new PfsError("USAGE", `${source} ${what}.`, {
    path: source,
    hint: "Name a file that `pfs audit-head -o FILE` or a copy of .pfs/audit/head made.",
  });
}
