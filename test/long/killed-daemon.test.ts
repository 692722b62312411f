// The daemon killed with SIGKILL at each step of a write, while a program saves through a real mount: what a close or a
// rename has acknowledged is there when it is mounted again, the one save under way is there wholly or not at all, and
// `pfs verify` finds nothing (SC-002, FR-002).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { steps } from "../../lib/step.ts";
import { eventually, execute, isAlive, withPlace } from "../daemon/harness.ts";

/**
 * Saves in every way there is, in a random order, until the mount is gone. Tells a line before each save and one after
 * it was acknowledged: `begin PATH TEXT`, `done PATH TEXT` or `moved PATH -`; TEXT is what the file begins with, `-` is no file.
 */
const CLIENT = `
import errno, json, os, random, shutil, socket, sys, tempfile
directory, seed, number, control = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.chdir(directory)
def post(route, **body):
    body, answer = json.dumps(body), b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control)
        connection.sendall(f"POST {route} HTTP/1.0\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
        while part := connection.recv(65536): answer += part
    return answer
def write_elsewhere(path, text):
    with tempfile.TemporaryDirectory() as source:
        with open(f"{source}/{path}", "w") as file: file.write((text + " ") * (100 // (len(text) + 1)) + (text + " ")[: 100 % (len(text) + 1)])
        answer = post("/books/my-book/import", directory=source)
    if b'"done"' not in answer: raise OSError(errno.ENOTCONN, answer)
def collect_garbage():
    for number in os.listdir(".pfs/conflicts"): shutil.rmtree(f".pfs/conflicts/{number}")
    answer = post("/gc", dry_run=False)
    if b'"blobs"' not in answer: raise OSError(errno.ENOTCONN, answer)
chance = random.Random(seed)
def write(path, text, size, sync):
    with open(path, "wb", buffering=0) as file:
        file.write((f"{text} ".encode() * (size // len(text) + 1))[:size])
        if sync: os.fsync(file.fileno())
try:
    while True:
        number += 1
        path, text, size = f"file-{chance.randrange(5)}", f"v{number}", chance.choice([100, 100, 200_000])
        how = chance.choice(["write", "sync", "rename", "dance", "remove", "move", "conflict"])
        if how == "conflict":
            # Somebody else saves the file while this one has changed it and not closed it yet.
            path, other = f"once-{number}", f"o{number}"
            print("begin", path, text, flush=True); write(path, text, size, False); print("done", path, text, flush=True)
            print("begin", path, other, flush=True)
            try:
                with open(path, "r+b", buffering=0) as file:
                    file.write(b"x")
                    write_elsewhere(path, other)
                    print("done", path, other, flush=True)
                sys.exit("no conflict")
            except OSError as error:
                if error.errno != errno.ESTALE: raise
            # Nobody needs the refused bytes then: a file of the store, if they are many.
            if chance.random() < 0.5: collect_garbage()
            continue
        if how in ("move", "remove"):
            # Some for good: their settling comes a second later.
            if chance.random() < 0.5:
                path = f"once-{number}"
                print("begin", path, text, flush=True); write(path, text, size, False); print("done", path, text, flush=True)
            print("begin", path, "-", flush=True)
            try:
                if how == "move": os.rename(path, path + "~")
                else: os.unlink(path)
            except FileNotFoundError: continue
            print("moved" if how == "move" else "done", path, "-", flush=True)
            continue
        print("begin", path, text, flush=True)
        if how == "rename": write(path + ".tmp", text, size, False); os.rename(path + ".tmp", path)
        elif how == "dance":
            if os.path.exists(path): os.rename(path, path + "~")
            write(path, text, size, False)
            if os.path.exists(path + "~"): os.unlink(path + "~")
        else: write(path, text, size, how == "sync")
        print("done", path, text, flush=True)
except OSError as error:
    # Of the mount, or of the socket.
    print("end", "gone" if error.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE) else error, flush=True)
`;

