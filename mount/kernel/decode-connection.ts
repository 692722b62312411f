/**
 * Bodies of the requests that concern the connection or other requests: INIT, INTERRUPT. (DESTROY, STATFS,
 * READLINK and SYNCFS carry nothing that matters.) Objects are reused as in the other decode-*.ts files.
 */
import { STRUCT_BYTES } from "./protocol.ts";
import type { Request } from "./request.ts";

const BODY = STRUCT_BYTES.in_header;

/** `struct fuse_init_in`: what the kernel offers. */
export interface InitOffer {
  major: number;
  minor: number;
  maxReadaheadBytes: number;
  /** `INIT_FLAG`. */
  flags: number;
  /** `INIT_FLAG2`; 0 from kernels before protocol 7.36. */
  flags2: number;
}

export interface InterruptBody {
  /** The two halves of the interrupted request's `unique`. */
  uniqueLo: number;
  uniqueHi: number;
}

const initOffer: InitOffer = { major: 0, minor: 0, maxReadaheadBytes: 0, flags: 0, flags2: 0 };
const interruptBody: InterruptBody = { uniqueLo: 0, uniqueHi: 0 };

/** INIT: `struct fuse_init_in`, 16 bytes before protocol 7.36, 64 since. @throws ProtocolError */
export function decodeInit(request: Request): InitOffer {
  request.need(STRUCT_BYTES.init_in_before_ext);
  initOffer.major = request.u32(BODY);
  initOffer.minor = request.u32(BODY + 4);
  initOffer.maxReadaheadBytes = request.u32(BODY + 8);
  initOffer.flags = request.u32(BODY + 12);
  const extended = request.bodyEnd - BODY >= STRUCT_BYTES.init_in;
  initOffer.flags2 = extended ? request.u32(BODY + 16) : 0;
  return initOffer;
}

/** INTERRUPT: `struct fuse_interrupt_in`. @throws ProtocolError */
export function decodeInterrupt(request: Request): InterruptBody {
  request.need(STRUCT_BYTES.interrupt_in);
  interruptBody.uniqueLo = request.u32(BODY);
  interruptBody.uniqueHi = request.u32(BODY + 4);
  return interruptBody;
}
