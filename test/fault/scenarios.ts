// The operations in the midst of which a fault is set, each with what must be there before it. Must never fail by itself.

import { hash } from "node:crypto";
import { nowSeconds } from "../../lib/cache/blob-uses.ts";
import { evictBlobs } from "../../lib/cache/evict-blobs.ts";
import { collectGarbage } from "../../lib/collect-garbage.ts";
import { importBatch } from "../../lib/import.ts";
import { fromNanoseconds } from "../../lib/time.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import {
  ALICE,
  actorNamed,
  BOOK,
  type BookFixture,
  contentOf,
  EXCHANGE,
  layerOf,
} from "../lib/book-fixture.ts";

/** Prepares a book and answers the operation under test, which can be tried again, and what ends it all. */
export type Scenario = (book: BookFixture) => { readonly act: () => void; readonly end?: () => void };

export const SMALL = Buffer.from("small new bytes\n");
export const LARGE = Buffer.alloc(200_000, "large new bytes\n");
const OLD = Buffer.from("old bytes\n");

function saving(bytes: Buffer, old: Buffer | undefined): Scenario {
  return (book) => {
    if (old !== undefined) book.write("x", old);
    const file = old === undefined ? book.create("x") : book.open("x");
    file.truncate(0, ALICE);
    file.write(0, bytes, ALICE);
    return { act: () => file.commit(ALICE, { durable: true }), end: () => file.release(ALICE) };
  };
}

function renamingOver(bytes: Buffer, isOpen = false): Scenario {
  return (book) => {
    book.write("x", OLD);
    book.write("x.tmp", bytes);
    const handles = isOpen ? [book.open("x"), book.open("x.tmp")] : [];
    for (const file of handles) contentOf(file);
    return {
      act: () => book.rename("x.tmp", "x"),
      end: () => {
        for (const file of handles) file.release(ALICE);
      },
    };
  };
}

/** A save that is refused, because somebody imports another version of the file while it is open. */
function refusing(bytes: Buffer): Scenario {
  return (book) => {
    book.write("x", OLD);
    const file = book.open("x");
    file.truncate(0, ALICE);
    file.write(0, bytes, ALICE);
    importText(book, "x", "theirs\n");
    return {
      act() {
        try {
          file.commit(ALICE, { durable: false });
        } catch (error) {
          if (!(error instanceof PfsError && error.code === "CONFLICT")) throw error;
          return;
        }
        throw new Error("the save was not refused");
      },
      end: () => file.release(ALICE),
    };
  };
}

/** Another version of a file of the root, as `pfs import` brings it. */
export function importText(book: BookFixture, path: string, text: string | Uint8Array): void {
  const bytes = new Uint8Array(Buffer.from(text));
  const blobHash = hash("sha256", bytes) as BlobHash;
  const mtime = fromNanoseconds(1_700_000_000_000_000_001n);
  const file = { path, type: "file", hash: blobHash, sizeBytes: bytes.byteLength } as const;
  importBatch(book.worktree, [{ ...file, mode: 0o100644, mtime, content: { bytes } }], [], actorNamed("bob"));
}

/** What was refused and given up is removed. */
function collecting(bytes: Buffer): Scenario {
  return (book) => {
    const refused = refusing(bytes)(book);
    refused.act();
    refused.end?.();
    for (const id of [...book.worktree.conflicts.ids(0)]) book.worktree.removeConflict(id, ALICE);
    const blob = { hash: hash("sha256", bytes) as BlobHash, sizeBytes: bytes.length };
    const garbage = { seq: book.library.log.seq, blobs: [blob], files: [], keptForRemote: 0 };
    return { act: () => void collectGarbage(book.library, garbage) };
  };
}

