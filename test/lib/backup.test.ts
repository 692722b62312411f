// Backups: the store as it was at one moment, made while others save; what is not a whole, true backup is never restored.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packTar, unpackTar } from "modern-tar";
import { infoText, sumsText } from "../../lib/backup/backup-format.ts";
import { restoreBackup } from "../../lib/backup/restore-backup.ts";
import { type BackupOutcome, writeBackup } from "../../lib/backup/write-backup.ts";
import { collectGarbage } from "../../lib/collect-garbage.ts";
import { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { verifyStore } from "../../lib/verify.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { assertSound } from "./soundness.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";
import { fillStore, LARGE } from "./verify-samples.ts";

/** Where a name with a slash at its start would lead. */
const ABSOLUTE = join(tmpdir(), `pfs-escaped-${process.pid}`);

/** What a backup of the store is; `meanwhile` is called at each piece of it. */
async function backup(
  store: TestStore,
  meanwhile: () => void = () => {},
): Promise<{ bytes: Uint8Array; outcome: BackupOutcome }> {
  const pieces: Uint8Array[] = [];
  const write = async (bytes: Uint8Array): Promise<void> => {
    meanwhile();
    pieces.push(Uint8Array.from(bytes));
  };
  const outcome = await writeBackup(store.reader, write, {
    temporaryIn: store.folder,
    onProgress: meanwhile,
  });
  assert.deepEqual(
    readdirSync(store.folder).filter((name) => name.startsWith(".")),
    [],
  );
  return { bytes: Buffer.concat(pieces), outcome };
}

function restore(store: TestStore, bytes: Uint8Array, name = "restored", evenDamaged = false) {
  const stream = new Blob([new Uint8Array(bytes)]).stream();
  return restoreBackup(stream, join(store.folder, name), { source: "the backup", evenDamaged });
}

/** All rows of all tables that outlive a restart, and the files beside. */
function contentOf(directory: string): unknown {
  const reader = StoreReader.open(directory);
  try {
    const tables = reader.database
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
      )
      .pluck()
      .all() as string[];
    const rows = tables.map((name) => [name, reader.database.prepare(`SELECT * FROM ${name}`).all()]);
    const files = ["objects", "scratch"].flatMap((folder) =>
      readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => [entry.name, hash("sha256", readFileSync(join(entry.parentPath, entry.name)))])
        .sort(),
    );
    return { rows, files, key: readFileSync(join(directory, "audit-key.pem"), "utf8") };
  } finally {
    reader.close();
  }
}

async function fill(store: TestStore): Promise<void> {
  fillStore(store);
  save(store.library.worktree(BOOK, parseUserId("bob")), "a.md", "bob's");
  const { parent } = placeOf(store.worktree, "chapter/x");
  const scratch = store.worktree.create(parent, ".x.md.swp", 0o600, alice);
  scratch.write(0, Buffer.alloc(300_000, "swap"), alice);
  scratch.release(alice);
  store.library.signer.storeId;
}

test("backup: what is restored is the same store, row by row and byte by byte, and opens", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    const { bytes, outcome } = await backup(store);
    assert.deepEqual([outcome.seq, outcome.errors], [store.library.log.seq, []]);
    const restored = await restore(store, bytes);
    assert.deepEqual([restored.info.seq, restored.errors], [outcome.seq, []]);
    const directory = join(store.folder, "restored");
    assert.deepEqual(contentOf(directory), contentOf(store.directory));
    const library = Library.open(directory);
    try {
      assertSound(library);
    } finally {
      library.close();
    }
  });
});

test("backup: unpacked by hand it is checked by sha256sum and is a store", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    const { bytes } = await backup(store);
    const directory = join(store.folder, "by hand");
    mkdirSync(directory);
    execFileSync("tar", ["-x", "-f", "-", "-C", directory], { input: bytes });
    execFileSync("sha256sum", ["--quiet", "--strict", "-c", "SHA256SUMS"], { cwd: directory });
    for (const name of ["SHA256SUMS", "pfs-backup.json"]) rmSync(join(directory, name));
    assert.deepEqual(contentOf(directory), contentOf(store.directory));
  });
});

