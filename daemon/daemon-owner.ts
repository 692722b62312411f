/** The mount thread as the owner of the store that commands ask. Owns nothing of its own. */
import type { MountHost } from "./mount-host.ts";
import { SETTLE_AGE_MS } from "./settle-age.ts";
import type { StoreOwner } from "./store-owner.ts";

/** The owner behind a mount thread. */
export function daemonOwner(storeDirectory: string, host: MountHost): StoreOwner {
  return {
    storeDirectory,
    findBook: (bookId) => host.call("findBook", { bookId }),
    createBook: (input) => host.call("createBook", input),
    importBatch: (input) => host.call("importBatch", input),
    renamePaths: (input) => host.call("renamePaths", input),
    resolveConflict: (input) => host.call("resolveConflict", input),
    writeFile: (input) => host.call("writeFile", input),
    restore: (input) => host.call("restore", input),
    tellManifest: (bookId) => host.call("tellManifest", { bookId }),
    rememberManifest: (bookId, manifest) => host.call("rememberManifest", { bookId, ...manifest }),
    revert: (input) => host.call("revert", input),
    publishOverlay: (input) => host.call("publishOverlay", input),
    settle: (bookId) => host.call("settle", { bookId, minimumAgeMs: SETTLE_AGE_MS }),
    shareBook: (bookId, remote, isClone) => host.call("shareBook", { bookId, remote, isClone }),
    unshareBook: (bookId) => host.call("unshareBook", { bookId }),
    followRemote: (bookId, page) => host.call("followRemote", { bookId, page }),
    followSnapshot: (bookId, page) => host.call("followSnapshot", { bookId, page }),
    noteShared: (bookId, pairs, blobs, until) => host.call("noteShared", { bookId, pairs, blobs, until }),
    noteSynced: (bookId, timeMs) => host.call("noteSynced", { bookId, timeMs }),
    storeBlobs: (blobs) => host.call("storeBlobs", { blobs }),
    collectGarbage: (garbage) => host.call("collectGarbage", garbage),
    retain: (step) => host.call("retain", step),
  };
}
