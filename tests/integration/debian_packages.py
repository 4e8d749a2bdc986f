"""Turns the checkout into Debian packages, once a run, and these into the install tree of the C consumers' tests.

Never installs them: they are unpacked below the test's own folder.
Rules: docs/c.md, "Debian packages"; cmake/debian.cmake.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import alone

from tests.house.outside import ROOT, run

BUILD = ROOT / "build/debian"


@dataclass(frozen=True, slots=True)
class Packages:
    """The .deb files, and /usr as they hold it."""

    files: tuple[Path, ...]
    prefix: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Built as `make packages` does it, but for lintian's judgement."""
    folder = tmp_path_factory.mktemp("debian")
    with alone("debian"):
        run("cmake", "--preset", "debian", cwd=ROOT)
        run("cmake", "--build", "--preset", "debian", cwd=ROOT)
        run("cpack", "-B", folder / "made", cwd=BUILD)
    files = tuple(sorted((folder / "made").glob("*.deb")))
    for file in files:
        run("dpkg", "-x", file, folder)
    return Packages(files, folder / "usr")
