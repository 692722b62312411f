/**
 * Owns the URLs that say where blobs are shared: `s3://BUCKET/PREFIX?endpoint=…&region=…` and `file:///DIRECTORY`. Must never let
 * a secret pass, nor repeat one in a message.
 */
import { fileURLToPath } from "node:url";
import { PfsError } from "../../schema/errors.ts";
import { quote } from "../../schema/ids.ts";

export interface S3Location {
  readonly type: "s3";
  readonly bucket: string;
  /** Before all keys; "" or ending with a slash. */
  readonly prefix: string;
  /** URL of the server; AWS without. */
  readonly endpoint: string | undefined;
  readonly region: string;
}

export interface DirectoryLocation {
  readonly type: "directory";
  /** An absolute path. */
  readonly directory: string;
}

export type BlobsLocation = S3Location | DirectoryLocation;

const HINT = "Write s3://BUCKET/PREFIX?endpoint=https://…&region=auto, or file:///DIRECTORY.";
const S3_PARAMETERS: ReadonlySet<string> = new Set(["endpoint", "region"]);
const SECRET = /key|secret|token|password|credential|signature/i;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9-]{1,40}$/;

/** @throws PfsError USAGE, which says what is wrong with it */
export function parseBlobsUrl(text: string): BlobsLocation {
  const url = URL.parse(text);
  if (url === null) throw wrong("The address of the blobs is no URL");
  if (url.username !== "" || url.password !== "") throw secret();
  for (const name of url.searchParams.keys()) if (SECRET.test(name)) throw secret();
  if (url.hash !== "") throw wrong("The URL of the blobs has a # in it (%23 stands for one)");
  if (url.protocol === "s3:") return parseS3(url);
  if (url.protocol === "file:") return parseFile(url);
  throw wrong(`Blobs cannot be shared at ${quote(url.protocol)}`);
}

/** For messages, at the beginning of a sentence. */
export function nameOfLocation(location: BlobsLocation): string {
  if (location.type === "directory") return `The remote ${location.directory}`;
  const { bucket, prefix, endpoint } = location;
  return `The remote s3://${bucket}/${prefix}${endpoint === undefined ? "" : ` at ${new URL(endpoint).host}`}`;
}

function parseS3(url: URL): S3Location {
  const bucket = url.host;
  if (!BUCKET.test(bucket)) throw wrong(`${quote(bucket)} cannot be a bucket's name`);
  for (const name of url.searchParams.keys()) {
    if (!S3_PARAMETERS.has(name)) throw wrong(`The URL of the blobs has an unknown ${quote(name)}`);
    if (url.searchParams.getAll(name).length > 1)
      throw wrong(`The URL of the blobs has more than one ${name}`);
  }
  const endpoint = parseEndpoint(url.searchParams.get("endpoint"));
  const region = url.searchParams.get("region") ?? (endpoint === undefined ? undefined : "auto");
  if (region === undefined)
    throw wrong("The URL of the blobs needs a region (of AWS) or an endpoint (of any other S3)");
  if (!REGION.test(region)) throw wrong(`${quote(region)} cannot be a region`);
  const segments = decode(url.pathname)
    .split("/")
    .filter((segment) => segment !== "");
  const prefix = segments.map((segment) => `${segment}/`).join("");
  return { type: "s3", bucket, prefix, endpoint, region };
}

function parseEndpoint(text: string | null): string | undefined {
  if (text === null) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw wrong(`The endpoint ${quote(text)} is no http or https URL`);
  if (url.username !== "" || url.password !== "") throw secret();
  if (url.search !== "" || url.hash !== "") throw wrong("The endpoint has more than a host and a path");
  return url.href.replace(/\/$/, "");
}

function parseFile(url: URL): DirectoryLocation {
  if (url.search !== "") throw wrong("The URL of a directory has a ? in it (%3F stands for one)");
  if (url.host !== "") throw wrong(`The URL of a directory names the machine ${quote(url.host)}`);
  let directory: string;
  try {
    directory = fileURLToPath(url);
  } catch (error) {
    throw wrong("The URL of a directory cannot be read", error);
  }
  directory = directory.replace(/\/+$/, "");
  if (directory === "") throw wrong("The URL of a directory names none");
  return { type: "directory", directory };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw wrong("The URL of the blobs has a % that stands for nothing", error);
  }
}

function secret(): PfsError {
  return new PfsError("USAGE", "The URL of a remote must not hold credentials.", {
    hint: "Leave them to the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
  });
}

function wrong(what: string, cause?: unknown): PfsError {
  return new PfsError("USAGE", `${what}.`, { hint: HINT, cause });
}
