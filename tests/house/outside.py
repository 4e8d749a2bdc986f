"""Turns an install tree into the programs of somebody outside, by pkg-config, in every standard for programs.

Never uses the build tree's headers or libraries: what an outsider gets is what is tested.
Rules: docs/c.md; CONTRACT §1; cmake/install.cmake and cmake/pinpipe.pc.in.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/c"
#: Compiler and flags of each standard.
STANDARDS = {
    "c99": ("cc", "-std=c99"),
    "c11": ("cc", "-std=c11"),
    "c++17": ("c++", "-std=c++17", "-x", "c++"),
}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command said, which must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def pkg_config(prefix: Path, *arguments: str) -> list[str]:
    """pkg-config's words of the tree; with --static those of libpinpipe.a, although libpinpipe.so lies beside it."""
    (folder,) = prefix.rglob("pkgconfig")
    words = run("pkg-config", *arguments, "pinpipe", PKG_CONFIG_PATH=str(folder)).split()
    return ["-l:libpinpipe.a" if word == "-lpinpipe" and "--static" in arguments else word for word in words]


def compiled(
    source: Path,
    program: Path,
    prefix: Path,
    *arguments: str,
    standard: str = "c11",
    more: Iterable[str] = (),
) -> Path:
    """A program of one source with warnings as errors, which finds the tree's shared library where it lies."""
    (shared,) = prefix.rglob("libpinpipe.so")
    words = pkg_config(prefix, "--cflags", "--libs", *arguments)
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-Wl,-rpath,{shared.parent}")
    compiler, *chosen = STANDARDS[standard]
    run(compiler, *chosen, *strict, *more, source, "-x", "none", "-o", program, *words)
    return program


def needed(program: Path) -> str:
    """The libraries that a program or a library asks for by itself."""
    said = run("readelf", "-d", program)
    return "\n".join(line for line in said.splitlines() if "(NEEDED)" in line)
