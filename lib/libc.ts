/**
 * The C library's calls that Node does not offer, but for those about sockets: with `libc-sockets.ts` the one place with koffi declarations. Owns marshalling and
 * errno; must never know what a call is for. koffi is loaded and each function bound at its first use, so that
 * importing this file costs nothing. 64-bit Linux only: the structures' layouts are those of x86_64 and arm64.
 *
 * Two styles: the calls of the mount thread's loop return a negative errno and never throw for what the system
 * says (`readFd`, `writeFd`, `pollFds`); all others throw PosixError.
 */
import { createRequire } from "node:module";
import type koffiModule from "koffi";
import { Errno, type ErrnoName, PosixError } from "../schema/errors.ts";

type Koffi = typeof koffiModule;
export type NativeFunction = ReturnType<ReturnType<Koffi["load"]>["func"]>;

/** Every kernel's page is this or a multiple of it. */
const PAGE_BYTES = 4096;

let koffi: Koffi | undefined;
let library: ReturnType<Koffi["load"]> | undefined;

export function bind(prototype: string): NativeFunction {
  koffi ??= createRequire(import.meta.url)("koffi") as Koffi;
  // null: the symbols of the running process, whatever libc it is linked with.
  library ??= koffi.load(null);
  return library.func(prototype);
}

/** Of the last call. */
export function errno(): number {
  return (koffi as Koffi).errno();
}

const errnoNames = new Map<number, ErrnoName>(
  Object.entries(Errno).map(([name, value]) => [value, name as ErrnoName]),
);

/** The error of a failed call: `what` says which, `errnoNumber` is positive. EIO stands for an unlisted number. */
export function posixError(errnoNumber: number, what: string, path?: string): PosixError {
  const name = errnoNames.get(errnoNumber);
  return new PosixError(name ?? "EIO", `${what}: ${name ?? `error ${errnoNumber}`}`, { path });
}

/** @throws PosixError for a negative result */
export function check(result: number, what: string, path?: string): number {
  if (result < 0) throw posixError(errno(), what, path);
  return result;
}

/**
 * A buffer in which what follows the first `headBytes` begins at a page: the kernel copies between it and its own pages one
 * by one, and else needs two of ours for each. AMD's processors since Zen 3 copy a seventh as fast where the target begins 1 to
 * 31 bytes after the source, counted within their pages; and malloc(3) has each large block begin 16 bytes after a page.
 */
export function allocatePageAligned(headBytes: number, bodyBytes: number): Buffer {
  koffi ??= createRequire(import.meta.url)("koffi") as Koffi;
  const buffer = Buffer.alloc(headBytes + bodyBytes + PAGE_BYTES);
  const body = (Number(koffi.address(buffer)) + headBytes) % PAGE_BYTES;
  const start = (PAGE_BYTES - body) % PAGE_BYTES;
  return buffer.subarray(start, start + headBytes + bodyBytes);
}

/** Where a buffer's bytes are. Only after {@link bind}. */
export function addressOf(buffer: Buffer): bigint {
  return BigInt((koffi as Koffi).address(buffer));
}

let read: NativeFunction | undefined;
let write: NativeFunction | undefined;
let poll: NativeFunction | undefined;

/** read(2) of up to `length` bytes to the buffer's start. Returns the count or a negative errno. */
export function readFd(fd: number, buffer: Buffer, length: number): number {
  if (length > buffer.length) throw new RangeError(`${length} bytes into a buffer of ${buffer.length}`);
  read ??= bind("int64_t read(int fd, void *buffer, size_t length)");
  const count = read(fd, buffer, length) as number;
  return count < 0 ? -errno() : count;
}

/** write(2) of the buffer's first `length` bytes. Returns the count or a negative errno. */
export function writeFd(fd: number, buffer: Buffer, length: number): number {
  if (length > buffer.length) throw new RangeError(`${length} bytes from a buffer of ${buffer.length}`);
  write ??= bind("int64_t write(int fd, const void *buffer, size_t length)");
  const count = write(fd, buffer, length) as number;
  return count < 0 ? -errno() : count;
}

/**
 * poll(2) over `count` entries of `struct pollfd` {i32 fd, i16 events, i16 revents}. Returns how many are ready or
 * a negative errno. `timeoutMs` -1 waits for ever.
 */
export function pollFds(entries: Buffer, count: number, timeoutMs: number): number {
  if (count * 8 > entries.length) throw new RangeError(`${count} entries in ${entries.length} bytes`);
  poll ??= bind("int poll(void *entries, unsigned long count, int timeout)");
  const ready = poll(entries, count, timeoutMs) as number;
  return ready < 0 ? -errno() : ready;
}

