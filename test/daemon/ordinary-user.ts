/**
 * Takes the part of an ordinary user: commands run as nobody in a mount namespace of their own, in which /dev/fuse is open
 * to all as Debian has it, and the program can be read by all also when the checkout is in a private directory, as after
 * `git clone . $(mktemp -d)`. The machine's own stays as it is. Needs root.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DROP_MOUNT_COPIES } from "../mount-copies.ts";
import { execute, type Outcome, PFS, ROOT } from "./harness.ts";

export const NOBODY = 65534;
const SETUP = `set -e
${DROP_MOUNT_COPIES}
mount -t tmpfs -o mode=755 pfs-test "$1"
mknod -m 666 "$1/fuse" c 10 229
mount --bind "$1/fuse" /dev/fuse
for path in "$2"/*; do
  name="$3/$(basename "$path")"
  if [ -d "$path" ]; then mkdir "$name"; else touch "$name"; fi
  mount --bind "$path" "$name"
done
echo ready
exec sleep 600`;

export interface OrdinaryUser {
  /** Enters the namespace as root: what precedes a command. */
  readonly namespace: readonly string[];
  run(...words: string[]): Promise<Outcome>;
  /** Runs `pfs` to its end. */
  pfs(...args: string[]): Promise<Outcome>;
  /** Where a path of the program's is that everybody can read. */
  there(path: string): string;
  /** Another one, on the same machine. */
  as(uid: number): OrdinaryUser;
}

/** Calls `use` with an ordinary user, who may enter `top`; directories of its own are made below it. */
export async function withOrdinaryUser(
  { top, env }: { readonly top: string; readonly env: NodeJS.ProcessEnv },
  use: (user: OrdinaryUser) => Promise<void>,
): Promise<void> {
  assert.equal(process.getuid?.(), 0, "run this test as root: it takes the part of an ordinary user");
  for (const path of [top, dirname(top)]) if (path.includes("pfs-test-")) chmodSync(path, 0o755);
  const [devices, program] = [join(top, "devices"), join(top, "program")];
  for (const path of [devices, program]) mkdirSync(path);
  const there = (path: string): string => (path.startsWith(ROOT) ? program + path.slice(ROOT.length) : path);
  const keeper = spawn("unshare", ["-m", "sh", "-c", SETUP, "sh", devices, ROOT, program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(keeper, "exit");
  try {
    const [said] = await Promise.race([once(keeper.stdout, "data"), exit]);
    assert.equal(String(said), "ready\n", "a mount namespace needs CAP_SYS_ADMIN and CAP_MKNOD");
    const namespace = ["-t", String(keeper.pid), "-m", "--"];
    const as = (uid: number): OrdinaryUser => {
      const asUser = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
      const run = (...words: string[]): Promise<Outcome> =>
        execute("nsenter", [...namespace, ...asUser, ...words], env, "/");
      const pfs = (...args: string[]): Promise<Outcome> => run(there(process.execPath), there(PFS), ...args);
      return { namespace, run, pfs, there, as };
    };
    await use(as(NOBODY));
  } finally {
    keeper.kill("SIGKILL");
    await exit;
  }
}