interface Told {
  /** By path: what may be there, the last acknowledged first. */
  readonly allowed: Map<string, string[]>;
  readonly saves: number;
}

/** What a client's lines say, after what was there before. */
function understand(lines: readonly string[], before: ReadonlyMap<string, string>): Told {
  const allowed = new Map([...before].map(([path, text]) => [path, [text]]));
  let saves = 0;
  for (const line of lines) {
    const [word, path = "", text = ""] = line.split(" ");
    if (word === "begin") allowed.set(path, [...(allowed.get(path) ?? ["-"]), text]);
    if (word === "done") allowed.set(path, [text]);
    // Until the move is settled, the path gets its last version back (SEMANTICS.md).
    if (word === "moved") allowed.set(path, [text, allowed.get(path)?.[0] ?? "-"]);
    if (word === "done" || word === "moved") saves++;
  }
  return { allowed, saves };
}

/** The first word of each file, after making sure that the file is wholly of it. */
const READ = `
import os, sys
os.chdir(sys.argv[1])
for path in sys.argv[2:]:
    try: data = open(path, "rb").read()
    except FileNotFoundError: print(path, "-"); continue
    text = data.split(b" ")[0]
    assert len(data) in (100, 200_000) and data == (text + b" ") * (len(data) // (len(text) + 1)) + (text + b" ")[: len(data) % (len(text) + 1)], (path, data[:50], len(data))
    print(path, text.decode())
`;

/** Every step is passed within two seconds on a machine that does nothing else. */
const TIRED_MS = 60_000;

test("SC-002: a daemon killed at any step of any save through a mount loses nothing that was acknowledged", async (t) => {
  const seed = Number(process.env.PFS_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const order = join(process.env.TMPDIR ?? "/tmp", `pfs-test-order-${process.pid}`);
  const killer = new URL("../fault/step-killer.ts", import.meta.url).href;
  t.after(() => rmSync(order, { force: true }));
  await withPlace(
    async ({ pfs, dir, env, store }) => {
      await pfs("init", "my-book", "--schema", "any");
      await pfs("mount", "my-book", dir);
      let present = new Map<string, string>();
      let number = 0;
      for (const [index, step] of steps.entries()) {
        const pid = Number(readFileSync(join(store, "lock"), "utf8"));
        writeFileSync(order, `${step} ${1 + ((seed + index) % 3)}`);
        const words = ["-c", CLIENT, dir, `${seed + index}`, `${number}`, join(store, "pfsd.sock")];
        const client = spawn("python3", words, { stdio: ["ignore", "pipe", "inherit"] });
        let said = "";
        client.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text;
        });
        const tired = setTimeout(() => client.kill(), TIRED_MS);
        await once(client, "close");
        clearTimeout(tired);
        const lines = said.split("\n");
        assert.match(lines.at(-2) ?? "", /^end gone$/, `the mount is gone at ${step}`);
        await eventually("the daemon is dead", () => !isAlive(pid));
        assert.equal(existsSync(order), false, `killed at ${step}`);
        await pfs("mount", "my-book", dir);
        const { allowed, saves } = understand(lines, present);
        const read = await execute("python3", ["-c", READ, dir, ...allowed.keys()], env);
        assert.equal(read.code, 0, `${step}: ${read.stderr}`);
        present = new Map();
        for (const line of read.stdout.trimEnd().split("\n")) {
          const [path = "", text = ""] = line.split(" ");
          present.set(path, text);
          const may = allowed.get(path) ?? [];
          assert.ok(may.includes(text), `${path} is ${text}, not ${may.join(" or ")}, killed at ${step}`);
        }
        t.diagnostic(`${step}: after ${saves} saves`);
        number += 1_000_000;
        assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
      }
    },
    { env: { NODE_OPTIONS: `--import ${killer}`, PFS_TEST_KILL_AT: order } },
  );
});
