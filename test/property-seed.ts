/**
 * Owns how random tests are repeated: fast-check prints the seed of a failure, and PFS_SEED gives it back to every
 * property of the files that import this one. Imported for that effect alone.
 */
import fc from "fast-check";

const given = process.env.PFS_SEED;
if (given !== undefined) {
  const seed = Number(given);
  if (!Number.isSafeInteger(seed))
    throw new Error(`PFS_SEED must be a whole number such as fast-check prints, not "${given}".`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
