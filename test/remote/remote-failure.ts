// What is expected of a remote that fails.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { RemoteError } from "../../lib/remote/remote-error.ts";

/** For assert.rejects. */
export function isUnavailable(message: RegExp, isRetryable: boolean): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RemoteError, inspect(error));
    assert.match(error.message, message);
    assert.deepEqual(
      { code: error.code, isRetryable: error.isRetryable },
      { code: "UNAVAILABLE", isRetryable },
    );
    return true;
  };
}

/** The failure that something ends with. */
export async function failureOf(work: Promise<unknown>): Promise<RemoteError> {
  const [outcome] = await Promise.allSettled([work]);
  assert.ok(outcome?.status === "rejected" && outcome.reason instanceof RemoteError, inspect(outcome));
  return outcome.reason;
}
