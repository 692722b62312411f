// An S3 server for tests: Cloudflare's simulator of R2, on a free port of this machine. Must never outlive its test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { SECRETS } from "../secrets.ts";

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** `s3://BUCKET/PREFIX?endpoint=…`, by way of `endpoint` where that is given. */
  urlOf(prefix: string, endpoint?: string): string;
  stop(): Promise<void>;
}

const BUCKET = "shared-books";
const CREDENTIALS = { accessKeyId: "5a".repeat(16), secretAccessKey: SECRETS.s3Key };
const PATH = "/cdn-cgi/local/r2/s3";

/** Makes the credentials of the test server those that the AWS SDK finds in this process, and nobody else's. */
export function setS3Credentials(environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(environment)) if (name.startsWith("AWS_")) delete environment[name];
  environment.AWS_ACCESS_KEY_ID = CREDENTIALS.accessKeyId;
  environment.AWS_SECRET_ACCESS_KEY = CREDENTIALS.secretAccessKey;
  // No configuration of whoever runs the tests, and no question to the cloud that they may run in.
  environment.AWS_CONFIG_FILE = "/nonexistent";
  environment.AWS_SHARED_CREDENTIALS_FILE = "/nonexistent";
  environment.AWS_EC2_METADATA_DISABLED = "true";
}

/** Starts one, with an empty bucket; ready within a second or two. */
export async function startS3Server(): Promise<S3Server> {
  setS3Credentials();
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const server = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    modules: true,
    compatibilityDate: "2025-05-01",
    script: "export default { fetch() { return new Response(null, { status: 404 }); } }",
    r2Buckets: { BOOKS: { id: BUCKET, s3Credentials: CREDENTIALS } },
    defaultPersistRoot: directory,
  });
  const stop = async () => {
    process.off("SIGTERM", stopAndEnd).off("SIGINT", stopAndEnd);
    await server.dispose();
    rmSync(directory, { recursive: true, force: true });
  };
  const stopAndEnd = () => {
    stop().finally(() => process.exit(1));
  };
  process.once("SIGTERM", stopAndEnd).once("SIGINT", stopAndEnd);
  try {
    const endpoint = new URL(PATH, await server.ready).href;
    const urlOf = (prefix: string, way = endpoint) =>
      `s3://${BUCKET}/${prefix}?endpoint=${encodeURIComponent(way)}`;
    return { endpoint, bucket: BUCKET, urlOf, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
