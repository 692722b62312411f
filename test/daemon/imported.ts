// Books that are made and changed by importing a directory, for tests of commands that work with and without a daemon.
// Must never expect anything.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PFSD, type Place, withPlace } from "./harness.ts";

/** A directory that is imported again and again: each call is a change of the book. */
export async function importFiles(
  { pfs, top }: Place,
  files: Record<string, string | Buffer>,
): Promise<void> {
  const source = join(top, "source");
  await rm(source, { recursive: true, force: true });
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(source, path, ".."), { recursive: true });
    await writeFile(join(source, path), content);
  }
  await pfs("import", "my-book", source, "--schema", "any");
}

/** Runs `use` without a daemon, then again with one. */
export async function withAndWithoutDaemon(use: (place: Place) => Promise<void>): Promise<void> {
  await withPlace(use);
  await withPlace(async (place) => {
    await place.start(PFSD).until(/"started"/);
    await use(place);
  });
}
