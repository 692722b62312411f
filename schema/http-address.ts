/** Owns what may be written as the address of the daemon's HTTP port. Must never listen. */
import { isIP } from "node:net";
import { PfsError } from "./errors.ts";
import { quote } from "./ids.ts";

export interface HttpAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";
const MAX_PORT = 65_535;

/** For `--help`. */
export const HTTP_HELP =
  "serve /metrics, /healthz and /readyz at PORT of this machine, or at ADDRESS:PORT (default: PFS_HTTP, else nowhere)";

/**
 * `PORT` is on loopback; `ADDRESS:PORT`, `[IPV6]:PORT` and `localhost:PORT` are where they say.
 * @throws PfsError USAGE
 */
export function parseHttpAddress(text: string): HttpAddress {
  const match = /^(?:(?<host>[^:[\]]+|\[[^\]]*\]):)?(?<port>[0-9]{1,5})$/.exec(text);
  const { host: given = LOOPBACK, port: digits = "" } = match?.groups ?? {};
  const host = given === "localhost" ? LOOPBACK : given.replace(/^\[|\]$/g, "");
  const port = Number(digits);
  if (match !== null && isIP(host) !== 0 && port <= MAX_PORT) return { host, port };
  throw new PfsError("USAGE", `${quote(text)} is no address to listen on.`, {
    hint: "Name a port, such as 9130, which is then reached from this machine only, or ADDRESS:PORT, such as 0.0.0.0:9130.",
  });
}

export function formatHttpAddress({ host, port }: HttpAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
