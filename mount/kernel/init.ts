/**
 * The first exchange with a kernel: which version and which features both sides use. A pure function; owns the
 * choice of what pfs wants, and must never touch a device.
 *
 * Left out on purpose: WRITEBACK_CACHE (writes would reach us later than close), POSIX_LOCKS and FLOCK_LOCKS (the
 * kernel keeps locks by itself, which is right for one machine), POSIX_ACL and SETXATTR_EXT (no ACLs), DONT_MASK (the
 * kernel applies the umask), EXPORT_SUPPORT (no NFS), AUTO_INVAL_DATA (changes are told, EXPLICIT_INVAL_DATA),
 * PASSTHROUGH (the kernel lets no open of such a file see other bytes than the first, so that a change by somebody else
 * would stay unseen, against C1, and an open for writing would fail).
 */
import type { InitOffer } from "./decode-connection.ts";
import {
  INIT_FLAG,
  INIT_FLAG2,
  MAX_WRITE_BYTES,
  PAGE_SIZE_BYTES,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_OLDEST,
} from "./protocol.ts";
import type { InitAnswer } from "./reply.ts";

/** What is on, on this mount. */
export interface KernelFeatures {
  /** The minor version that both sides speak. */
  readonly minor: number;
  readonly maxWriteBytes: number;
  readonly maxReadaheadBytes: number;
  /** O_TRUNC arrives in OPEN; otherwise as a SETATTR of size 0. */
  readonly atomicTruncate: boolean;
  readonly readdirplus: boolean;
  readonly parallelDirectoryOperations: boolean;
  /** ENOSYS to OPEN, and to OPENDIR, is understood: it is not sent again. */
  readonly noOpen: boolean;
  readonly noOpendir: boolean;
  /** Cached pages stay until we invalidate them. Otherwise a changed mtime or size drops them. */
  readonly explicitInvalidation: boolean;
  /** We must clear set-id bits on write, chown and truncate, where the request's flags say so. */
  readonly killPrivileges: boolean;
  /** FOPEN.NOFLUSH has an effect. */
  readonly noFlush: boolean;
  readonly tmpfile: boolean;
  readonly statx: boolean;
  readonly copyFileRange64: boolean;
  /** Entries can be expired instead of dropped (INVALIDATE_ENTRY_FLAG.EXPIRE_ONLY). */
  readonly expireOnly: boolean;
  readonly resend: boolean;
  /** Files that are opened with FOPEN.DIRECT_IO can be mapped (since Linux 6.6). */
  readonly directMaps: boolean;
}

export type InitOutcome =
  | { readonly kind: "agreed"; readonly answer: InitAnswer; readonly features: KernelFeatures }
  /** The kernel speaks a newer major version: send the answer, and it asks again with ours. */
  | { readonly kind: "ask-again"; readonly answer: InitAnswer }
  /** Too old: answer EPROTO. */
  | { readonly kind: "refused"; readonly reason: string };

const MAX_READAHEAD_BYTES = 1024 * 1024;
/** Requests that may wait in the background (readahead, writeback), and when the kernel calls that congested. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

/** Not CACHE_SYMLINKS: a READLINK that waits for its remote would hold a page locked that notifications wait for. */
const WANTED =
  INIT_FLAG.ASYNC_READ |
  INIT_FLAG.BIG_WRITES |
  INIT_FLAG.ATOMIC_O_TRUNC |
  INIT_FLAG.PARALLEL_DIROPS |
  INIT_FLAG.DO_READDIRPLUS |
  INIT_FLAG.READDIRPLUS_AUTO |
  INIT_FLAG.MAX_PAGES |
  INIT_FLAG.NO_OPEN_SUPPORT |
  INIT_FLAG.NO_OPENDIR_SUPPORT |
  INIT_FLAG.EXPLICIT_INVAL_DATA |
  INIT_FLAG.HANDLE_KILLPRIV_V2 |
  INIT_FLAG.INIT_EXT;

const WANTED2 = INIT_FLAG2.HAS_EXPIRE_ONLY | INIT_FLAG2.HAS_RESEND | INIT_FLAG2.DIRECT_IO_ALLOW_MMAP;

/** What to answer to a kernel's INIT, and what is on after that. */
export function negotiate(offer: InitOffer): InitOutcome {
  if (offer.major > PROTOCOL_MAJOR) {
    return {
      kind: "ask-again",
      answer: answerWith({ minor: PROTOCOL_MINOR, maxReadaheadBytes: 0, flags: 0, flags2: 0 }),
    };
  }
  if (offer.major < PROTOCOL_MAJOR || offer.minor < PROTOCOL_MINOR_OLDEST) {
    const reason = `this kernel speaks FUSE ${offer.major}.${offer.minor}; ${PROTOCOL_MAJOR}.${PROTOCOL_MINOR_OLDEST} (Linux 5.4) is the oldest that works`;
    return { kind: "refused", reason };
  }
  const minor = Math.min(offer.minor, PROTOCOL_MINOR);
  const maxReadaheadBytes = Math.min(offer.maxReadaheadBytes, MAX_READAHEAD_BYTES);
  const flags = offer.flags & WANTED;
  const flags2 = flags & INIT_FLAG.INIT_EXT ? offer.flags2 & WANTED2 : 0;
  const answer = answerWith({ minor, maxReadaheadBytes, flags, flags2 });
  return { kind: "agreed", answer, features: featuresOf(answer) };
}

interface Agreed {
  minor: number;
  maxReadaheadBytes: number;
  flags: number;
  flags2: number;
}

function answerWith({ minor, maxReadaheadBytes, flags, flags2 }: Agreed): InitAnswer {
  return {
    major: PROTOCOL_MAJOR,
    minor,
    maxReadaheadBytes,
    flags,
    flags2,
    maxBackground: MAX_BACKGROUND,
    congestionThreshold: CONGESTION_THRESHOLD,
    maxWriteBytes: MAX_WRITE_BYTES,
    timeGranularity: 1,
    maxPages: flags & INIT_FLAG.MAX_PAGES ? MAX_WRITE_BYTES / PAGE_SIZE_BYTES : 0,
  };
}

function featuresOf({ minor, maxReadaheadBytes, maxWriteBytes, flags, flags2 }: InitAnswer): KernelFeatures {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const has2 = (flag: number): boolean => (flags2 & flag) !== 0;
  return {
    minor,
    // Without MAX_PAGES the kernel sends 32 pages at most.
    maxWriteBytes: has(INIT_FLAG.MAX_PAGES) ? maxWriteBytes : 32 * PAGE_SIZE_BYTES,
    maxReadaheadBytes,
    atomicTruncate: has(INIT_FLAG.ATOMIC_O_TRUNC),
    readdirplus: has(INIT_FLAG.DO_READDIRPLUS),
    parallelDirectoryOperations: has(INIT_FLAG.PARALLEL_DIROPS),
    noOpen: has(INIT_FLAG.NO_OPEN_SUPPORT),
    noOpendir: has(INIT_FLAG.NO_OPENDIR_SUPPORT),
    explicitInvalidation: has(INIT_FLAG.EXPLICIT_INVAL_DATA),
    killPrivileges: has(INIT_FLAG.HANDLE_KILLPRIV_V2),
    noFlush: minor >= 35,
    tmpfile: minor >= 37,
    statx: minor >= 39,
    copyFileRange64: minor >= 45,
    expireOnly: has2(INIT_FLAG2.HAS_EXPIRE_ONLY),
    directMaps: has2(INIT_FLAG2.DIRECT_IO_ALLOW_MMAP),
    resend: has2(INIT_FLAG2.HAS_RESEND),
  };
}
