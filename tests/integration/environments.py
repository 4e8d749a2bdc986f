"""Turns a lock of tools that only a test asks into a virtual environment of their own, by uv.

Never resolves anything: what is installed are the versions of the lock, and nothing else.
Rules: docs/testing.md; docs/dependencies.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import alone

ROOT = Path(__file__).resolve().parents[2]
INSTALL_TIMEOUT_S = 600
#: uv trusts whom the system trusts, as the other packages' clients do, not only its own list.
UV_ENVIRONMENT = {"UV_SYSTEM_CERTS": "true"}


def must_run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """A command that makes an environment; its failure is the test's, with what it said."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_TIMEOUT_S,
        env={**os.environ, **UV_ENVIRONMENT, **(environment or {})},
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")


def uv() -> str:
    """The installer, of the requirements of `make test-real`."""
    program = Path(sys.executable).with_name("uv")
    if not program.exists():
        pytest.fail(f"{program} is missing: bindings/python/requirements/real.txt has it")
    return str(program)


def judges(name: str) -> Path:
    """The programs of bindings/python/requirements/<name>.txt, installed once for each content of it."""
    lock = ROOT / "bindings/python/requirements" / f"{name}.txt"
    folder = ROOT / "build" / f"{name}-tools"
    mark = folder / lock.name
    with alone(f"{name}-tools"):
        if not mark.exists() or mark.read_bytes() != lock.read_bytes():
            must_run([uv(), "-q", "venv", "--clear", "--python", sys.executable, str(folder)])
            must_run([uv(), "-q", "pip", "sync", "--python", str(folder / "bin/python"), str(lock)])
            mark.write_bytes(lock.read_bytes())
    return folder / "bin"
