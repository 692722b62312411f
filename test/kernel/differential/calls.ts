/**
 * Owns which system calls the differential tests make: random, with few names, so that they meet. Must never make any:
 * executor.py does.
 */
import fc from "fast-check";

/** One system call as executor.py takes it. */
export interface Call {
  readonly call: string;
  readonly user?: string;
  /** Compare also the state and times of what the call names, before and after. */
  readonly watch?: boolean;
  readonly [argument: string]: unknown;
}

const name = fc.constantFrom("a", "b", "lesson.md", "x.md", "d", "e");
const scratchName = fc.constantFrom("x.md~", ".x.md.swp", "lesson.md.tmp", "a~");
const directory = fc.constantFrom("", "", "", "d/", "d/", "e/", "d/d/", ".git/", ".git/", ".git/d/");
const leaf = fc.oneof({ weight: 6, arbitrary: name }, { weight: 2, arbitrary: scratchName });
const plainPath = fc.tuple(directory, leaf).map(([above, last]) => above + last);
const oddPath = fc.oneof(
  fc.constantFrom(
    ".",
    "..",
    "",
    ".git",
    "d/..",
    "a/",
    "d/",
    "d/.",
    "e/x/",
    "link",
    "link/a",
    "loop",
    "a/b/c",
  ),
  fc.constantFrom(
    `${"n".repeat(255)}`,
    `${"n".repeat(256)}`,
    `d/${"é".repeat(127)}.`,
    `${"d/".repeat(2100)}a`,
  ),
);
const path = fc.oneof({ weight: 19, arbitrary: plainPath }, { weight: 1, arbitrary: oddPath });
const slot = fc.constantFrom(0, 1, 2);
const offset = fc.oneof(
  fc.constantFrom(0, 1, 4095, 4096, 4097, 65_536, 131_071, 131_072, 300_000),
  fc.nat(140_000),
);
const size = fc.oneof(fc.constantFrom(0, 1, 10, 4096, 5000, 131_072, 131_073), fc.nat(20_000));
const fill = fc.nat(250);
const permissions = fc.oneof(
  fc.constantFrom(0o644, 0o600, 0o755, 0o777, 0o666, 0o000, 0o444, 0o111),
  fc.nat(0o7777),
);
const user = fc.oneof(
  { weight: 6, arbitrary: fc.constant("root") },
  { weight: 3, arbitrary: fc.constant("nobody") },
  { weight: 1, arbitrary: fc.constant("member") },
);
const owner = fc.constantFrom(-1, -1, 0, 65_534, 4321);
const flags = fc.oneof(
  fc.constantFrom(
    ["RDONLY"],
    ["RDWR"],
    ["WRONLY"],
    ["RDWR", "CREAT"],
    ["RDWR", "CREAT"],
    ["WRONLY", "CREAT", "TRUNC"],
  ),
  fc.constantFrom(["RDWR", "CREAT", "EXCL"], ["RDWR", "APPEND", "CREAT"], ["RDONLY", "DIRECTORY"], ["PATH"]),
  fc.constantFrom(["RDWR", "SYNC"], ["RDWR", "NOFOLLOW"], ["RDONLY", "TRUNC"], ["RDONLY", "CREAT"]),
  fc.constantFrom(
    ["PATH", "NOFOLLOW"],
    ["RDONLY", "NONBLOCK"],
    ["WRONLY", "NONBLOCK"],
    ["RDWR", "CREAT", "DIRECTORY"],
  ),
);
const nanoseconds = fc.oneof(
  fc.nat(999_999_999),
  fc.constantFrom(0x3fffffff, 0x3ffffffe, 999_999_999, 1_000_000_000),
);
const timespec = fc.tuple(
  fc.oneof(fc.nat(1_400_000_000), fc.integer({ min: -100_000, max: 100 })),
  nanoseconds,
);
const xattr = fc.constantFrom("user.a", "user.b", "user.ü", "trusted.t", "security.s", "user.", "nonsense");

type Shape = Record<string, fc.Arbitrary<unknown>>;

/** FIFOs are opened without waiting, or not at all. */
function named(call: string, shape: Shape): fc.Arbitrary<Call> {
  return fc.record({ call: fc.constant(call), user, watch: fc.boolean(), ...shape }) as fc.Arbitrary<Call>;
}

