"""The record core at each level of instructions: plain C, and NEON under an emulator, with the same results.

Never trusts a build's name: the objects are looked at for the instructions that a level stands for.
Rules: libpinpipe/text/block.h, "Levels"; docs/testing.md. AVX2 beside SSE2 is compared by tests/unit/roads_test.c.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pinpipe
import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL_PINS = ROOT.parent / "shared/data/real/pinterest_data_mit.csv"
TESTS = ("roads_test", "rules_test", "decoder_test", "encode_test", "base_test", "signer_test")


@dataclass(frozen=True)
class Level:
    """How one level is built, run and recognised."""

    name: str
    options: tuple[str, ...]
    prefix: str  # of the compiler's tools
    runner: tuple[str, ...]
    seen: str  # an instruction that the level's scan is made of; "" = none
    unseen: str  # one that another level's scan is made of; "" = none


LEVELS = (
    Level("plain", ("-DCMAKE_C_FLAGS=-DPINPIPE_PLAIN_C",), "", (), "", r"\bv?pmovmskb\b"),
    Level(
        "neon",
        (f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake/aarch64.cmake'}",),
        "aarch64-linux-gnu-",
        ("qemu-aarch64",),
        r"\bshrn\s+v\d+\.8b",
        "",
    ),
)


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=LEVELS, ids=lambda level: level.name)
def built(request: pytest.FixtureRequest) -> tuple[Level, Path]:
    """The level and its build tree, with the C tests of the record core."""
    level: Level = request.param
    build = ROOT / "build/levels" / level.name
    options = [*level.options, "-DPINPIPE_BUILD_TESTS=ON", "-DPINPIPE_WERROR=ON"]
    options += ["-DPINPIPE_WITH_KAFKA=OFF", "-DPINPIPE_WITH_S3=OFF"]
    _run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options)
    _run("cmake", "--build", build, "--target", *TESTS)
    return level, build


def test_objects_have_the_level_s_instructions(built: tuple[Level, Path]) -> None:
    level, build = built
    objects = sorted((build / "CMakeFiles/pinpipe_objects.dir/libpinpipe/clean").glob("fast*.o"))
    assert objects
    text = _run(f"{level.prefix}objdump", "-d", *objects)
    assert re.search(level.seen, text)
    assert not (level.unseen and re.search(level.unseen, text))


@pytest.mark.parametrize("name", TESTS)
def test_unit_tests_pass(name: str, built: tuple[Level, Path]) -> None:
    level, build = built
    said = _run(*level.runner, build / "tests" / name).splitlines()[-1]
    print(level.name, name, said)
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", said)


def test_real_pins_are_cleaned_to_the_same_bytes(built: tuple[Level, Path], tmp_path: Path) -> None:
    level, build = built
    program, source = tmp_path / "clean_file", tmp_path / "pins.ndjson"
    source.write_bytes(pinpipe.encode(pinpipe.decode("pin", REAL_PINS), "ndjson"))
    links = ("-lcrypto", "-ljansson", "-lm", "-lpthread")
    include = ROOT / "include"
    example = ROOT / "examples/c/clean_file.c"
    _run(f"{level.prefix}gcc", f"-I{include}", example, "-o", program, build / "libpinpipe.a", *links)
    assert _run(*level.runner, program, source).encode() == pinpipe.encode(
        pinpipe.clean("pin", source), "ndjson"
    )
