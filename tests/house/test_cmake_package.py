"""An outside program against an install tree: find_package only, shared and static, run on a file.

Never uses the build tree's headers or libraries: what an outsider gets is what is tested.
Rules: cmake/install.cmake, cmake/pinpipeConfig.cmake.in; docs/architecture.md, "What an outside program gets".
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pinpipe
import pytest

from tests.house.conftest import BUILD, PREFIX

FOLDER = Path(__file__).resolve().parent
EXAMPLE = FOLDER.parents[1] / "examples/c/clean_file.c"
MINOR = pinpipe.__version__.rpartition(".")[0]


def _configure(
    folder: Path, installed: Path, linked: str, version: str = MINOR, **environment: str
) -> subprocess.CompletedProcess[str]:
    options = {
        "CMAKE_PREFIX_PATH": installed,
        "EXAMPLE": EXAMPLE,
        "LINKED": linked,
        "WANTED_VERSION": version,
        "CMAKE_C_FLAGS": "-Wall -Wextra -Werror",
    }
    return subprocess.run(
        ["cmake", "-S", str(FOLDER / "consumer"), "-B", str(folder)]
        + [f"-D{name}={value}" for name, value in options.items()],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_program_built_through_find_package(linked: str, installed: Path, tmp_path: Path) -> None:
    configured = _configure(tmp_path / "build", installed, linked)
    assert configured.returncode == 0, configured.stderr
    built = subprocess.run(
        ["cmake", "--build", str(tmp_path / "build")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert built.returncode == 0, built.stdout
    program = tmp_path / f"build/clean_file_{linked}_11"
    needs = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True).stdout
    assert ("libpinpipe.so" in needs) == (linked == "shared")
    source = tmp_path / "pins.ndjson"
    source.write_text('{"index": 7528, "follower_count": "1.5k"}\n{broken\n', encoding="utf-8")
    done = subprocess.run([str(program), str(source)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "2 records, 1 rejected\n"
    assert done.stdout.encode() == pinpipe.encode(pinpipe.clean("pin", source), "ndjson")


@pytest.mark.parametrize("version", ["99.0", f"{MINOR}.99", "0.0"])
def test_another_minor_or_a_later_version_is_refused(version: str, installed: Path, tmp_path: Path) -> None:
    refused = _configure(tmp_path, installed, "shared", version)
    assert refused.returncode != 0
    assert f"version: {pinpipe.__version__}" in refused.stderr


def test_only_the_static_library_asks_for_what_it_stands_on(installed: Path, tmp_path: Path) -> None:
    without = {"PKG_CONFIG_LIBDIR": str(tmp_path), "PKG_CONFIG_PATH": ""}
    shared = _configure(tmp_path / "shared", installed, "shared", **without)
    assert shared.returncode == 0, shared.stderr
    static = _configure(tmp_path / "static", installed, "static", **without)
    assert static.returncode != 0
    assert "the static library needs libcrypto" in static.stderr


def test_no_installed_text_names_a_place(installed: Path) -> None:
    texts = [path for path in installed.rglob("*") if path.is_file() and ".so" not in path.name]
    texts = [path for path in texts if path.suffix != ".a"]
    assert len(texts) > 10
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert PREFIX not in text and str(BUILD) not in text, path
