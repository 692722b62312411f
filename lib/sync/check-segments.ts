/**
 * Owns checking that a remote has the segments of this store's log as they were put there (B1). Must never change anything.
 */
import { PfsError } from "../../schema/errors.ts";
import { MovedRows } from "../retention/moved-rows.ts";
import { segmentText } from "../retention/segment.ts";
import { fetchSegment } from "./move-book.ts";
import type { RemoteCheck } from "./remote-check.ts";

/** Reads each of them. */
export async function checkSegments({ parts, check, damage }: RemoteCheck): Promise<void> {
  const segments = MovedRows.of(parts.reader.database).segments(parts.bookId);
  check.begin("segments of the log", segments.length);
  for (const segment of segments) {
    check.tick();
    await check.breathe();
    try {
      const { byteLength } = await fetchSegment(parts, segment);
      await parts.pace?.spend({ requests: 1, bytes: byteLength });
    } catch (error) {
      const isLost = error instanceof PfsError && (error.code === "NOT_FOUND" || error.code === "CORRUPT");
      if (!isLost) throw error;
      damage.segments.push(segment);
      const what = error.code === "NOT_FOUND" ? "lacks" : "has damaged";
      check.report({
        rule: "B1",
        severity: "error",
        subject: `row ${segment.firstSeq}`,
        message: `The remote ${what} ${segmentText(segment)}.`,
        hint: `\`pfs repair --remote ${parts.bookId}\` sends it again, if it is whole here.`,
      });
    }
  }
}
