// A directory of a share that is held open: what others rename or put in its place meanwhile leads nowhere else.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { readFrom, SharedFolder } from "../../lib/remote/shared-folder.ts";

/** Calls `work` with a shared directory and somebody's own, with a file `a` in each. */
async function withFolders(work: (shared: string, own: string) => Promise<void>): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const [shared, own] = [join(top, "shared"), join(top, "own")];
    for (const path of [shared, own]) {
      mkdirSync(path);
      writeFileSync(join(path, "a"), path);
    }
    await work(shared, own);
    assert.ok(existsSync(join(own, "a")));
  } finally {
    rmSync(top, { recursive: true });
  }
}

test("shared folder: a link that takes its place while it is used leads nobody elsewhere", async () => {
  await withFolders(async (shared, own) => {
    mkdirSync(join(shared, "deep"));
    writeFileSync(join(shared, "deep/a"), "a");
    await (await SharedFolder.open(shared)).use(async (folder) => {
      const deep = await folder.enter("deep");
      await deep.use(async () => {
        renameSync(join(shared, "deep"), join(shared, "moved"));
        symlinkSync(own, join(shared, "deep"));
        await deep.remove("a");
      });
      renameSync(shared, `${shared}-moved`);
      symlinkSync(own, shared);
      await folder.remove("a");
    });
    assert.deepEqual(readdirSync(`${shared}-moved`).sort(), ["deep", "moved"]);
    assert.deepEqual(readdirSync(`${shared}-moved/moved`), []);
  });
});

test("shared folder: a link, a file or a pipe is no directory, and a link or a pipe no file", async () => {
  await withFolders(async (shared, own) => {
    symlinkSync(own, join(shared, "link"));
    execFileSync("mkfifo", [join(shared, "pipe")]);
    const isCorrupt = (error: unknown): boolean => error instanceof RemoteError && error.code === "CORRUPT";
    await (await SharedFolder.open(shared)).use(async (folder) => {
      for (const name of ["link", "a", "pipe"]) {
        await assert.rejects(folder.enter(name), { code: "ENOTDIR" });
        await assert.rejects(folder.find(name), isCorrupt);
        await folder.clear(name);
      }
      for (const name of ["link", "pipe"]) await assert.rejects(folder.openFile(name), isCorrupt);
      assert.deepEqual(
        [await folder.find("none"), await folder.openFile("none"), await folder.status("none")],
        [undefined, undefined, undefined],
      );
    });
    assert.deepEqual(readdirSync(shared).sort(), ["a", "link", "pipe"]);
  });
});

test("shared folder: of a file that grows while it is read comes what it had", async () => {
  await withFolders(async (shared) => {
    const path = join(shared, "a");
    writeFileSync(path, Buffer.alloc(300_000));
    const handle = await open(path);
    try {
      let readBytes = 0;
      for await (const piece of readFrom(handle)) {
        readBytes += piece.byteLength;
        appendFileSync(path, piece);
      }
      assert.equal(readBytes, 300_000);
      const bounded = await Array.fromAsync(readFrom(handle, { start: 10, maxBytes: 100 }));
      assert.equal(Buffer.concat(bounded).byteLength, 100);
      assert.deepEqual(await Array.fromAsync(readFrom(handle, { start: 10_000_000 })), []);
    } finally {
      await handle.close();
    }
  });
});
