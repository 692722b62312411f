// A process of its own that appends to a shared log in a directory, for the test of several at once: `DIRECTORY NAME ROUNDS`. It
// says which of the rounds it has won, as JSON.

import { openRemoteLog } from "../../lib/remote/open-remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { BOOK, NEWEST, ROOT_ID, RowMaker } from "./shared-rows.ts";

const [directory = "", name = "", rounds = "0"] = process.argv.slice(2);
const log = await openRemoteLog(`file://${directory}`, {
  counters: new RemoteCounters(),
  isNew: true,
  // However slow the disk is, and however many wait for it.
  retry: { policy: { attempts: 1000 } },
});
const maker = new RowMaker(name);
const won: number[] = [];
await log.createBook({ bookId: BOOK, profile: "any", fileSizeLimitBytes: 1_000_000, rootId: ROOT_ID });
for (let round = 0; round < Number(rounds); round++) {
  const rows = [maker.change(`${round}.md`, null, name), maker.change(`${name}/${round}.md`, null, "1")];
  if ((await log.append(BOOK, rows, NEWEST)).type === "appended") won.push(round);
}
await log.close();
process.stdout.write(JSON.stringify(won));
