/**
 * The numbers of the FUSE kernel protocol, with the names and values of Linux's include/uapi/linux/fuse.h
 * (protocol 7.45), a common prefix left out. Owns constants only; must never hold behaviour.
 */

/** `FUSE_KERNEL_VERSION`. */
export const PROTOCOL_MAJOR = 7;
/** `FUSE_KERNEL_MINOR_VERSION` of the header these constants were taken from. */
export const PROTOCOL_MINOR = 45;
/** The oldest minor version that is spoken: Linux 5.4; Debian 11's 5.10 offers 32. */
export const PROTOCOL_MINOR_OLDEST = 31;
/** `FUSE_ROOT_ID`: the node id of the mount's root. */
export const ROOT_NODEID = 1;
/** The kernel page size that `max_pages` counts in. */
export const PAGE_SIZE_BYTES = 4096;
/** The largest WRITE and READ that is negotiated. */
export const MAX_WRITE_BYTES = 1024 * 1024;
/** A request never is larger: the largest WRITE, its headers, and room for the kernel's own slack. */
export const REQUEST_BUFFER_BYTES = MAX_WRITE_BYTES + 8192;
/** Longest name of a directory entry in bytes (`NAME_MAX`, limits.h). The kernel sends longer ones. */
export const NAME_MAX_BYTES = 255;

/** `enum fuse_opcode`. */
export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const;

export type OpcodeName = keyof typeof OPCODE;

/** `FUSE_…` INIT flags, bits 0 to 31 (`flags`). */
export const INIT_FLAG = {
  ASYNC_READ: 1 << 0,
  POSIX_LOCKS: 1 << 1,
  FILE_OPS: 1 << 2,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  SPLICE_WRITE: 1 << 7,
  SPLICE_MOVE: 1 << 8,
  SPLICE_READ: 1 << 9,
  FLOCK_LOCKS: 1 << 10,
  HAS_IOCTL_DIR: 1 << 11,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  HANDLE_KILLPRIV: 1 << 19,
  POSIX_ACL: 1 << 20,
  ABORT_ERROR: 1 << 21,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
  MAP_ALIGNMENT: 1 << 26,
  SUBMOUNTS: 1 << 27,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const;

/** `FUSE_…` INIT flags, bits 32 to 63 shifted down (`flags2`); they count only together with INIT_EXT. */
export const INIT_FLAG2 = {
  SECURITY_CTX: 1 << 0,
  HAS_INODE_DAX: 1 << 1,
  CREATE_SUPP_GROUP: 1 << 2,
  HAS_EXPIRE_ONLY: 1 << 3,
  DIRECT_IO_ALLOW_MMAP: 1 << 4,
  PASSTHROUGH: 1 << 5,
  NO_EXPORT_SUPPORT: 1 << 6,
  HAS_RESEND: 1 << 7,
  ALLOW_IDMAP: 1 << 8,
  OVER_IO_URING: 1 << 9,
  REQUEST_TIMEOUT: 1 << 10,
} as const;

/** `FOPEN_…`: flags of the answers to OPEN, OPENDIR and CREATE. */
export const FOPEN = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  NONSEEKABLE: 1 << 2,
  CACHE_DIR: 1 << 3,
  STREAM: 1 << 4,
  NOFLUSH: 1 << 5,
  PARALLEL_DIRECT_WRITES: 1 << 6,
  PASSTHROUGH: 1 << 7,
} as const;

/** `FATTR_…`: which fields of a SETATTR count. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  LOCKOWNER: 1 << 9,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const;

/** `FUSE_GETATTR_…`: flags of GETATTR and STATX. */
export const GETATTR_FLAG = { FH: 1 << 0 } as const;
/** `FUSE_OPEN_…`: `open_flags` of OPEN and CREATE requests. */
export const OPEN_FLAG = { KILL_SUIDGID: 1 << 0 } as const;
/** `FUSE_WRITE_…`: `write_flags`. */
export const WRITE_FLAG = { CACHE: 1 << 0, LOCKOWNER: 1 << 1, KILL_SUIDGID: 1 << 2 } as const;
/** `FUSE_FSYNC_…`: `fsync_flags`. */
export const FSYNC_FLAG = { FDATASYNC: 1 << 0 } as const;
/** `FUSE_EXPIRE_ONLY`: flags of an entry invalidation. */
export const INVALIDATE_ENTRY_FLAG = { EXPIRE_ONLY: 1 << 0 } as const;

/** `enum fuse_notify_code`. */
export const NOTIFY = {
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  RESEND: 7,
  INC_EPOCH: 8,
  PRUNE: 9,
} as const;

/** `DT_…` of dirent.h: the type of a directory entry, which is `mode >> 12`. */
export const DIRENT_TYPE = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
} as const;

/** Sizes in bytes of `struct fuse_…`; of structures that end in a name or data, the part before it. */
export const STRUCT_BYTES = {
  in_header: 40,
  out_header: 16,
  attr: 88,
  kstatfs: 80,
  entry_out: 128,
  attr_out: 104,
  statx_in: 24,
  statx_out: 288,
  open_out: 16,
  write_out: 8,
  init_in_before_ext: 16,
  init_in: 64,
  init_out: 64,
  forget_in: 8,
  forget_one: 16,
  batch_forget_in: 8,
  getattr_in: 16,
  setattr_in: 88,
  mknod_in: 16,
  mkdir_in: 8,
  rename_in: 8,
  rename2_in: 16,
  link_in: 8,
  open_in: 8,
  create_in: 16,
  read_in: 40,
  write_in: 40,
  flush_in: 24,
  release_in: 24,
  fsync_in: 16,
  setxattr_in_before_ext: 8,
  setxattr_in: 16,
  getxattr_in: 8,
  getxattr_out: 8,
  access_in: 8,
  interrupt_in: 8,
  ioctl_in: 32,
  ioctl_out: 16,
  poll_in: 24,
  poll_out: 8,
  fallocate_in: 32,
  lseek_in: 24,
  lseek_out: 8,
  copy_file_range_in: 56,
  copy_file_range_out: 8,
  syncfs_in: 8,
  dirent: 24,
  direntplus: 152,
  notify_inval_inode_out: 24,
  notify_inval_entry_out: 16,
  notify_delete_out: 24,
} as const;
