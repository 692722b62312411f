// `npm run soak -- [--minutes 10] [--seed N]`: the endurance test for as long as one wishes, with a line for each thing that happens.

import { parseArgs } from "node:util";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed ?? Date.now() % 1_000_000)];
if (!(minutes > 0) || !Number.isSafeInteger(seed)) throw new Error("--minutes and --seed take numbers");
process.stdout.write(`seed ${seed}, ${minutes} minutes\n`);
const outcome = await soak({
  seed,
  seconds: minutes * 60,
  onLine: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(outcome)}\nevery acknowledged write is there\n`);
