"""The library with a part switched off: built with warnings as errors, installed, linked by an outside program.

Never changes the build tree under test: each combination has a tree of its own below it.
Rules: docs/architecture.md, "Parts that can be switched off".
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.conftest import BUILD, ROOT
from tests.house.lint import exported

PARTS = {"KAFKA": ("librdkafka",), "S3": ("libcurl", "libexpat"), "KINESIS": ()}
CALLS = {
    "KAFKA": ("producer", "consumer", "admin", "mock", "sink"),
    "S3": ("s3", "kafka_rest"),
    "KINESIS": ("kinesis", "kinesis_producer"),
}
UNIT_TESTS = {
    "KAFKA": ("kafka_test", "sink_test"),
    "S3": ("s3_test", "aws_test", "rest_test"),
    "KINESIS": ("kinesis_test",),
}


@dataclass(frozen=True)
class Build:
    """One combination: what is off, with what that takes along, its build tree, its install tree."""

    off: tuple[str, ...]
    build: Path
    prefix: Path


def _run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=[("KAFKA",), ("S3",), ("KINESIS",), ("KAFKA", "S3")], ids="+".join)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The library without some of its parts."""
    off = request.param
    build = BUILD / "parts" / "-".join(off).lower()
    options = [f"-DPINPIPE_WITH_{part}=OFF" for part in off]
    options += ["-DPINPIPE_BUILD_TESTS=ON", "-DPINPIPE_WERROR=ON"]
    _run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options)
    _run(
        "cmake",
        "--build",
        build,
        "--target",
        "pinpipe",
        "pinpipe_static",
        *(name for names in UNIT_TESTS.values() for name in names),
    )
    prefix = tmp_path_factory.mktemp("parts")
    _run("cmake", "--install", build, "--prefix", prefix)
    return Build((*off, "KINESIS") if "S3" in off else off, build, prefix)


def _compiled(built: Build, source: Path, program: Path, *arguments: str) -> Path:
    (folder,) = built.prefix.rglob("pkgconfig")
    asked = ("pkg-config", "--cflags", "--libs", *arguments, "pinpipe")
    flags = _run(*asked, PKG_CONFIG_PATH=str(folder)).split()
    if "--static" in arguments:
        flags[flags.index("-lpinpipe")] = "-l:libpinpipe.a"
    _run("cc", "-std=c11", "-Wall", "-Werror", source, "-o", program, *flags, f"-Wl,-rpath,{folder.parent}")
    return program


def _absent(built: Build, needed: str) -> None:
    for part, libraries in PARTS.items():
        for library in libraries:
            assert (library in needed) == (part not in built.off), needed


def test_library_does_not_need_what_is_off(built: Build) -> None:
    (shared,) = built.prefix.rglob("libpinpipe.so")
    _absent(built, _run("readelf", "-d", shared))


def test_example_runs_without_what_is_off(built: Build, tmp_path: Path) -> None:
    source = tmp_path / "pins.ndjson"
    source.write_text('{"index": 7528, "follower_count": "1.5k"}\n', encoding="utf-8")
    program = _compiled(built, ROOT / "examples/c/clean_file.c", tmp_path / "clean_file")
    assert '"follower_count":1500,' in _run(program, source)
    loaded = _run("ldd", program)
    for part in built.off:
        assert not any(library in loaded for library in PARTS[part]), loaded


def test_static_program_links_only_what_is_on(built: Build, tmp_path: Path) -> None:
    program = _compiled(built, ROOT / "tests/house/consumer/parts.c", tmp_path / "parts", "--static")
    needed = _run("readelf", "-d", program)
    assert "libpinpipe.so" not in needed
    _absent(built, needed)


def test_calls_of_what_is_off_answer_enotsup(built: Build, tmp_path: Path) -> None:
    program = _compiled(built, ROOT / "tests/house/consumer/parts.c", tmp_path / "parts")
    said = {line.split()[0]: line.split(maxsplit=2)[1:] for line in _run(program).splitlines()}
    assert said.keys() == {"keys"}.union(*CALLS.values())
    for part, calls in CALLS.items():
        for call in calls:
            status, *message = said[call]
            assert (status == "ENOTSUP") == (part in built.off), said
            if part in built.off:
                assert f"PINPIPE_WITH_{part}" in message[0]


def test_exports_the_same_names(built: Build) -> None:
    (shared,) = built.prefix.rglob("libpinpipe.so")
    assert set(exported(shared)) == set(exported(BUILD / "libpinpipe.so"))


def test_unit_tests_of_what_is_off_pass(built: Build) -> None:
    for part in built.off:
        for name in UNIT_TESTS[part]:
            assert " 0 failed" in _run(built.build / "tests" / name)
