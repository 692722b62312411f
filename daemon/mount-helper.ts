/**
 * The mount helper: what mount(8) runs as /sbin/mount.fuse.pfs and /sbin/mount.pfs, from the command line and for fstab.
 * Runs when it is imported. Owns the translation of its command line into that of `pfs mount`; must never mount by itself.
 */
import { PfsError } from "../schema/errors.ts";
import { failWith } from "./cli/failure.ts";
import { helperRequest } from "./mount-helper-request.ts";

async function main(): Promise<void> {
  const { store, words } = helperRequest(process.argv.slice(2));
  if (words === undefined) return;
  // The command reads it as if it had been typed.
  process.argv.splice(
    2,
    Number.POSITIVE_INFINITY,
    ...(store === undefined ? [] : ["--store", store]),
    ...words,
  );
  await import("./cli/main.ts");
}

main().catch((error) => {
  if (!(error instanceof PfsError)) throw error;
  failWith(error, { json: false });
});
