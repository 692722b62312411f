"""Runs a program as another user, with fewer capabilities, no new privileges and a filter of system calls, as systemd does it.

Arguments: UID CAPABILITIES FAMILIES CALLS -- PROGRAM [ARGUMENT]...   all comma-separated; capabilities and families are numbers.
Capabilities are those of the bounding set; families are what socket(2) may be asked for. Other calls fail with EPERM. Calls that
this machine's library does not know are left out. Everything is loaded before: the user need not be able to read it.
"""

import ctypes
import errno
import os
import sys


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4
# Of linux/prctl.h.
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
library.seccomp_rule_add_array.argtypes = [
    ctypes.c_void_p,
    ctypes.c_uint32,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.POINTER(Comparison),
]
library.seccomp_load.argtypes = [ctypes.c_void_p]


def allow(context, name, comparison=None):
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return
    count = 0 if comparison is None else 1
    rules = None if comparison is None else ctypes.byref(comparison)
    done = library.seccomp_rule_add_array(context, ALLOW, number, count, rules)
    if done != 0:
        sys.exit(f"seccomp: {name}: {done}")


def drop_privileges(uid, capabilities):
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if number not in capabilities and libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            sys.exit(f"capability {number} cannot be dropped")
        number += 1
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("no_new_privs cannot be set")


def numbers(text):
    return [int(word) for word in text.split(",") if word != ""]


def main():
    uid, capabilities, families, calls = sys.argv[1:5]
    program = sys.argv[sys.argv.index("--") + 1 :]
    context = library.seccomp_init(REFUSE)
    for name in calls.split(","):
        if name != "socket":
            allow(context, name)
    for family in numbers(families):
        allow(context, "socket", Comparison(0, EQUAL, family, 0))
    drop_privileges(int(uid), numbers(capabilities))
    os.umask(0o077)
    done = library.seccomp_load(context)
    if done != 0:
        sys.exit(f"seccomp cannot be loaded: {done}")
    os.execvp(program[0], program)


main()
