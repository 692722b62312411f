/** Owns how shared blobs are opened for use: the implementation that a location asks for, with all decorators. */
import { type BlobsLocation, nameOfLocation, parseBlobsUrl } from "./blobs-location.ts";
import { DirectoryBlobs } from "./directory-blobs.ts";
import { blobOperations, type RemoteBlobs } from "./remote-blobs.ts";
import { type RemoteCounters, withMetrics } from "./with-metrics.ts";
import { type RetryOptions, withRetry } from "./with-retry.ts";
import { withTimeouts } from "./with-timeouts.ts";

interface OpenBlobsOptions {
  /** A directory of this store's own, where it is noted which uploads have begun; made when it is needed. */
  readonly uploadsDirectory: string;
  readonly counters: RemoteCounters;
  readonly retry?: RetryOptions;
  /** Makes a directory that is missing: for a remote that is new, as one whose disk is not mounted looks the same. */
  readonly isNew?: boolean;
}

/**
 * Opens shared blobs. Nothing is asked of them yet, so that what cannot be reached now may be later.
 * @param url as parseBlobsUrl takes it
 * @throws PfsError USAGE
 */
export async function openRemoteBlobs(url: string, options: OpenBlobsOptions): Promise<RemoteBlobs> {
  const { counters, retry = {} } = options;
  const location = parseBlobsUrl(url);
  const remote = await openBare(location, options);
  const bounded = withTimeouts(remote, blobOperations, { remoteName: nameOfLocation(location) });
  const counted = withMetrics(bounded, blobOperations, { counters, of: "blobs" });
  return withRetry(counted, blobOperations, {
    ...retry,
    onRetry: (operation, error) => {
      counters.retried("blobs", operation);
      retry.onRetry?.(operation, error);
    },
  });
}

async function openBare(
  location: BlobsLocation,
  { uploadsDirectory, isNew = false }: OpenBlobsOptions,
): Promise<RemoteBlobs> {
  if (location.type === "directory") return new DirectoryBlobs(location.directory, { isNew });
  // The SDK is a quarter of a second and 30 MB, for those who share a book there.
  const { S3Blobs } = await import("./s3-blobs.ts");
  return new S3Blobs({ ...location, uploadsDirectory });
}