const weighted: readonly (readonly [weight: number, call: string, shape: Shape])[] = [
  [10, "open", { path, flags: flags.map((given) => [...given, "NONBLOCK"]), mode: permissions, slot }],
  [6, "mkdir", { path, mode: permissions }],
  [2, "mknod", { path, mode: permissions, kind: fc.constantFrom("fifo", "file", "socket") }],
  [
    2,
    "symlink",
    { path, points: fc.constantFrom("a", "d", "../a", "loop", "none/none", "x.md", "lesson.md") },
  ],
  [1, "symlink", { path: fc.constantFrom("link", "loop"), points: fc.constantFrom("d", "loop", "e") }],
  [1, "readlink", { path }],
  [4, "link", { path, to: path }],
  [5, "unlink", { path }],
  [3, "rmdir", { path }],
  [14, "rename", { path, to: path, how: fc.constantFrom(0, 0, 0, 0, 1, 2) }],
  [3, "stat", { path }],
  [2, "lstat", { path }],
  [2, "access", { path, how: fc.nat(7) }],
  [5, "chmod", { path, mode: permissions }],
  [4, "chown", { path, uid: owner, gid: owner, follow: fc.boolean() }],
  [4, "utimes", { path, atime: timespec, mtime: timespec, follow: fc.boolean() }],
  [3, "truncate", { path, size: offset }],
  [3, "setxattr", { path, name: xattr, size: fc.constantFrom(0, 1, 100), how: fc.constantFrom(0, 0, 1, 2) }],
  [2, "getxattr", { path, name: xattr }],
  [1, "removexattr", { path, name: xattr }],
  [1, "listxattr", { path }],
  [3, "list", { path: fc.constantFrom("d", "e", ".git", "d/d", "a", ".") }],
  [3, "read_all", { path: plainPath }],
  [5, "write_all", { path: plainPath, size, fill }],
  [4, "close", { slot }],
  [2, "dup_close", { slot }],
  [2, "fstat", { slot }],
  [2, "same", { slot, path }],
  [3, "read", { slot, size }],
  [3, "pread", { slot, size, offset }],
  [6, "write", { slot, size, fill }],
  [6, "pwrite", { slot, size, fill, offset }],
  [2, "direct", { path, fill, offset }],
  [2, "seek", { slot, offset, whence: fc.constantFrom(0, 1, 2) }],
  [2, "seek_data", { slot, offset }],
  [3, "ftruncate", { slot, size: offset }],
  [3, "fallocate", { slot, how: fc.constantFrom(0, 1, 3, 16, 17, 2), offset, size }],
  [2, "fchmod", { slot, mode: permissions }],
  [2, "fchown", { slot, uid: owner, gid: owner }],
  [2, "futimes", { slot, time: fc.nat(1_400_000_000).map((seconds) => seconds * 1e6 + 7) }],
  [2, "fsync", { slot }],
  [4, "map", { slot, offset, size, fill, sync: fc.boolean() }],
  [2, "copy_range", { slot, target: slot, offset, size, to_offset: offset }],
  [1, "fgetxattr", { slot, name: xattr }],
  [1, "fsetxattr", { slot, name: xattr, size: fc.constantFrom(0, 7), how: fc.constant(0) }],
];

const call = fc.oneof(
  ...weighted.map(([weight, title, shape]) => ({ weight, arbitrary: named(title, shape) })),
);

/** What every sequence begins with, so that the random calls meet something. */
export const BEGINNING: readonly Call[] = [
  { call: "mkdir", path: "d", mode: 0o777 },
  { call: "mkdir", path: ".git", mode: 0o777 },
  { call: "write_all", path: "x.md", size: 3000, fill: 1 },
  { call: "write_all", path: "d/lesson.md", size: 150_000, fill: 2 },
  { call: "write_all", path: ".git/a", size: 10, fill: 3 },
  { call: "open", path: "x.md", flags: ["RDWR"], mode: 0, slot: 0 },
  { call: "open", path: ".git/a", flags: ["RDWR"], mode: 0, slot: 1 },
];

/** A random sequence of calls. */
export function callSequence(maxLength: number): fc.Arbitrary<Call[]> {
  return fc.array(call, { maxLength, size: "max" });
}
