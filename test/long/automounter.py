# An automounter for one directory, as systemd is one for `x-systemd.automount`: autofs(5), as Documentation/filesystems/autofs.rst
# of Linux says. A program of another process group reads a file below the directory; then the mount helper is run, as mount(8)
# is by systemd, and once it has ended the program goes on. Says what that has read.
import ctypes
import fcntl
import os
import struct
import subprocess
import sys

directory, path, *command = sys.argv[1:]
PATIENCE_S = 60
AUTOFS_IOC_READY = 0x9360
MISSING_DIRECT = 5

libc = ctypes.CDLL(None, use_errno=True)
os.setpgid(0, 0)
asked, asking = os.pipe()
options = f"fd={asking},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
if libc.mount(b"automounter", directory.encode(), b"autofs", 0, options.encode()) != 0:
    sys.exit(f"mount(2) of autofs: {os.strerror(ctypes.get_errno())}")
try:
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    reader = subprocess.Popen(["cat", os.path.join(directory, path)], stdout=subprocess.PIPE, start_new_session=True)
    try:
        # struct autofs_v5_packet {int proto_version; int type; unsigned int wait_queue_token; …}
        _, kind, token = struct.unpack_from("=iiI", os.read(asked, 512))
        if kind != MISSING_DIRECT:
            sys.exit(f"the kernel has said {kind}")
        subprocess.run(command, check=True, timeout=PATIENCE_S)
        fcntl.ioctl(root, AUTOFS_IOC_READY, token)
        sys.stdout.write(reader.communicate(timeout=PATIENCE_S)[0].decode())
    finally:
        reader.kill()
        os.close(root)
finally:
    subprocess.run(["umount", "-l", directory])
    subprocess.run(["umount", "-l", directory], stderr=subprocess.DEVNULL)