test("backup: saves and scratch that come and go meanwhile leave it whole, at one moment", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    const before = store.library.log.seq;
    let at = 0;
    const { bytes, outcome } = await backup(store, () => {
      if (at === 0) {
        const { parent, name } = placeOf(store.worktree, "chapter/.x.md.swp");
        store.worktree.unlink(parent, name, alice);
      }
      save(store.worktree, `new${at++ % 3}.md`, Buffer.alloc(at % 2 === 0 ? 5 : LARGE.length, `${at}`));
    });
    assert.ok(at > 5);
    assert.deepEqual([outcome.seq, outcome.errors], [before, []]);
    const { info } = await restore(store, bytes);
    assert.equal(info.seq, before);
    const library = Library.open(join(store.folder, "restored"));
    try {
      assertSound(library);
      const worktree = library.worktree(BOOK);
      assert.equal(worktree.lookup(worktree.rootId, "new0.md"), undefined);
      assert.equal(worktree.lookup(placeOf(worktree, "chapter/x").parent, ".x.md.swp"), undefined);
    } finally {
      library.close();
    }
  });
});

test("backup: garbage that is collected meanwhile is in neither", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    const garbage = Buffer.alloc(LARGE.length, "garbage ");
    const gone = hash("sha256", garbage) as BlobHash;
    const path = store.library.blobs.objectPath(gone);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, garbage);
    store.library.store.database
      .prepare("INSERT INTO blob (sha256, size, data) VALUES (?, ?, NULL)")
      .run(gone, garbage.length);
    let isFirst = true;
    const { bytes } = await backup(store, () => {
      if (!isFirst) return;
      isFirst = false;
      const found = {
        seq: store.library.log.seq,
        blobs: [{ hash: gone, sizeBytes: 1 }],
        files: [],
        keptForRemote: 0,
      };
      assert.equal(collectGarbage(store.library, found).blobs, 1);
    });
    assert.deepEqual((await restore(store, bytes)).errors, []);
    assert.deepEqual(contentOf(join(store.folder, "restored")), contentOf(store.directory));
  });
});

test("backup: a damaged store is backed up, and said to be damaged; it is restored only when that is asked for", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    tamper(store, "UPDATE blob SET data = CAST('owt' AS BLOB) WHERE data = CAST('two' AS BLOB)");
    const large = store.library.blobs.objectPath(hash("sha256", LARGE) as BlobHash);
    rmSync(large);
    const { bytes, outcome } = await backup(store);
    assert.deepEqual(outcome.errors.map(({ rule }) => rule).sort(), ["B1", "R2"]);
    await assert.rejects(restore(store, bytes), {
      code: "CORRUPT",
      message: /was not restored: The bytes of /,
    });
    assert.deepEqual(readdirSync(store.folder), ["store"]);
    const { errors } = await restore(store, bytes, "damaged", true);
    assert.equal(errors.length, 2);
    const reader = StoreReader.open(join(store.folder, "damaged"));
    assert.equal((await verifyStore(reader)).length, 2);
    reader.close();
  });
});

test("restore-backup: a store, or any file, that is there is never touched", async () => {
  await withStore("any", async (store) => {
    await fill(store);
    const { bytes } = await backup(store);
    const before = contentOf(store.directory);
    await assert.rejects(restore(store, bytes, "store"), {
      code: "EXISTS",
      message: /^There is a store in /,
    });
    assert.deepEqual(contentOf(store.directory), before);
    mkdirSync(join(store.folder, "full"));
    writeFileSync(join(store.folder, "full", "x"), "");
    await assert.rejects(restore(store, bytes, "full"), { code: "EXISTS", message: /^There are files in / });
    writeFileSync(join(store.folder, "file"), "");
    await assert.rejects(restore(store, bytes, "file"), { code: "EXISTS", message: /ENOTDIR/ });
    mkdirSync(join(store.folder, "empty"));
    await restore(store, bytes, "empty");
    assert.deepEqual(readdirSync(store.folder).sort(), ["empty", "file", "full", "store"]);
  });
});