/** Waits on a thread of its own until `fd` can be read, or its other end has closed. False: `timeoutMs` have passed. */
export function waitReadable(fd: number, timeoutMs: number): Promise<boolean> {
  poll ??= bind("int poll(void *entries, unsigned long count, int timeout)");
  const { async: start } = poll;
  // struct pollfd with POLLIN.
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(1, 4);
  return new Promise((resolve, reject) => {
    start(entry, 1, timeoutMs, (failure: Error | null, ready: number) => {
      if (failure) reject(failure);
      // Interrupted by a signal: the caller looks, and waits again.
      else resolve(ready !== 0);
    });
  });
}

let eventfd: NativeFunction | undefined;
let timerfdCreate: NativeFunction | undefined;
let timerfdSettime: NativeFunction | undefined;
let flockNative: NativeFunction | undefined;
let fallocateNative: NativeFunction | undefined;
let syncFileRange: NativeFunction | undefined;
let fadvise: NativeFunction | undefined;
let lseekNative: NativeFunction | undefined;
let futimensNative: NativeFunction | undefined;
let renameat2: NativeFunction | undefined;
let utimensat: NativeFunction | undefined;
let fcntl: NativeFunction | undefined;
let close: NativeFunction | undefined;

/** eventfd(2), closed on exec, not blocking; its counter is 0. */
export function createEventfd(): number {
  eventfd ??= bind("int eventfd(unsigned int initial, int flags)");
  // EFD_CLOEXEC | EFD_NONBLOCK, which are O_CLOEXEC | O_NONBLOCK.
  return check(eventfd(0, 0o2000000 | 0o4000) as number, "eventfd");
}

/** timerfd_create(2) on the monotonic clock, closed on exec, not blocking. */
export function createTimerfd(): number {
  timerfdCreate ??= bind("int timerfd_create(int clock, int flags)");
  // CLOCK_MONOTONIC, and TFD_CLOEXEC | TFD_NONBLOCK, which are O_CLOEXEC | O_NONBLOCK.
  return check(timerfdCreate(1, 0o2000000 | 0o4000) as number, "timerfd_create");
}

/** struct itimerspec {interval; value}: the interval stays 0. */
const timerValue = Buffer.alloc(32);

/** timerfd_settime(2): expires once, after `delayMs` (less than a second); 0 stops it. Either takes an expiry back. */
export function setTimerfd(fd: number, delayMs: number): void {
  timerfdSettime ??= bind("int timerfd_settime(int fd, int flags, const void *value, void *old)");
  timerValue.writeUInt32LE(delayMs * 1e6, 24);
  check(timerfdSettime(fd, 0, timerValue, null) as number, "timerfd_settime");
}

/** close(2); unlike fs.closeSync it may close in one thread what another opened. */
export function closeFd(fd: number): void {
  close ??= bind("int close(int fd)");
  check(close(fd) as number, "close");
}

/** Takes the exclusive whole-file lock of flock(2), without waiting. False if another holds it. */
export function tryLockExclusive(fd: number): boolean {
  flockNative ??= bind("int flock(int fd, int operation)");
  // LOCK_EX | LOCK_NB.
  if ((flockNative(fd, 2 | 4) as number) === 0) return true;
  if (errno() === Errno.EAGAIN) return false;
  throw posixError(errno(), "flock");
}

/** fallocate(2). `mode`: `FALLOC_FL_…` of linux/falloc.h; `offset` and `length` in bytes. */
export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  fallocateNative ??= bind("int fallocate(int fd, int mode, int64_t offset, int64_t length)");
  check(fallocateNative(fd, mode, offset, length) as number, "fallocate");
}

/**
 * sync_file_range(2): starts writing what is dirty in a range to the disk, without waiting for it. Says nothing of
 * failures: they are kept for the next fsync(2).
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  syncFileRange ??= bind("int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)");
  // SYNC_FILE_RANGE_WRITE of linux/fs.h; the flags that wait would take the failures away.
  syncFileRange(fd, offset, length, 2);
}

/** posix_fadvise(2): the page cache may forget what it has of a range, as far as that is on the disk. */
export function dropCached(fd: number, offset: number, length: number): void {
  fadvise ??= bind("int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)");
  // POSIX_FADV_DONTNEED of linux/fadvise.h.
  fadvise(fd, offset, length, 4);
}

/**
 * lseek(2), of use for `whence` SEEK_DATA (3), the next byte of data at or after `offset`, and SEEK_HOLE (4), the next
 * hole, the file's end being one. @throws PosixError ENXIO beyond the last
 */
