/**
 * Wakes a thread that waits in poll(2) after some time, by a descriptor: set once, however often the thread waits meanwhile. Owns
 * that timerfd; must never say what is to be done then.
 */
import { closeFd, createTimerfd, setTimerfd } from "./libc.ts";

export class Alarm {
  /** Readable once it has gone off, until it is cleared or set again: give it to a PollSet. */
  readonly fd: number = createTimerfd();

  /** Goes off once, in `delayMs`: more than 0, less than a second. */
  set(delayMs: number): void {
    setTimerfd(this.fd, delayMs);
  }

  /** It is off, also if it has just gone off. */
  clear(): void {
    setTimerfd(this.fd, 0);
  }

  close(): void {
    closeFd(this.fd);
  }
}
