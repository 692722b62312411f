/** A file exerciser after fsx: random changes of one file through every way there is, against a copy of it in memory. */
import { python, withBook } from "../harness.ts";

export interface Exercise {
  readonly seed: number;
  /** Runs, each of a tracked and of a scratch name with files below and above the size that is kept in memory. */
  readonly runs: number;
  /** Of one run. */
  readonly operations: number;
}

const PROGRAM = `
import random
def exercise(path, seed, operations, limit):
    chance = random.Random(seed); shadow = bytearray(); log = []
    fds = [os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC), os.open(path, os.O_RDWR)]
    def compare(got, at):
        assert got == shadow[at:at + len(got)], f"{path} seed {seed}: differs from {at} on (of {len(shadow)}) after " + ", ".join(log[-12:])
    def grow(size):
        if size > len(shadow): shadow.extend(bytes(size - len(shadow)))
    def resize(size): grow(size); del shadow[size:]
    for step in range(operations):
        do = chance.choice(["read", "read", "write", "write", "write", "map", "map", "ftruncate", "truncate", "punch", "zero", "allocate", "copy", "reopen", "whole", "sync", "size"])
        at = chance.randrange(limit) if chance.random() < 0.8 else chance.choice([0, 4096, 65536, 131072, 131071])
        at = min(at, limit - 1); length = min(chance.randrange(1, chance.choice([10, 5000, 70000])), limit - at)
        fd = chance.choice(fds); log.append(f"{do} {at} {length}")
        if do == "read":
            got = os.pread(fd, length, at); assert len(got) == max(0, min(length, len(shadow) - at)), log[-12:]
            compare(got, at)
        elif do == "write":
            data = chance.randbytes(length); assert os.pwrite(fd, data, at) == length; grow(at + length); shadow[at:at + length] = data
        elif do == "map" and len(shadow) > 0:
            at %= len(shadow); length = min(length, len(shadow) - at); base = at // 4096 * 4096
            with mmap.mmap(fd, at + length - base, offset=base) as memory:
                compare(memory[at - base:], at); data = chance.randbytes(length); memory[at - base:] = data; shadow[at:at + length] = data
                if chance.random() < 0.5: memory.flush()
        elif do == "ftruncate": os.ftruncate(fd, at); resize(at)
        elif do == "truncate": os.truncate(path, at); resize(at)
        elif do in ("punch", "zero", "allocate"):
            mode = chance.choice(dict(punch=[3], zero=[16, 17], allocate=[0, 1])[do]); fallocate(fd, mode, at, length)
            if not mode & 1: grow(at + length)
            if do != "allocate" and at < len(shadow): end = min(at + length, len(shadow)); shadow[at:end] = bytes(end - at)
        elif do == "copy":
            to = chance.randrange(limit - length + 1)
            if at + length <= len(shadow) and abs(at - to) >= length:
                done = os.copy_file_range(fd, chance.choice(fds), length, at, to); assert done > 0; grow(to + done); shadow[to:to + done] = shadow[at:at + done]
        elif do == "reopen": os.close(fds[1]); fds[1] = os.open(path, os.O_RDWR)
        elif do == "whole": data = get(path); assert len(data) == len(shadow), (len(data), len(shadow), log[-12:]); compare(data, 0)
        elif do == "sync": os.fsync(fd)
        elif do == "size": assert os.fstat(fd).st_size == os.stat(path).st_size == len(shadow), log[-12:]
    for fd in fds: os.close(fd)
    assert len(get(path)) == len(shadow); compare(get(path), 0)
seed, runs, operations = map(int, sys.argv[1:])
for run in range(runs):
    for path in ("exercised.md", ".exercised.md.swp"):
        for limit in (20_000, 200_000, 400_000): exercise(path, seed + run, operations, limit)
`;

/** @throws where the file and the copy differ, with the seed and the last operations */
export async function exerciseFile({ seed, runs, operations }: Exercise): Promise<void> {
  await withBook({}, async ({ dir }) => {
    await python(dir, PROGRAM, String(seed), String(runs), String(operations));
  });
}
