// A process that puts one file into S3 and says how much memory it took. Arguments: URL, directory for notes, path, hash.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { filePieces } from "../../lib/file-pieces.ts";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { parseBlobHash } from "../../schema/ids.ts";

const TRIES = 5;
const [url = "", uploadsDirectory = "", path = "", hash = ""] = process.argv.slice(2);
const sizeBytes = statSync(path).size;
const blobs = await openRemoteBlobs(url, { uploadsDirectory, counters: new RemoteCounters() });
// What compiling this file and its modules took is not looked for.
writeFileSync("/proc/self/clear_refs", "5");
const startMs = performance.now();
const outcome = await put();
const seconds = (performance.now() - startMs) / 1000;
await blobs.close();
const maxRssBytes =
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
process.stdout.write(`${JSON.stringify({ outcome, seconds, maxRssBytes })}\n`);

/** Again where it can be, as a daemon does: a server on a busy machine may close one connection after the other. */
async function put(): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await blobs.put({
        hash: parseBlobHash(hash),
        sizeBytes,
        read: (start = 0, end = sizeBytes, memory) => filePieces(path, start, end, memory),
      });
    } catch (error) {
      if (!(error instanceof RemoteError && error.isRetryable) || tries === TRIES) throw error;
    }
  }
}
