// A process that puts one file into S3 and says how much memory it took. Arguments: URL, directory for notes, path, hash.

import { createReadStream, statSync } from "node:fs";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { parseBlobHash } from "../../schema/ids.ts";

const [url = "", uploadsDirectory = "", path = "", hash = ""] = process.argv.slice(2);
const sizeBytes = statSync(path).size;
const blobs = await openRemoteBlobs(url, { uploadsDirectory, counters: new RemoteCounters() });
const startMs = performance.now();
const outcome = await blobs.put({
  hash: parseBlobHash(hash),
  sizeBytes,
  read: (start = 0, end = sizeBytes) => createReadStream(path, { start, end: end - 1 }),
});
const seconds = (performance.now() - startMs) / 1000;
await blobs.close();
const maxRssBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ outcome, seconds, maxRssBytes })}\n`);
