// What the tests of S3 share: a server, a proxy before it, and remotes that are new for each test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { parseBlobsUrl, type S3Location } from "../../lib/remote/blobs-location.ts";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { HttpFaultProxy } from "./http-fault-proxy.ts";
import { type S3Server, startS3Server } from "./s3-server.ts";

/** The smallest part that R2 takes. */
export const PART_BYTES = 5 * 1024 * 1024;

interface S3Remote {
  /** By way of the proxy. */
  readonly url: string;
  readonly location: S3Location;
  /** A directory of its own. */
  readonly uploadsDirectory: string;
}

export class S3Fixture {
  server!: S3Server;
  proxy!: HttpFaultProxy;
  #directory = "";
  #count = 0;

  /** Started before the file's tests, and stopped after them; no plan for the proxy outlives a test. */
  constructor() {
    before(async () => {
      this.#directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
      this.server = await startS3Server();
      this.proxy = await HttpFaultProxy.start(this.server.endpoint);
    });
    after(async () => {
      await this.proxy.stop();
      await this.server.stop();
      rmSync(this.#directory, { recursive: true });
    });
    afterEach(() => {
      this.proxy.plan = () => undefined;
    });
  }

  /** An empty one. */
  makeRemote(): S3Remote {
    const url = this.server.urlOf(`a%20prefix+%25/${++this.#count}`, this.proxy.url);
    const uploadsDirectory = mkdtempSync(join(this.#directory, "uploads-"));
    return { url, location: parseBlobsUrl(url) as S3Location, uploadsDirectory };
  }

  /** Bare, as the implementation is: nothing is tried again. */
  openBare({ location, uploadsDirectory }: S3Remote): S3Blobs {
    return new S3Blobs({ ...location, uploadsDirectory, pageItems: 5, partBytes: PART_BYTES });
  }

  /** With all decorators; what is tried again is tried soon. */
  async openPatient(
    { url, uploadsDirectory }: S3Remote,
    counters = new RemoteCounters(),
  ): Promise<RemoteBlobs> {
    const retry = { policy: { attempts: 20, firstDelayMs: 1, longestDelayMs: 5 } };
    return await openRemoteBlobs(url, { uploadsDirectory, counters, retry });
  }

  async withBlobs(work: (blobs: S3Blobs, remote: S3Remote) => Promise<void>): Promise<void> {
    const remote = this.makeRemote();
    const blobs = this.openBare(remote);
    try {
      await work(blobs, remote);
    } finally {
      await blobs.close();
    }
  }
}
