# One of many processes that read a file, change what they read, and save it, on any mount, in any of the ways programs
# have. Tells each attempt as a line of JSON: what was read, what was to be saved, and whether it was accepted.
import errno, hashlib, json, os, random, sys

name, seed, operations, mounts, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(":"), sys.argv[5].split(":")
choose = random.Random(f"{seed}/{name}")
KEPT_LINES = 20


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def read_anew(path):
    with open(path, "rb") as file:
        return file.read()


def in_place(path, _old, new):
    with open(path, "wb") as file:
        file.write(new)


def cut_off(path, _old, new):
    with open(path, "r+b") as file:
        file.write(new)
        file.truncate()


def empty_first(path, _old, new):
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(new)


def atomic(path, _old, new):
    aside = f"{path}.tmp.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(new)
    try:
        os.rename(aside, path)
    except OSError:
        os.unlink(aside)
        raise


def append(path, old, new):
    if not new.startswith(old):
        return in_place(path, old, new)
    with open(path, "ab") as file:
        file.write(new[len(old):])


def in_pieces(path, _old, new):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        for at in range(0, len(new), 37):
            os.write(fd, new[at:at + 37])
        os.fsync(fd)
    finally:
        os.close(fd)


ways = [in_place, cut_off, empty_first, atomic, append, in_pieces]
for at in range(operations):
    file = choose.choice(files)
    way = choose.choice(ways)
    old = read_anew(f"{choose.choice(mounts)}/{file}")
    lines = old.splitlines(keepends=True)
    kept = lines if choose.random() < 0.7 else lines[-KEPT_LINES:]
    if len(lines) > 5 * KEPT_LINES:
        kept = lines[-KEPT_LINES:]
    new = b"".join(kept) + f"{name} {at} {choose.random()}\n".encode()
    try:
        way(f"{choose.choice(mounts)}/{file}", old, new)
        outcome = "accepted"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    attempt = {"worker": name, "at": at, "file": file, "way": way.__name__, "read": hash_of(old), "wrote": hash_of(new), "outcome": outcome}
    print(json.dumps(attempt), flush=True)
