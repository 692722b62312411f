/** STATFS, FALLOCATE, LSEEK: room on the disk, and holes in files. */
import { PosixError } from "../../schema/errors.ts";
import { decodeFallocate, decodeLseek } from "../kernel/decode-open-files.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

/** Source: linux/include/uapi/linux/fs.h */
const [SEEK_DATA, SEEK_HOLE] = [3, 4];

export function statfs(session: Session, _request: Request, reply: Reply): boolean {
  const space = session.tree.space();
  reply.statfs({
    blocks: space.blocks,
    bfree: space.blocksFree,
    bavail: space.blocksAvailable,
    files: space.files,
    ffree: space.filesFree,
    bsize: space.blockBytes,
    frsize: space.blockBytes,
    namelen: space.nameMaxBytes,
  });
  return true;
}

export function fallocate(session: Session, request: Request, reply: Reply): boolean {
  session.requireWritable();
  const { fh, mode, offset, length } = decodeFallocate(request);
  const handle = session.fileHandle(fh);
  const actor = session.actor(request);
  const file = session.fileOf(handle);
  session.requireSeen(handle, file, handle.nodeid, actor);
  file.allocate(mode, offset, length, actor);
  handle.actor = actor;
  handle.wrote = true;
  reply.ok();
  return true;
}

export function lseek(session: Session, request: Request, reply: Reply): boolean {
  const { fh, offset, whence } = decodeLseek(request);
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new PosixError("EINVAL");
  const handle = session.handles.get(fh);
  if (handle.kind === "file") reply.lseek(session.fileOf(handle).seek(offset, whence));
  else reply.lseek(seekInFull(handle.open.content.sizeBytes, offset, whence));
  return true;
}

/** A file without holes: data everywhere, one hole at its end. */
function seekInFull(size: number, offset: number, whence: number): number {
  if (offset < 0 || offset >= size) throw new PosixError("ENXIO");
  return whence === SEEK_DATA ? offset : size;
}