test("restore-backup: one that was cut off anywhere, or changed in any byte that counts, is refused and leaves nothing", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "one");
    save(store.worktree, "large.png", LARGE);
    const { bytes } = await backup(store);
    const refused = async (what: string, changed: Uint8Array) => {
      await assert.rejects(restore(store, changed), { code: "CORRUPT" }, what);
      assert.deepEqual(readdirSync(store.folder), ["store"], what);
    };
    for (const part of [0, 0.01, 0.3, 0.6, 0.9, 0.98])
      await refused(`cut off at ${part}`, bytes.subarray(0, Math.floor(bytes.length * part)));
    const text = Buffer.from(bytes);
    for (const at of [
      text.indexOf("large "),
      text.indexOf("SQLite format 3") + 20_000,
      text.lastIndexOf("pfs.db"),
    ]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      await refused(`changed at ${at}`, changed);
    }
    await refused("no tar", Buffer.from("PK\x03\x04".repeat(500)));
  });
});

test("restore-backup: no name leads out of the store's directory (zip-slip), nor is anything but plain files taken", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "one");
    const { bytes } = await backup(store);
    const good = await unpackTar(new Uint8Array(bytes));
    type Entry = (typeof good)[number];
    const forged = async (extra: Entry["header"], data = new Uint8Array(0)) => {
      const entries = [...good.slice(0, -1), { header: extra, data }];
      const sums = new Map(
        entries.map((each) => [each.header.name, hash("sha256", each.data ?? new Uint8Array(0))]),
      );
      const text = Buffer.from(sumsText(sums));
      const header = { name: "SHA256SUMS", size: text.length };
      return await packTar([...entries, { header, data: new Uint8Array(text) }]);
    };
    const names = ["../escaped", ABSOLUTE, "objects/../../escaped", "lock", "scratch/../escaped"];
    for (const name of [...names, "objects/aa/bb", "audit-last-head.json", "scratch/1/2", "pfs.db-wal"]) {
      await assert.rejects(restore(store, await forged({ name, size: 0 })), { code: "CORRUPT" }, name);
      assert.deepEqual(readdirSync(store.folder), ["store"], name);
    }
    for (const type of ["symlink", "link", "directory", "fifo"] as const) {
      const header = { name: "scratch/5", size: 0, type, linkname: "/etc/passwd" };
      await assert.rejects(restore(store, await forged(header)), { code: "CORRUPT" }, type);
    }
    assert.ok(!existsSync(ABSOLUTE));
    // The same way, with a name that may be there, is taken.
    await restore(store, await forged({ name: "scratch/5", size: 1 }, new Uint8Array(1)));
  });
});

test("restore-backup: a log that is not the one the backup speaks of is refused", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "one");
    const { bytes } = await backup(store);
    const entries = await unpackTar(new Uint8Array(bytes));
    const info = Buffer.from(
      infoText({ time: new Date(0).toISOString(), seq: 1, entry_hash: "0".repeat(64) }),
    );
    const changed = entries
      .slice(0, -1)
      .map((each, index) =>
        index === 0 ? { header: { ...each.header, size: info.length }, data: new Uint8Array(info) } : each,
      );
    const sums = sumsText(
      new Map(changed.map((each) => [each.header.name, hash("sha256", each.data as Uint8Array)])),
    );
    const last = {
      header: { name: "SHA256SUMS", size: sums.length },
      data: new Uint8Array(Buffer.from(sums)),
    };
    await assert.rejects(restore(store, await packTar([...changed, last])), {
      code: "CORRUPT",
      message: /row 1 of its log/,
    });
  });
});
