/**
 * The words between a daemon without privileges and the mounter, which mounts for it: one line of JSON each way. Owns their
 * shape; must never know who may ask for what.
 */
import { isErrorCode, PfsError, PosixError } from "./errors.ts";
import { lazily } from "./zod.ts";

/** Another Unix user, whom a mount is for. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface MounterMount {
  readonly operation: "mount";
  /** Absolute. */
  readonly directory: string;
  /** What `mount` and `df` are to show as the source. */
  readonly fsname: string;
  readonly allowOther: boolean;
  readonly readOnly: boolean;
  /** Whom it is for alone, on a directory of that user's; undefined: for whoever asks. */
  readonly guest?: Owner | undefined;
}

export interface MounterUnmount {
  readonly operation: "unmount";
  /** Absolute, without symbolic links. */
  readonly directory: string;
  /** As the answer to its mounting had it: then it is meant wherever its directory is now. */
  readonly mountId?: string | undefined;
  readonly lazy: boolean;
}

export type MounterRequest = MounterMount | MounterUnmount;

/** What the mounter says of a mount that it has made or taken away; the connection's descriptor comes with the first byte. */
export interface MounterDone {
  /** As the kernel names it. */
  readonly directory: string;
  /** The kernel's number of it where the mounter is. */
  readonly mountId: string;
}

export interface MounterAnswer {
  readonly done?: MounterDone | undefined;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string | undefined };
}

/** No request or answer is longer: two paths of 4096 bytes, each byte escaped, fit in. */
export const MAX_MOUNTER_LINE_BYTES = 64 * 1024;

const PATH_BYTES = 4096;
const MAX_ID = 0xffff_fffe;

const shapes = lazily((z) => {
  const id = z.int().min(0).max(MAX_ID);
  const directory = z
    .string()
    .startsWith("/")
    .max(PATH_BYTES)
    .refine((path) => !path.includes("\0"));
  const mount = z.strictObject({
    operation: z.literal("mount"),
    directory,
    // Goes into mount(2)'s source only, but is shown by programs that print lines.
    fsname: z.string().regex(/^[a-z0-9-]{1,50}$/),
    allowOther: z.boolean(),
    readOnly: z.boolean(),
    guest: z.strictObject({ uid: id, gid: id }).optional(),
  });
  const mountId = z.string().regex(/^[0-9]{1,20}$/);
  const unmount = z.strictObject({
    operation: z.literal("unmount"),
    directory,
    mountId: mountId.optional(),
    lazy: z.boolean(),
  });
  const error = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });
  return {
    request: z.discriminatedUnion("operation", [mount, unmount]),
    answer: z.object({ done: z.object({ directory, mountId }).optional(), error: error.optional() }),
  };
});

/** @throws PfsError USAGE */
export function parseMounterRequest(line: string): MounterRequest {
  const { success, data } = shapes().request.safeParse(jsonOf(line));
  if (success) return data;
  throw new PfsError("USAGE", "The mounter was asked for something that it does not understand.");
}

/** @throws PfsError MOUNT_FAILED: nothing that a mounter says; else what the mounter has met */
export function parseMounterAnswer(line: string): MounterDone {
  const { success, data } = shapes().answer.safeParse(jsonOf(line));
  const { done, error } = success ? data : {};
  if (error !== undefined) {
    const { code, message, hint } = error;
    if (isErrorCode(code)) throw new PfsError(code, message, { hint });
    throw new PosixError(code === "EBUSY" || code === "EINVAL" ? code : "EIO", message);
  }
  if (done !== undefined) return done;
  throw new PfsError("MOUNT_FAILED", "The mounter has given no answer that can be understood.", {
    hint: "`journalctl -u 'pfs-mounter@*'` says more.",
  });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
