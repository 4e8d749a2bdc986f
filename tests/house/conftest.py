"""Turns the build tree into an install tree that was staged and then moved, as packagers do it.

Never installs outside of the test's own folder.
Rules: cmake/install.cmake; docs/architecture.md, "What an outside program gets".
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PINPIPE_BUILD", ROOT / "build"))
PREFIX = "/opt/named-at-install-time"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of an install tree that lies elsewhere than where it was installed to."""
    folder = tmp_path_factory.mktemp("install")
    subprocess.run(
        ["cmake", "--install", str(BUILD), "--prefix", PREFIX],
        env=os.environ | {"DESTDIR": str(folder / "stage")},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Path(f"{folder}/stage{PREFIX}").rename(folder / "usr")
