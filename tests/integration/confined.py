"""Turns a list of system calls into a filter of this process, and becomes the command behind it.

Never allows what the list lacks (it answers EPERM), nor memory that is written and run, nor sockets of other families.
Rules: systemd.exec(5), SystemCallFilter=, SystemCallErrorNumber=EPERM, MemoryDenyWriteExecute=,
RestrictAddressFamilies=; seccomp_rule_add(3).

    python confined.py LIST FAMILIES COMMAND…        LIST has a name a line, FAMILIES are AF_…, with commas between
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | errno.EPERM
_EQUAL, _MASKED_EQUAL = 4, 7
_WRITE_AND_EXEC = mmap.PROT_WRITE | mmap.PROT_EXEC


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def _confine(names: list[str], families: list[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)

    def add(allowed: ctypes.c_void_p, name: str, *comparisons: _Comparison) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # those of other architectures have no number here
            array = (_Comparison * len(comparisons))(*comparisons)
            if library.seccomp_rule_add_array(allowed, _ALLOW, number, len(comparisons), array) != 0:
                raise OSError(f"no rule for {name}")

    allowed = library.seccomp_init(_EPERM)
    for name in names:
        if name == "mmap":
            for protection in (0, mmap.PROT_WRITE, mmap.PROT_EXEC):
                add(allowed, name, _Comparison(2, _MASKED_EQUAL, _WRITE_AND_EXEC, protection))
        elif name in ("mprotect", "pkey_mprotect"):
            add(allowed, name, _Comparison(2, _MASKED_EQUAL, mmap.PROT_EXEC, 0))
        elif name in ("socket", "socketpair"):
            for family in families:
                add(allowed, name, _Comparison(0, _EQUAL, int(getattr(socket, family)), 0))
        else:
            add(allowed, name)
    if library.seccomp_load(allowed) != 0:
        raise OSError("the filter was not taken")


if __name__ == "__main__":
    _names = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    _confine(_names, sys.argv[2].split(","))
    os.execv(sys.argv[3], sys.argv[3:])