/** An older version is evicted, as a remote has it. */
function evicting(bytes: Buffer): Scenario {
  return (book) => {
    book.write("x", bytes);
    book.write("x", OLD);
    const { library } = book;
    const evicted = hash("sha256", bytes) as BlobHash;
    library.shareBook(BOOK, { logUrl: "test:", blobsUrl: "test:", remoteId: "0".repeat(32) });
    const rows = Array.from({ length: library.log.seq }, (_, index) => index + 1);
    library.noteShared(
      BOOK,
      rows.map((seq) => ({ seq, sharedSeq: seq })),
      [evicted],
      { seq: rows.length, entryHash: null },
    );
    const eviction = { seq: library.log.seq, hashes: [evicted], usedBefore: nowSeconds() + 3600 };
    return {
      act() {
        if (evictBlobs(library, eviction).blobs !== 1) throw new Error("nothing was evicted");
      },
    };
  };
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  "a create, small": saving(SMALL, undefined),
  "a create, large": saving(LARGE, undefined),
  "an update, small": saving(SMALL, OLD),
  "an update, large": saving(LARGE, Buffer.alloc(150_000, 1)),
  "a refused save, small": refusing(SMALL),
  "a refused save, large": refusing(LARGE),
  "the removal of a blob that nobody needs, small": collecting(SMALL),
  "the removal of a blob that nobody needs, large": collecting(LARGE),
  "an eviction, small": evicting(SMALL),
  "an eviction, large": evicting(LARGE),
  "an update, large to small": saving(SMALL, LARGE),
  "a rename-over from scratch, small": renamingOver(SMALL),
  "a rename-over from scratch, large": renamingOver(LARGE),
  "a rename-over from scratch, both open": renamingOver(LARGE, true),
  "a rename of scratch to a new name, large": (book) => {
    book.write("x.tmp", LARGE);
    return { act: () => book.rename("x.tmp", "x") };
  },
  "a rename-over from hard-linked scratch, large": (book) => {
    book.write("x", OLD);
    book.write("x.tmp", LARGE);
    book.link("x.tmp", "y.tmp");
    return { act: () => book.rename("x.tmp", "x") };
  },
  "a rename out of the book, small": (book) => {
    book.write("x", SMALL);
    book.write("x~", OLD);
    return { act: () => book.rename("x", "x~") };
  },
  "a rename out of the book, large": (book) => {
    book.write("x", LARGE);
    return { act: () => book.rename("x", "x~") };
  },
  "a rename of a file over another": (book) => {
    book.write("x", SMALL);
    book.write("y", OLD);
    return { act: () => book.rename("x", "y") };
  },
  "a directory rename": (book) => {
    book.makeDirectories("d/e");
    book.write("d/x", SMALL);
    book.write("d/e/y", LARGE);
    book.write("d/e/z~", OLD);
    return { act: () => book.rename("d", "f") };
  },
  "the settling of a move out of the book": (book) => {
    book.write("x", SMALL);
    book.rename("x", "x~");
    return { act: () => book.settle() };
  },
  "an exchange of files": (book) => {
    book.write("x", SMALL);
    book.write("y", LARGE);
    return { act: () => book.rename("x", "y", EXCHANGE) };
  },
  "an exchange with scratch": (book) => {
    book.write("x", SMALL);
    book.write("x.tmp", LARGE);
    const handles = [book.open("x"), book.open("x.tmp")];
    for (const file of handles) contentOf(file);
    return {
      act: () => book.rename("x.tmp", "x", EXCHANGE),
      end: () => {
        for (const file of handles) file.release(ALICE);
      },
    };
  },
  "an unlink": (book) => {
    book.write("x", SMALL);
    return { act: () => book.unlink("x") };
  },
  "a deletion by path of an open file": (book) => {
    book.write("x", SMALL);
    const file = book.open("x");
    contentOf(file);
    return {
      act: () => book.worktree.delete(parseTreePath("x"), ALICE),
      end: () => file.release(ALICE),
    };
  },
  "a deletion by path of a file that took over a vacated one": (book) => {
    book.write("x", SMALL);
    book.unlink("x");
    const file = book.create("x");
    return {
      act: () => book.worktree.delete(parseTreePath("x"), ALICE),
      end: () => file.release(ALICE),
    };
  },
  "an unlink of scratch": (book) => {
    book.write("x~", LARGE);
    return { act: () => book.unlink("x~") };
  },
  "a settled delete": (book) => {
    book.write("x", SMALL);
    book.write("y", SMALL);
    book.unlink("x");
    book.unlink("y");
    return { act: () => book.settle() };
  },
  "a truncate by path": (book) => {
    book.write("x", LARGE);
    const reader = book.open("x");
    contentOf(reader);
    return {
      act: () => book.worktree.setAttributes(book.node("x").fileId, { size: 3 }, ALICE),
      end: () => reader.release(ALICE),
    };
  },
  "a chmod": (book) => {
    book.write("x", SMALL);
    return { act: () => book.worktree.setAttributes(book.node("x").fileId, { mode: 0o751 }, ALICE) };
  },
  "a mkdir": (book) => ({ act: () => book.makeDirectory("d") }),
  "a symlink": (book) => ({ act: () => book.symlink("target", "x") }),
  "a symlink from scratch over a file": (book) => {
    book.write("x", SMALL);
    book.symlink("target", "x.tmp");
    return { act: () => book.rename("x.tmp", "x") };
  },
};

