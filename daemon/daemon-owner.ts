/** The mount thread as the owner of the store that commands ask. Owns nothing of its own. */
import type { MountHost } from "./mount-host.ts";
import type { StoreOwner } from "./store-owner.ts";

/** The owner behind a mount thread. */
export function daemonOwner(storeDirectory: string, host: MountHost): StoreOwner {
  return {
    storeDirectory,
    findBook: (bookId) => host.call("findBook", { bookId }),
    createBook: (bookId, profileJson) => host.call("createBook", { bookId, profileJson }),
    importBatch: (input) => host.call("importBatch", input),
  };
}
