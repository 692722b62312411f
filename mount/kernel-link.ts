/** Owns what a session needs of its mount's device, as an interface; loop and daemon implement it. */
import type { Lane } from "./deliveries.ts";

/** A message to a kernel that answers no request. */
export interface Notification {
  /** Notifications of one lane keep their order; the lanes do not wait for each other. */
  readonly lane: Lane;
  /** Goes to `Deliveries.delivered` when the kernel has taken the message, or never will. */
  readonly ticket: number;
  readonly bytes: Buffer;
  /** To be written no sooner, outside its lane's order; undefined: in its turn. */
  readonly afterMs?: number;
}

/** An encoded answer: the buffer's first `length` bytes. */
export interface Answer {
  readonly buffer: Buffer;
  readonly length: number;
}

export interface KernelLink {
  /**
   * Hands a notification to whoever writes it to this mount's device: never the mount thread itself, which would
   * deadlock against the kernel's locks.
   */
  notify(notification: Notification): void;
  /** Sends an answer that was kept back; a kernel that no longer waits for it is no failure. */
  answer(answer: Answer): void;
}
