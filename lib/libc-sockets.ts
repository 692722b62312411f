/**
 * The C library's calls about Unix sockets that Node does not offer: descriptors sent along, who is at the other end. Owns
 * marshalling; must never know what a call is for. All throw PosixError.
 */
import { Errno } from "../schema/errors.ts";
import { addressOf, bind, check, closeFd, errno, type NativeFunction, posixError } from "./libc.ts";

let socketpair: NativeFunction | undefined;
let recvmsg: NativeFunction | undefined;
let sendmsg: NativeFunction | undefined;
let connect: NativeFunction | undefined;

/** Of socket(2). Source: linux/socket.h, linux/net.h */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;

/** socketpair(2) of connected, close-on-exec Unix sockets; those of `seqpacket` keep messages apart. */
export function createSocketPair(kind: "stream" | "seqpacket" = "stream"): [number, number] {
  socketpair ??= bind("int socketpair(int domain, int type, int protocol, void *pair)");
  const pair = Buffer.alloc(8);
  const type = kind === "stream" ? SOCK_STREAM : SOCK_SEQPACKET;
  check(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) as number, "socketpair");
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** What came with one recvmsg(2). */
export interface ReceivedMessage {
  /** How many bytes of the buffer it filled; 0: the other end has closed. */
  readonly count: number;
  /** The descriptor that came with them (SCM_RIGHTS, unix(7)), closed on exec. */
  readonly fd: number | undefined;
}

/** Control data of one descriptor: struct cmsghdr {size_t len; int level; int type;} and one int, in CMSG_SPACE(4) = 24 bytes. */
const CONTROL_BYTES = 24;
/** CMSG_LEN(4). */
const CONTROL_LENGTH = 20n;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];

