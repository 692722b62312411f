/** Owns the way from a session back to its kernel: kept-back answers go out here, notifications to the given writer. */
import type { Device } from "./kernel/device.ts";
import type { Answer, KernelLink, Notification } from "./kernel-link.ts";

export class DeviceLink implements KernelLink {
  readonly #device: Device;
  readonly #notify: (notification: Notification) => void;

  /** `notify` hands over to another thread, where a Notifier writes to the same device. */
  constructor(device: Device, notify: (notification: Notification) => void) {
    this.#device = device;
    this.#notify = notify;
  }

  notify(notification: Notification): void {
    this.#notify(notification);
  }

  answer(answer: Answer): void {
    this.#device.send(answer);
  }
}
