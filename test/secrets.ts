// Every secret that the suite works with, each a text that nothing else has, and finding them in what was said. A test that needs
// one takes it from here: what stands elsewhere is not looked for.

import assert from "node:assert/strict";

export const SECRETS = {
  /** Of the S3 server; R2's are as long. */
  s3Key: "5ec2e7a11ce0".repeat(6).slice(0, 64),
  /** That the S3 server does not know. */
  wrongS3Key: "5ec2e7b0bb1e".repeat(6).slice(0, 64),
  /** Of PostgreSQL's user who has to prove who it is; a URL has to escape a part of it. */
  databasePassword: "s3cret-p%ssword-9d41",
  wrongDatabasePassword: "wr0ng/s3cret-p%ssword-9d42",
  /** In URLs and refused texts. */
  urlPassword: "s3cret-in-url-9d43",
  /** Of accounts that do not exist. */
  awsKeyId: "AKIASECRETSECRET0001",
  awsKey: "aws-secret-0002/with+signs",
  awsSession: "session-token-secret-0003",
  unusedDatabasePassword: "database-password-0004",
  pgPassword: "pg-password-secret-0005",
  configText: "config-secret-0006",
} as const;

export interface FoundSecret {
  /** Of {@link SECRETS}. */
  readonly name: string;
  /** From 1. */
  readonly line: number;
  /** The line, without any secret. */
  readonly text: string;
}

/** Each secret with the ways in which it may be written, the longest first, as one may hold another. */
const WRITTEN: readonly (readonly [name: string, text: string])[] = Object.entries(SECRETS)
  .flatMap(([name, secret]): [string, string][] => {
    const ways = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      Buffer.from(secret).toString("base64").replace(/=+$/, ""),
      Buffer.from(secret).toString("hex"),
    ];
    return [...new Set(ways)].map((text) => [name, text]);
  })
  .sort(([, one], [, other]) => other.length - one.length);

/** Which lines of a text have which secrets. */
export function findSecrets(text: string): FoundSecret[] {
  if (!WRITTEN.some(([, secret]) => text.includes(secret))) return [];
  return text.split("\n").flatMap((line, at) => {
    const names = new Set(WRITTEN.filter(([, secret]) => line.includes(secret)).map(([name]) => name));
    return [...names].map((name) => ({ name, line: at + 1, text: withoutSecrets(line) }));
  });
}

/** The text with their names in place of secrets. */
export function withoutSecrets(text: string): string {
  return WRITTEN.reduce((left, [name, secret]) => left.replaceAll(secret, `[secret ${name}]`), text);
}

/** One line for each. */
export function describeSecrets(what: string, found: readonly FoundSecret[]): string {
  return found.map(({ name, line, text }) => `${what}:${line} has the secret ${name}: ${text}`).join("\n");
}

/** @throws AssertionError that names place and line, without the secret */
export function refuseSecrets(what: string, text: string): void {
  const found = findSecrets(text);
  assert.equal(found.length, 0, describeSecrets(what, found));
}
