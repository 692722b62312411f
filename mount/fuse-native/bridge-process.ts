/**
 * A process that mounts with fuse-native and asks the daemon, by the kernel's protocol over the socket that it inherits, for
 * whatever the mount is asked. In a process of its own, as foreign native code must not be able to end the daemon. It ends with
 * the mount, and with the daemon. Says `ready` on stdout once mounted, else in one line why not.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { keepAcrossExec } from "../../lib/libc.ts";
import { type BridgeStart, SOCKET_FD } from "./bridge-start.ts";
import { PathOperations } from "./path-operations.ts";
import { ProtocolClient } from "./protocol-client.ts";

/** What pfs uses of the package fuse-native 2.2, which brings no types: its README and index.js. */
interface Fuse {
  /** Calls back once the kernel has the mount. */
  mount(done: (error: Error | null) => void): void;
}
type FuseClass = new (directory: string, operations: object, options: Record<string, unknown>) => Fuse;

/** How often it is looked whether the mount is still there: fuse-native does not say when it has ended. */
const LOOK_MS = 200;
const STDERR_FD = 2;
const FUSE_DEVICE = "/dev/fuse";

function main({ mountPoint, fsname, readOnly }: BridgeStart): void {
  // fusermount, which libfuse runs, says there why it does not mount; Node closes it to other programs.
  keepAcrossExec(STDERR_FD);
  const Fuse = loadPackage();
  if (Fuse === undefined) return;
  // Ctrl-C reaches the whole group: the daemon unmounts, and that ends us.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const client = new ProtocolClient({
    fd: SOCKET_FD,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    onEnd: end,
  });
  const operations = new PathOperations(client).operations();
  // libfuse takes what follows a comma as further options. direct_io: pages that are kept could not be told of changes.
  // nonempty: what is in the directory is hidden, as by the other transport.
  const flags = ["use_ino", "direct_io", "big_writes", "atomic_o_trunc", "nonempty"];
  const more = [...flags, ...(readOnly ? ["ro"] : [])];
  const fuse = new Fuse(mountPoint, operations, {
    // What takes long takes long: an answer that is given up would be lost.
    timeout: false,
    subtype: ["pfs", ...more].join(","),
    fsname,
    defaultPermissions: true,
    entryTimeout: "0",
    attrTimeout: "0",
    // Not set for "0" otherwise.
    acAttrTimeout: "0",
  });
  void client.start();
  fuse.mount((error) => {
    if (error !== null) return fail(error.message);
    process.stdout.write("ready\n");
    const device = deviceFd();
    setInterval(() => {
      if (fileOf(device) !== FUSE_DEVICE) end();
    }, LOOK_MS);
  });
}

/** Its native code needs libfuse 2, which the package does not bring so that it would be found. */
function loadPackage(): FuseClass | undefined {
  try {
    return createRequire(import.meta.url)("fuse-native") as FuseClass;
  } catch (error) {
    fail(`its native code cannot be loaded: ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  }
}

/** libfuse's descriptor, which it closes when the mount has ended: a lazy unmount only with its last user. */
function deviceFd(): string {
  const fd = readdirSync("/proc/self/fd").find((each) => fileOf(each) === FUSE_DEVICE);
  if (fd === undefined) throw new Error(`libfuse has no ${FUSE_DEVICE} open`);
  return fd;
}

function fileOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** process.exit would wait for the thread that reads the socket. There is nothing here to be lost. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

function fail(message: string): void {
  process.stdout.write(`${message}\n`, end);
}

main(JSON.parse(process.argv[2] ?? "") as BridgeStart);
