/** Owns the way from a session back to its kernel: kept-back answers go out here, notifications to the given writer. */
import type { Device } from "./kernel/device.ts";
import type { Answer, KernelLink, Notification } from "./kernel-link.ts";

export interface DeviceLinkOptions {
  /** Hands over to another thread, where a Notifier writes to the same device. */
  notify(notification: Notification): void;
  onFault(error: unknown, operation: string): void;
}

export class DeviceLink implements KernelLink {
  readonly #device: Device;
  readonly #options: DeviceLinkOptions;

  constructor(device: Device, options: DeviceLinkOptions) {
    this.#device = device;
    this.#options = options;
  }

  notify(notification: Notification): void {
    this.#options.notify(notification);
  }

  /** Never throws: it is called while others' answers, of other mounts too, wait for their turn. */
  answer(answer: Answer): void {
    try {
      this.#device.send(answer);
    } catch (error) {
      this.#options.onFault(error, "answering late");
    }
  }
}