/** struct msghdr {name; namelen; iov; iovlen; control; controllen; flags} about one buffer. The parts must outlive its use. */
function messageHeader(bytes: Buffer, vector: Buffer, control: Buffer | undefined): Buffer {
  vector.writeBigUInt64LE(addressOf(bytes), 0);
  vector.writeBigUInt64LE(BigInt(bytes.length), 8);
  const message = Buffer.alloc(56);
  message.writeBigUInt64LE(addressOf(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  if (control !== undefined) {
    message.writeBigUInt64LE(addressOf(control), 32);
    message.writeBigUInt64LE(BigInt(control.length), 40);
  }
  return message;
}

/** Takes what the other end of a Unix stream socket has sent, without waiting. undefined: nothing has come yet. */
export function receiveMessage(socket: number, bytes: Buffer): ReceivedMessage | undefined {
  recvmsg ??= bind("int64_t recvmsg(int socket, void *message, int flags)");
  const control = Buffer.alloc(CONTROL_BYTES);
  const vector = Buffer.alloc(16);
  const message = messageHeader(bytes, vector, control);
  // MSG_DONTWAIT | MSG_CMSG_CLOEXEC.
  const count = Number(recvmsg(socket, message, 0x40 | 0x40000000));
  if (count < 0) {
    if (errno() === Errno.EAGAIN) return undefined;
    throw posixError(errno(), "recvmsg");
  }
  const isDescriptor =
    message.readBigUInt64LE(40) >= CONTROL_LENGTH &&
    control.readBigUInt64LE(0) === CONTROL_LENGTH &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS;
  return { count, fd: isDescriptor ? control.readInt32LE(16) : undefined };
}

/** The one descriptor that the other end has sent, without waiting. undefined if none was sent. */
export function receiveFd(socket: number): number | undefined {
  return receiveMessage(socket, Buffer.alloc(8))?.fd;
}

/** Sends bytes over a Unix stream socket (sendmsg(2)), and with them a descriptor, which stays open here. @throws PosixError */
export function sendMessage(socket: number, bytes: Buffer, fd?: number): void {
  sendmsg ??= bind("int64_t sendmsg(int socket, const void *message, int flags)");
  let control: Buffer | undefined;
  if (fd !== undefined) {
    control = Buffer.alloc(CONTROL_BYTES);
    control.writeBigUInt64LE(CONTROL_LENGTH, 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    control.writeInt32LE(fd, 16);
  }
  const vector = Buffer.alloc(16);
  const message = messageHeader(bytes, vector, control);
  // MSG_NOSIGNAL.
  const sent = check(Number(sendmsg(socket, message, 0x4000)), "sendmsg");
  if (sent !== bytes.length) throw posixError(Errno.EIO, `sendmsg: ${sent} of ${bytes.length} bytes`);
}

/** A Unix stream socket (unix(7)), closed on exec, connected to whoever listens at `path`. @throws PosixError */
export function connectSocket(path: string): number {
  connect ??= bind("int connect(int socket, const void *address, unsigned int addressLength)");
  const target = socketAddress(path);
  return streamSocket((fd) => {
    check(connect?.(fd, target, target.length) as number, `connecting to ${path}`, path);
  });
}

/** A Unix stream socket, closed on exec; and closed when `begin` throws. */
function streamSocket(begin: (fd: number) => void): number {
  socket ??= bind("int socket(int domain, int type, int protocol)");
  const fd = check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) as number, "socket");
  try {
    begin(fd);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

let bindTo: NativeFunction | undefined;
let listen: NativeFunction | undefined;
let accept: NativeFunction | undefined;

/** Connections that wait to be accepted. */
const BACKLOG = 4;

/** A Unix stream socket (unix(7)), closed on exec, that listens at `path`, where nothing may be yet. @throws PosixError */
export function listenSocket(path: string): number {
  bindTo ??= bind("int bind(int socket, const void *address, unsigned int addressLength)");
  listen ??= bind("int listen(int socket, int backlog)");
  const place = socketAddress(path);
  return streamSocket((fd) => {
    check(bindTo?.(fd, place, place.length) as number, `binding to ${path}`, path);
    check(listen?.(fd, BACKLOG) as number, `listening at ${path}`, path);
  });
}

/** The next connection to a socket that listens, closed on exec; waits for it. @throws PosixError */
export function acceptSocket(listening: number): number {
  accept ??= bind("int accept4(int socket, void *address, void *addressLength, int flags)");
  return check(accept(listening, null, null, SOCK_CLOEXEC) as number, "accept4");
}

let getsockopt: NativeFunction | undefined;

/** A process as the kernel vouches for it. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Who connected to the other end of a Unix socket, as of then: getsockopt(2) with SO_PEERCRED (unix(7)). */
export function peerCredentials(socket: number): PeerCredentials {
  getsockopt ??= bind("int getsockopt(int socket, int level, int name, void *value, void *length)");
  // struct ucred {pid; uid; gid} of 32 bits each.
  const credentials = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(credentials.length);
  const SO_PEERCRED = 17;
  check(getsockopt(socket, SOL_SOCKET, SO_PEERCRED, credentials, length) as number, "getsockopt");
  return {
    pid: credentials.readInt32LE(0),
    uid: credentials.readUInt32LE(4),
    gid: credentials.readUInt32LE(8),
  };
}

let socket: NativeFunction | undefined;
let sendto: NativeFunction | undefined;

/** struct sockaddr_un {unsigned short family; char path[108];}. A path may end with the address. */
function socketAddress(path: string): Buffer {
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path)]);
}

/**
 * Sends one datagram to a Unix socket (unix(7)), without waiting. An `address` that begins with `@` is an abstract one.
 * @throws PosixError
 */
export function sendDatagram(address: string, text: string): void {
  socket ??= bind("int socket(int domain, int type, int protocol)");
  sendto ??= bind(
    "int64_t sendto(int socket, void *bytes, size_t length, int flags, void *address, unsigned int addressLength)",
  );
  const target = socketAddress(address.replace(/^@/, "\0"));
  const bytes = Buffer.from(text);
  // SOCK_DGRAM | SOCK_CLOEXEC.
  const fd = check(socket(AF_UNIX, 2 | 0o2000000, 0) as number, "socket");
  try {
    // MSG_DONTWAIT | MSG_NOSIGNAL.
    check(Number(sendto(fd, bytes, bytes.length, 0x40 | 0x4000, target, target.length)), "sendto", address);
  } finally {
    closeFd(fd);
  }
}
