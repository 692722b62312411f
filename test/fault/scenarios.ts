// The operations in the midst of which a fault is set, each with what must be there before it. Must never fail by itself.

import { parseTreePath } from "../../schema/paths.ts";
import { ALICE, type BookFixture, contentOf, EXCHANGE } from "../lib/book-fixture.ts";

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

export const scenarios: Readonly<Record<string, Scenario>> = {
  "a create, small": saving(SMALL, undefined),
  "a create, large": saving(LARGE, undefined),
  "an update, small": saving(SMALL, OLD),
  "an update, large": saving(LARGE, Buffer.alloc(150_000, 1)),
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