export function lseek(fd: number, offset: number, whence: number): number {
  lseekNative ??= bind("int64_t lseek(int fd, int64_t offset, int whence)");
  return check(Number(lseekNative(fd, offset, whence)), "lseek");
}

/** A `struct timespec`; `nanoseconds` is 0 to 999,999,999 also before 1970. */
interface Timespec {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** futimens(3): sets the access and the modification time, which fs.futimes would round to microseconds. */
export function futimens(fd: number, accessed: Timespec, modified: Timespec): void {
  futimensNative ??= bind("int futimens(int fd, const void *times)");
  check(futimensNative(fd, packTimes(accessed, modified)) as number, "futimens");
}

/** The same for a symbolic link itself: utimensat(2) with AT_SYMLINK_NOFOLLOW. */
export function setLinkTimes(path: string, accessed: Timespec, modified: Timespec): void {
  utimensat ??= bind("int utimensat(int directory, const char *path, const void *times, int flags)");
  // AT_FDCWD and AT_SYMLINK_NOFOLLOW of linux/fcntl.h.
  check(utimensat(-100, path, packTimes(accessed, modified), 0x100) as number, "utimensat", path);
}

/** rename(2) to a name that must be free: renameat2(2) with RENAME_NOREPLACE. @throws PosixError EEXIST; EINVAL where the file system has no such call */
export function renameExclusive(from: string, to: string): void {
  renameat2 ??= bind(
    "int renameat2(int fromDirectory, const char *from, int toDirectory, const char *to, unsigned int flags)",
  );
  // AT_FDCWD of linux/fcntl.h, RENAME_NOREPLACE of linux/fs.h.
  check(renameat2(-100, from, -100, to, 1) as number, "renameat2", from);
}

function packTimes(accessed: Timespec, modified: Timespec): Buffer {
  const times = Buffer.alloc(32);
  times.writeBigInt64LE(BigInt(accessed.seconds), 0);
  times.writeBigInt64LE(BigInt(accessed.nanoseconds), 8);
  times.writeBigInt64LE(BigInt(modified.seconds), 16);
  times.writeBigInt64LE(BigInt(modified.nanoseconds), 24);
  return times;
}

/** Makes reads of `fd` return EAGAIN instead of waiting. */
export function setNonBlocking(fd: number): void {
  fcntl ??= bind("int fcntl(int fd, int command, long argument)");
  const flags = check(fcntl(fd, 3, 0) as number, "fcntl");
  check(fcntl(fd, 4, flags | 0o4000) as number, "fcntl");
}

/** Lets programs that native code of others starts have this descriptor: FD_CLOEXEC, which Node sets on all, goes. */
export function keepAcrossExec(fd: number): void {
  fcntl ??= bind("int fcntl(int fd, int command, long argument)");
  // F_SETFD.
  check(fcntl(fd, 2, 0) as number, "fcntl");
}

let mount: NativeFunction | undefined;
let umount2: NativeFunction | undefined;

export interface MountRequest {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  /** `MS_…` of mount(2). */
  readonly flags: number;
  readonly data: string;
}

/** mount(2). */
export function mountFilesystem({ source, target, type, flags, data }: MountRequest): void {
  mount ??= bind(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  );
  check(mount(source, target, type, flags, data) as number, `mounting ${target}`, target);
}

/** Of umount2(2): takes a mount out of the tree at once, and ends it with its last user. Source: linux/fs.h */
export const MNT_DETACH = 2;

/**
 * umount2(2) on a thread of its own: unmounting may write back what only the thread that serves the mount can
 * take, which in turn may wait for this one. Flags: {@link MNT_DETACH}, UMOUNT_NOFOLLOW 8.
 */
export function unmountFilesystem(target: string, flags: number): Promise<void> {
  umount2 ??= bind("int umount2(const char *target, int flags)");
  const { async: start } = umount2;
  return new Promise((resolve, reject) => {
    start(target, flags, (failure: Error | null, result: number) => {
      if (failure) reject(failure);
      else if (result < 0) reject(posixError(errno(), `unmounting ${target}`, target));
      else resolve();
    });
  });
}

let getpwnam: NativeFunction | undefined;

/** The Unix user of a login name, as getpwnam(3) finds it; undefined: there is none. */
export function findUnixUser(name: string): number | undefined {
  getpwnam ??= bind("void *getpwnam(const char *name)");
  const entry: unknown = getpwnam(name);
  if (entry === null) return undefined;
  // struct passwd {char *name; char *password; uid_t uid; …}.
  return (koffi as Koffi).decode(entry, 16, "uint32_t") as number;
}
