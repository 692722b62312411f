/** Daemons that race on one lesson in strict mounts (SC-003): rounds of which each has one winner. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setS3Credentials } from "../remote/s3-server.ts";
import { eventually, LESSON, type Place, SAMPLE, withPlace } from "./harness.ts";
import { Saver } from "./saver.ts";

/** Places that share the sample book, each with a daemon that has it mounted strictly. */
export async function withStrict(
  names: readonly string[],
  makeUrls: (top: string) => Promise<string[]>,
  use: (places: readonly Place[]) => Promise<void>,
): Promise<void> {
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const places: Place[] = [];
  let urls: string[] = [];
  const enter = async (): Promise<void> => {
    const name = names[places.length];
    if (name === undefined) return await use(places);
    await withPlace(
      async (place) => {
        if (places.length === 0) {
          urls = await makeUrls(place.top);
          await place.pfs("import", "my-book", SAMPLE);
          await place.pfs("remote", "add", "my-book", ...urls);
          await place.pfs("push", "my-book");
        } else {
          await place.pfs("clone", ...urls, "my-book");
          await place.pfs("prefetch", "my-book");
        }
        await place.pfs("mount", "my-book", place.dir, "-o", "sync=strict");
        places.push(place);
        await enter();
      },
      { env: { ...env, PFS_AGENT_ID: name } },
    );
  };
  await enter();
}

/** How many saves were not accepted; those that were refused before anything was written are in no conflict folder. */
export interface Losses {
  readonly refused: number;
  readonly kept: number;
}

/**
 * In each round all save at once what they have just read, in every other one after all of them have written and none has
 * closed; exactly one is accepted. Afterwards all are at the same manifest, and what was refused is in conflict folders.
 */
export async function raceStrictly(places: readonly Place[], rounds: number): Promise<Losses> {
  const savers = places.map(() => new Saver());
  const files = places.map(({ dir }) => join(dir, LESSON));
  const refused = places.map((): string[] => []);
  const overtaken = places.map((): string[] => []);
  for (const file of files) readFileSync(file);
  try {
    for (let round = 0; round < rounds; round++) {
      const texts = places.map((_, index) => `# Round ${round}\n\nby ${index}\n`);
      const allAtOnce = (act: (saver: Saver, file: string, text: string) => Promise<string | undefined>) =>
        Promise.all(savers.map((saver, at) => act(saver, files[at] as string, texts[at] as string)));
      const isBegun = round % 2 === 1;
      if (isBegun) {
        const begun = await allAtOnce((saver, file, text) => saver.begin(file, text));
        assert.deepEqual(new Set(begun), new Set([undefined]), `round ${round}`);
      }
      const outcomes = await allAtOnce((saver, file, text) =>
        isBegun ? saver.end() : saver.save(file, text),
      );
      const winners = outcomes.flatMap((outcome, index) => (outcome === undefined ? [index] : []));
      assert.equal(winners.length, 1, `SC-003: one winner in round ${round}: ${outcomes}`);
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome === undefined) continue;
        assert.equal(outcome, "ESTALE", `round ${round}, ${index}`);
        refused[index]?.push(texts[index] as string);
        if (isBegun) overtaken[index]?.push(texts[index] as string);
      }
      const won = texts[winners[0] as number];
      for (const [index, file] of files.entries())
        await eventually(`${index} has what won round ${round}`, () => readFileSync(file, "utf8") === won);
    }
  } finally {
    for (const saver of savers) await saver.close();
  }
  const hashes = new Set<string>();
  let kept = 0;
  for (const [index, place] of places.entries()) {
    hashes.add(readFileSync(join(place.dir, ".pfs/manifest.hash"), "utf8"));
    const found = new Set(keptIn(place));
    kept += found.size;
    assert.deepEqual(
      [...found].filter((text) => !refused[index]?.includes(text)),
      [],
      "nothing is kept that was accepted",
    );
    assert.deepEqual(
      overtaken[index]?.filter((text) => !found.has(text)),
      [],
      "W2: what was overtaken is kept",
    );
    const status = (await place.status()) as unknown as { sync: { error: string | null }[] };
    assert.equal(status.sync[0]?.error, null);
  }
  assert.equal(hashes.size, 1, "all have the same manifest");
  return { refused: refused.flat().length, kept };
}

/** What refused saves carried. */
export function keptIn({ dir }: Place): string[] {
  const folder = join(dir, ".pfs/conflicts");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((id) => readFileSync(join(folder, id, "mine"), "utf8"));
}
