/** Owns what is answered to a command that asked a daemon for bytes. Must never do anything. */
import type { BlobHash } from "../schema/ids.ts";
import type { ErrorReport } from "./error-report.ts";

/** What `POST /blobs/fetch` answers. */
export interface FetchAnswer {
  readonly failures: readonly { readonly hash: BlobHash; readonly failure: ErrorReport }[];
}
