"""An outside program against an install tree: pkg-config only, shared and static, run on a file.

Never uses the build tree's headers or libraries: what an outsider gets is what is tested.
Rules: CONTRACT §1; cmake/install.cmake and cmake/pinpipe.pc.in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pinpipe
import pytest

from tests.house.lint import exported
from tests.house.outside import EXAMPLES, compiled, needed, pkg_config, run
from tests.python.bad_records import PIN, as_json

EXAMPLE = EXAMPLES / "clean_file.c"


def _outputs(program: Path, folder: Path, library: Path) -> tuple[bytes, str]:
    source = folder / "pins.ndjson"
    source.write_bytes(b"".join(as_json(PIN | {"index": n}) + b"\n" for n in range(40_000)) + b"{broken\n")
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    done = subprocess.run(
        [str(program), str(source)], env=environment, capture_output=True, check=True, timeout=60
    )
    return done.stdout, done.stderr.decode()


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_program_built_through_pkg_config(linked: str, installed: Path, tmp_path: Path) -> None:
    (shared,) = installed.rglob("libpinpipe.so")
    prefix = installed
    if linked == "static":
        prefix = Path(shutil.copytree(installed, tmp_path / "usr", symlinks=True))
        for path in prefix.rglob("libpinpipe.so*"):
            path.unlink()
    words = pkg_config(prefix, "--cflags", "--libs", *(["--static"] if linked == "static" else []))
    program = tmp_path / "clean_file"
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", program, *words)
    assert ("libpinpipe.so" in needed(program)) == (linked == "shared")
    rows, said = _outputs(program, tmp_path, shared.parent)
    assert said == "40001 records, 1 rejected\n"
    assert rows == pinpipe.encode(pinpipe.clean("pin", tmp_path / "pins.ndjson"), "ndjson")


def test_example_says_what_is_missing(installed: Path, tmp_path: Path) -> None:
    program = compiled(EXAMPLE, tmp_path / "clean_file", installed)
    done = subprocess.run([str(program), "nowhere"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("a file could not be read or written")


def test_pkg_config_version_is_the_library_s(installed: Path) -> None:
    assert pkg_config(installed, "--modversion") == [pinpipe.__version__]


def test_only_the_public_names_are_exported(installed: Path) -> None:
    (shared,) = installed.rglob("libpinpipe.so")
    names = exported(shared)
    assert names
    assert [name for name in names if not name.startswith("pinpipe_")] == []


def test_every_public_function_is_declared_and_exported(installed: Path) -> None:
    declared: set[str] = set()
    for header in installed.rglob("pinpipe/*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        declared |= set(re.findall(r"PINPIPE_API[^;{]*?\b(pinpipe_\w+)\s*\(", text))
    (shared,) = installed.rglob("libpinpipe.so")
    assert set(exported(shared)) == declared
