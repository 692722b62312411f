/** Owns what `--schema` means: a built-in profile's name, or a JSON file. */
import { readFile } from "node:fs/promises";
import { PfsError } from "../../schema/errors.ts";
import { builtInProfile, parseProfile } from "../../schema/profiles.ts";

/** For the help of commands. */
export const SCHEMA_HELP = "strict, docusaurus, any, or a JSON file with patterns";

/** What parseProfile takes. @throws PfsError USAGE */
export async function readSchema(given: string): Promise<unknown> {
  if (/^[a-z]+$/.test(given)) return builtInProfile(given).name;
  const text = await readFile(given, "utf8").catch((cause) => {
    throw new PfsError("USAGE", `The schema ${given} cannot be read: ${cause.message}.`, {
      hint: `--schema takes ${SCHEMA_HELP}.`,
      cause,
    });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new PfsError("USAGE", `The schema ${given} is not JSON: ${(cause as Error).message}.`, { cause });
  }
  parseProfile(json);
  return json;
}