export const USER = parseUserId("alice");
const HIDES = { ...ALICE, hidesBase: true };

/** A base with directories, which a user sees with something of the user's own; every file is open in both layers. */
function inLayers(
  act: (base: BookFixture, overlay: BookFixture) => void,
  prepare: (base: BookFixture, overlay: BookFixture) => void = () => {},
): Scenario {
  return (base) => {
    base.makeDirectories("d/e/f");
    base.makeDirectories("other");
    base.write("d/x", SMALL);
    base.write("d/e/y", LARGE);
    const overlay = layerOf(base, USER);
    overlay.write("d/e/mine", SMALL);
    prepare(base, overlay);
    for (const layer of [base, overlay]) layer.settle();
    const shown = [base, overlay].filter((layer) => layer.find("d") !== undefined);
    const open = ["d/x", "d/e/y"].flatMap((path) =>
      shown.flatMap((layer) => (layer.find(path) === undefined ? [] : [layer.open(path)])),
    );
    for (const file of open) contentOf(file);
    return {
      act: () => act(base, overlay),
      end: () => {
        for (const file of open) file.release(ALICE);
      },
    };
  };
}

/** Those that concern a user's overlay and the base beneath it. */
export const layerScenarios: Readonly<Record<string, Scenario>> = {
  "a copy-up": inLayers((_base, overlay) => overlay.rename("d/x", "other/x", undefined, HIDES)),
  "a directory rename in an overlay": inLayers((_base, overlay) =>
    overlay.rename("d", "other/d", undefined, HIDES),
  ),
  "an exchange of directories in an overlay": inLayers((_base, overlay) =>
    overlay.rename("d", "other", EXCHANGE, HIDES),
  ),
  "a directory rename in the base": inLayers((base) => base.rename("d", "other/d")),
  "a directory rename in the base to where the user has something": inLayers(
    (base) => base.rename("d", "free"),
    (_base, overlay) => overlay.makeDirectory("free", HIDES),
  ),
  "a removal of a directory of the base that the user has something in": inLayers(
    (base) => base.removeDirectory("d/e/f"),
    (_base, overlay) => overlay.write("d/e/f/z", SMALL),
  ),
  "a revert": inLayers(
    (_base, overlay) => overlay.worktree.revert([""], ALICE),
    (_base, overlay) => {
      overlay.write("d/x", LARGE);
      overlay.unlink("d/e/y", HIDES);
    },
  ),
  "a revert of a file whose directory the user has moved": inLayers(
    (_base, overlay) => overlay.worktree.revert(["other/d/x"], ALICE),
    (_base, overlay) => {
      overlay.rename("d", "other/d", undefined, HIDES);
      overlay.write("other/d/x", LARGE);
    },
  ),
  "the publishing of two files that have changed places, and of all else": inLayers(
    (_base, overlay) => overlay.worktree.publish([""], ALICE),
    (_base, overlay) => {
      overlay.rename("d/x", "d/e/y", EXCHANGE, HIDES);
      overlay.removeDirectory("d/e/f", HIDES);
      overlay.write("other/new", LARGE);
    },
  ),
  "the publishing of a change": inLayers(
    (_base, overlay) => overlay.worktree.publish(["d/x"], ALICE),
    (_base, overlay) => overlay.write("d/x", LARGE),
  ),
  "the publishing of a move": inLayers(
    (_base, overlay) => overlay.worktree.publish(["other/x"], ALICE),
    (_base, overlay) => {
      overlay.rename("d/x", "other/x", undefined, HIDES);
      overlay.write("other/x", LARGE);
    },
  ),
  "the publishing of a removal": inLayers(
    (_base, overlay) => overlay.worktree.publish(["d/x"], ALICE),
    (_base, overlay) => overlay.unlink("d/x", HIDES),
  ),
  "the publishing of a directory's removal": inLayers(
    (_base, overlay) => overlay.worktree.publish(["d/e/f"], ALICE),
    (base, overlay) => {
      overlay.removeDirectory("d/e/f", HIDES);
      base.makeDirectories("d/e/f/g/h");
    },
  ),
};
