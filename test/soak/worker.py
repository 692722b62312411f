# One program of the soak: works on files of its own on a mount, in one of several ways, whatever becomes of the daemon, and
# holds what it reads against what was acknowledged. It ends when its standard input does, with one line of JSON:
# {"acknowledged": count, "lost": [...], "files": {path: text of the last version, or null}}.
import errno, hashlib, json, os, random, select, subprocess, sys, time

kind, mount, name, seed, plain_device = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
chance = random.Random(seed)
AWAY = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.EINTR)
PATIENCE_SECONDS = 60
root = -1
acknowledged = 0
number = 0
lost = []
# What each path may hold: the version that was acknowledged last, and those begun since. None: no file.
possible = {}


def ended():
    return select.select([sys.stdin], [], [], 0)[0] != []


# Through a descriptor of the mount itself: while there is none, its name is an ordinary directory.
def connect():
    global root
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if root >= 0: os.close(root)
            root = -1
            root = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
            if os.fstat(root).st_dev != plain_device and ".pfs" in os.listdir(root): return
        except OSError as error:
            if error.errno not in AWAY: raise
        if time.monotonic() > deadline: sys.exit(f"{name}: {mount} does not come back")
        time.sleep(0.05)


def content(text, size):
    return (text.encode() + b"\n") * (size // (len(text) + 1) + 1)


def text_of(path):
    try:
        fd = os.open(path, os.O_RDONLY, dir_fd=root)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        data = file.read()
    first = data.split(b"\n", 1)[0].decode()
    # A version is whole or it is none.
    return first if kind != "writer" or data == (first.encode() + b"\n") * (len(data) // (len(first) + 1)) else f"torn {data[:50]}"


def look(path):
    text = text_of(path)
    allowed = possible.setdefault(path, [None])
    if text not in allowed: lost.append(f"{path} holds {text}, not one of {allowed[-3:]}")
    possible[path] = [text]


def write(path, text, size, flags=0, sync=False):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o644, dir_fd=root)
    try:
        data = content(text, size)
        while data: data = data[os.write(fd, data):]
        if sync: os.fsync(fd)
    finally:
        os.close(fd)


def writer():
    path = f"{name}-{chance.randrange(6)}.md"
    text = f"{name} {number}"
    how = chance.choice(["write", "sync", "replace", "dance", "remove", "move"])
    size = chance.choice([100, 5000, 5000, 300_000])
    allowed = possible.setdefault(path, [None])
    if how in ("write", "sync"):
        # A file that is emptied and written again is one version.
        allowed.append(text)
        write(path, text, size, sync=how == "sync")
    elif how == "replace":
        write(f"{path}.tmp", text, size)
        allowed.append(text)
        os.rename(f"{path}.tmp", path, src_dir_fd=root, dst_dir_fd=root)
    elif how == "dance":
        allowed.append(text)
        try: os.rename(path, f"{path}~", src_dir_fd=root, dst_dir_fd=root)
        except FileNotFoundError: pass
        write(path, text, size)
    elif how == "remove":
        allowed.append(None)
        text = None
        try: os.unlink(path, dir_fd=root)
        except FileNotFoundError: pass
    else:
        other = f"{name}-{chance.randrange(6)}.md"
        if other == path or allowed[-1] is None: return
        moved = allowed[-1]
        possible.setdefault(other, [None]).append(moved)
        allowed.append(None)
        os.rename(path, other, src_dir_fd=root, dst_dir_fd=root)
        possible[other] = [moved]
        text = None
    possible[path] = [text]


def run(*words):
    done = subprocess.run(words, cwd=f"/proc/{os.getpid()}/fd/{root}", capture_output=True, text=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})
    if done.returncode == 0: return
    told = f"{words}: {done.stdout}{done.stderr}"
    # Asked of the daemon itself: a listing may be the kernel's own.
    try: os.fstatvfs(root)
    except OSError: raise OSError(errno.ENOTCONN, told)
    # This mount was there all the time.
    lost.append(told)


def editor():
    path = f"{name}-{chance.randrange(3)}.md"
    text = f"{name} {number}"
    allowed = possible.setdefault(path, [None])
    if allowed[-1] is None:
        allowed.append(text)
        write(path, text, 2000)
    else:
        allowed.append(text)
        if chance.random() < 0.5: run("vim", "-u", "NONE", "-es", "-c", f"1s/.*/{text}/", "-c", "wq", path)
        else: run("sed", "-i", f"1s/.*/{text}/", path)
    possible[path] = [text]


def git():
    path = f"{name}-{chance.randrange(3)}.md"
    if ".git" not in os.listdir(root): run("git", "init", "-q", ".")
    for leftover in ("index.lock", "HEAD.lock", "refs/heads/master.lock"):
        try: os.unlink(f".git/{leftover}", dir_fd=root)
        except FileNotFoundError: pass
    text = f"{name} {number}"
    possible.setdefault(path, [None]).append(text)
    write(path, text, 500)
    possible[path] = [text]
    run("git", "add", path)
    run("git", "-c", "user.name=soak", "-c", "user.email=soak@example.org", "commit", "-qm", text, "--allow-empty")


# Several such programs add lines to one file: none may undo another's.
def adder():
    while True:
        lines = b""
        try:
            fd = os.open("shared.md", os.O_RDWR | os.O_CREAT, 0o644, dir_fd=root)
            try:
                lines = os.read(fd, 1 << 22)
                os.pwrite(fd, f"{name} {number}\n".encode(), len(lines))
            finally:
                os.close(fd)
            possible.setdefault("shared.md", []).append(f"{name} {number}")
            return
        except OSError as error:
            if error.errno != errno.ESTALE: raise


def check_added():
    with os.fdopen(os.open("shared.md", os.O_RDONLY, dir_fd=root), "rb") as file: there = set(file.read().decode().split("\n"))
    lost.extend(line for line in possible.get("shared.md", []) if line not in there)


step = {"writer": writer, "editor": editor, "git": git, "adder": adder}[kind]
connect()
unsure = False
while not ended():
    number += 1
    try:
        # What was cut off is done or not: that must be known before anything builds upon it.
        if kind != "adder" and (unsure or number % 10 == 0):
            for path in list(possible): look(path)
        unsure = False
        step()
        acknowledged += 1
    except OSError as error:
        if error.errno not in AWAY: raise
        unsure = True
        connect()
    # As fast as programs save for hours: what waits to be sent is not to grow all the time.
    time.sleep(chance.random())
while True:
    try:
        if kind == "adder": check_added()
        else:
            for path in list(possible): look(path)
        if kind == "git": run("git", "fsck", "--strict")
        break
    except OSError as error:
        if error.errno not in AWAY: raise
        connect()
files = {} if kind == "adder" else {path: texts[0] for path, texts in possible.items()}
print(json.dumps({"acknowledged": acknowledged, "lost": lost, "files": files}))
