/**
 * Owns where a daemon finds what its service manager hands it in confidence, files in a directory that only it can read
 * (systemd.exec(5), "Credentials"): they become what the drivers of S3 and PostgreSQL look for. Must never say what is in them.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** `aws` is a shared credentials file, `pgpassword` the password alone; what the environment says itself holds. @throws Node's system error */
export function takeCredentials(env: NodeJS.ProcessEnv = process.env): void {
  if (!env.CREDENTIALS_DIRECTORY) return;
  const keys = join(env.CREDENTIALS_DIRECTORY, "aws");
  if (!env.AWS_SHARED_CREDENTIALS_FILE && existsSync(keys)) env.AWS_SHARED_CREDENTIALS_FILE = keys;
  const password = join(env.CREDENTIALS_DIRECTORY, "pgpassword");
  // Not a file for PGPASSFILE: the driver refuses one that a group may read, which systemd's access control list looks like.
  if (!env.PGPASSWORD && !env.PGPASSFILE && existsSync(password))
    env.PGPASSWORD = readFileSync(password, "utf8").replace(/\r?\n$/, "");
}
