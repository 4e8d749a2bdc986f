"""The library with a part switched off: built with warnings as errors, installed, linked by an outside program.

Never changes the build tree under test: each combination has a tree of its own below it.
Rules: docs/architecture.md, "Parts that can be switched off".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house import abi
from tests.house.conftest import BUILD
from tests.house.lint import exported
from tests.house.outside import EXAMPLES, ROOT, compiled, needed, run

PARTS_PROGRAM = Path(__file__).resolve().parent / "consumer/parts.c"

PARTS = {
    "KAFKA": ("librdkafka",),
    "S3": ("libcurl", "libexpat"),
    "KINESIS": (),
    "GATEWAY": ("libmicrohttpd",),
}
CALLS = {
    "KAFKA": ("producer", "consumer", "admin", "mock", "sink"),
    "S3": ("s3", "kafka_rest"),
    "KINESIS": ("kinesis", "kinesis_producer"),
    "GATEWAY": ("gateway",),
}
UNIT_TESTS = {
    "KAFKA": ("kafka_test", "sink_test"),
    "S3": ("s3_test", "aws_test", "rest_test"),
    "KINESIS": ("kinesis_test", "gateway_streams_test"),
    "GATEWAY": ("gateway_test",),
}

STANDS_ON = {"KINESIS": "S3", "GATEWAY": "KAFKA"}


@dataclass(frozen=True)
class Build:
    """One combination: what is off, with what that takes along, its build tree, its install tree."""

    off: tuple[str, ...]
    build: Path
    prefix: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The library without any of its parts; tests/integration/test_c_parts.py has it without each."""
    return build_without(("KAFKA", "S3"), tmp_path_factory.mktemp("parts"))


def build_without(chosen: tuple[str, ...], prefix: Path) -> Build:
    """Built, with the unit tests of these parts, and installed at `prefix`; not optimised: nothing here is timed."""
    off = (*chosen, *(part for part, needed_part in STANDS_ON.items() if needed_part in chosen))
    build = BUILD / "parts" / "-".join(chosen).lower()
    options = [f"-DPINPIPE_WITH_{part}=OFF" for part in chosen]
    options += ["-DPINPIPE_BUILD_TESTS=ON", "-DPINPIPE_WERROR=ON", "-DCMAKE_BUILD_TYPE=Debug"]
    run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options)
    tests = [name for part in off for name in UNIT_TESTS[part]]
    run("cmake", "--build", build, "--target", "pinpipe", "pinpipe_static", *tests)
    run("cmake", "--install", build, "--prefix", prefix)
    return Build(off, build, prefix)


def _absent(built: Build, libraries_needed: str) -> None:
    for part, libraries in PARTS.items():
        for library in libraries:
            assert (library in libraries_needed) == (part not in built.off), libraries_needed


def test_library_does_not_need_what_is_off(built: Build) -> None:
    (shared,) = built.prefix.rglob("libpinpipe.so")
    _absent(built, needed(shared))


def test_example_runs_without_what_is_off(built: Build, tmp_path: Path) -> None:
    source = tmp_path / "pins.ndjson"
    source.write_text('{"index": 7528, "follower_count": "1.5k"}\n', encoding="utf-8")
    program = compiled(EXAMPLES / "clean_file.c", tmp_path / "clean_file", built.prefix)
    assert '"follower_count":1500,' in run(program, source)
    loaded = run("ldd", program)
    for part in built.off:
        assert not any(library in loaded for library in PARTS[part]), loaded


def test_static_program_links_only_what_is_on(built: Build, tmp_path: Path) -> None:
    program = compiled(PARTS_PROGRAM, tmp_path / "parts", built.prefix, "--static")
    libraries = needed(program)
    assert "libpinpipe.so" not in libraries
    _absent(built, libraries)


def test_calls_of_what_is_off_answer_enotsup(built: Build, tmp_path: Path) -> None:
    program = compiled(PARTS_PROGRAM, tmp_path / "parts", built.prefix)
    said = {line.split()[0]: line.split(maxsplit=2)[1:] for line in run(program).splitlines()}
    assert said.keys() == {"keys"}.union(*CALLS.values())
    for part, calls in CALLS.items():
        for call in calls:
            status, *message = said[call]
            assert (status == "ENOTSUP") == (part in built.off), said
            if part in built.off:
                assert f"PINPIPE_WITH_{part}" in message[0]


def test_exports_the_same_names(built: Build) -> None:
    (shared,) = built.prefix.rglob("libpinpipe.so")
    names = abi.parse(abi.RECORD.read_text(encoding="utf-8")).functions
    assert set(exported(shared)) == {name for name in names if not name.endswith("_fn")}


def test_unit_tests_of_what_is_off_pass(built: Build) -> None:
    for part in built.off:
        for name in UNIT_TESTS[part]:
            assert " 0 failed" in run(built.build / "tests" / name)
