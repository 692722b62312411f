/**
 * OPENDIR, READDIR, READDIRPLUS, RELEASEDIR: directory listings. Stateless: a listing goes on after the cookie that the
 * kernel names, so that opendir needs no answer where the kernel can do without (and then it caches listings).
 */
import { Errno } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import { CONTROL_NODEID } from "../control/control-nodes.ts";
import { CONTROL_NAME } from "../control/control-tree.ts";
import { decodeRead } from "../kernel/decode-open-files.ts";
import { DIRENT_TYPE, FOPEN, ROOT_NODEID } from "../kernel/protocol.ts";
import type { DirectoryRecord, Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";

/** Cookies of the names that the book does not list; its own are larger than 2^32. */
const [COOKIE_SELF, COOKIE_PARENT, COOKIE_CONTROL] = [1, 2, 3];
const TYPE_SHIFT = 12;

const record: DirectoryRecord = { name: "", ino: 0, type: 0, nextOffset: 0 };

export function opendir(session: Session, _request: Request, reply: Reply): boolean {
  if (session.features?.noOpendir) reply.error(Errno.ENOSYS);
  else reply.open({ fh: 0, flags: FOPEN.CACHE_DIR | FOPEN.KEEP_CACHE });
  return true;
}

export function releasedir(_session: Session, _request: Request, reply: Reply): boolean {
  reply.ok();
  return true;
}

export function readdir(session: Session, request: Request, reply: Reply): boolean {
  return list(session, request, reply, false);
}

export function readdirplus(session: Session, request: Request, reply: Reply): boolean {
  return list(session, request, reply, true);
}

function list(session: Session, request: Request, reply: Reply, plus: boolean): boolean {
  const { offset, size } = decodeRead(request);
  reply.startDirectory(size);
  if (isControlNodeid(request.nodeid)) listControl({ session, nodeid: request.nodeid, reply, plus }, offset);
  else listDirectory({ session, nodeid: request.nodeid, reply, plus }, offset);
  reply.finishDirectory();
  return true;
}

interface Listing {
  readonly session: Session;
  readonly nodeid: number;
  readonly reply: Reply;
  readonly plus: boolean;
}

function listDirectory(listing: Listing, offset: number): void {
  const { session, nodeid, reply, plus } = listing;
  const { tree, nodeIds } = session;
  const directory = nodeIds.fileIdOf(nodeid);
  if (!addDots(listing, offset, directory, () => tree.parentOf(directory) ?? directory)) return;
  if (nodeid === ROOT_NODEID && offset < COOKIE_CONTROL) {
    if (
      !addPlain(listing, {
        name: CONTROL_NAME,
        ino: CONTROL_NODEID,
        type: DIRENT_TYPE.DIR,
        cookie: COOKIE_CONTROL,
      })
    )
      return;
  }
  tree.list(directory, offset <= COOKIE_CONTROL ? 0 : offset, (name, node, cookie) => {
    record.name = name;
    record.ino = node.fileId;
    record.type = node.mode >>> TYPE_SHIFT;
    record.nextOffset = cookie;
    if (!plus) return reply.dirent(record);
    const entry = session.entryOf(node);
    if (!reply.direntplus(record, entry)) return false;
    nodeIds.remember(entry.nodeid);
    return true;
  });
}

function listControl(listing: Listing, offset: number): void {
  const { control, tree } = listing.session;
  const { self, parent } = control.inodes(listing.nodeid);
  if (!addDots(listing, offset, self, () => (parent === ROOT_NODEID ? tree.rootId : parent))) return;
  for (const { name, ino, type, nextOffset } of control.list(listing.nodeid, offset)) {
    if (!addPlain(listing, { name, ino, type, cookie: nextOffset })) return;
  }
}

/** False when there is no more room. */
function addDots(listing: Listing, offset: number, self: FileId | number, parent: () => number): boolean {
  if (
    offset < COOKIE_SELF &&
    !addPlain(listing, { name: ".", ino: self, type: DIRENT_TYPE.DIR, cookie: COOKIE_SELF })
  ) {
    return false;
  }
  return (
    offset >= COOKIE_PARENT ||
    addPlain(listing, { name: "..", ino: parent(), type: DIRENT_TYPE.DIR, cookie: COOKIE_PARENT })
  );
}

interface PlainRecord {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly cookie: number;
}

/** A name without an entry: the kernel looks it up when it needs it, and nothing is counted. */
function addPlain({ reply, plus }: Listing, { name, ino, type, cookie }: PlainRecord): boolean {
  record.name = name;
  record.ino = ino;
  record.type = type;
  record.nextOffset = cookie;
  return plus ? reply.direntplus(record, undefined) : reply.dirent(record);
}
