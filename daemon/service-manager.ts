/**
 * What a service manager such as systemd is told of this daemon: ready, alive, stopping, as sd_notify(3) has it. Owns that
 * protocol; must never fail the daemon because nobody listens.
 */
import { sendDatagram } from "../lib/libc-sockets.ts";

/** So often within the time that the manager allows. */
const SIGNS_OF_LIFE = 3;

export class ServiceManager {
  readonly #address: string;
  /** Milliseconds after which the manager takes the daemon for dead; undefined: it does not watch. */
  readonly #limitMs: number | undefined;
  readonly #onProblem: (message: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #isAsking = false;

  private constructor(address: string, limitMs: number | undefined, onProblem: (message: string) => void) {
    this.#address = address;
    this.#limitMs = limitMs;
    this.#onProblem = onProblem;
  }

  /**
   * The manager that the environment names, if any. What names it is taken out, so that no other program speaks for the
   * daemon.
   */
  static take(env: NodeJS.ProcessEnv, onProblem: (message: string) => void): ServiceManager | undefined {
    const { NOTIFY_SOCKET: address, WATCHDOG_USEC: limit, WATCHDOG_PID: watched } = env;
    for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
    if (address === undefined || !/^[/@]./.test(address)) return undefined;
    const isWatched =
      limit !== undefined && Number(limit) > 0 && (watched ?? `${process.pid}`) === `${process.pid}`;
    return new ServiceManager(address, isWatched ? Number(limit) / 1000 : undefined, onProblem);
  }

  /**
   * The daemon is of use from now on.
   * @param answers resolves as long as the daemon works; no sign of life is given while it does not
   */
  ready(answers: () => Promise<void>): void {
    this.#tell(`READY=1\nMAINPID=${process.pid}\nSTATUS=Serving.`);
    if (this.#limitMs === undefined) return;
    this.#timer = setInterval(() => void this.#giveSign(answers), this.#limitMs / SIGNS_OF_LIFE);
    this.#timer.unref();
  }

  /** The daemon has begun to end. Only the first time. */
  stopping(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#tell("STOPPING=1\nSTATUS=Unmounting.");
  }

  /** No more signs of life. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #giveSign(answers: () => Promise<void>): Promise<void> {
    // While it unmounts there is nobody to answer, and the manager has another limit for that.
    if (this.#isStopping) return this.#tell("WATCHDOG=1");
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await answers();
      this.#tell("WATCHDOG=1");
    } catch {
      // Then there is no sign of life, which is what it is for.
    } finally {
      this.#isAsking = false;
    }
  }

  #tell(text: string): void {
    try {
      sendDatagram(this.#address, text);
    } catch (error) {
      this.#onProblem(`It cannot be told ${JSON.stringify(text)}: ${(error as Error).message}`);
    }
  }
}
