/** Owns the number by which a kernel names one of its requests. */
const TWO_32 = 0x1_0000_0000;

/** Kernels count `unique` up from 0, so that it fits a number for good. */
export function uniqueOf(request: { uniqueLo: number; uniqueHi: number }): number {
  return request.uniqueHi * TWO_32 + request.uniqueLo;
}
