"""Turns everything that a run stands on into name -> version.

Never imports a package to ask for its version.
Rules: CONTRACT §6 (the versions of every library used); pinpipe/library.h for what is linked.
"""

from __future__ import annotations

import platform
from importlib import metadata

from pinpipe import native

PACKAGES = (
    "pyarrow",
    "duckdb",
    "deltalake",
    "SQLAlchemy",
    "PyMySQL",
    "psycopg",
    "PyYAML",
    "matplotlib",
)


def versions() -> dict[str, str]:
    """Versions of Python, of the libraries that are linked in, and of the optional packages that are installed."""
    found = {"python": platform.python_version()}
    for line in native.pinpipe_library_versions().decode().splitlines():
        name, _, version = line.partition(" ")
        found[name] = version
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
