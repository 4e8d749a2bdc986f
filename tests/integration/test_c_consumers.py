"""Turns the Debian packages into programs, in every way and standard in which somebody consumes the library.

Never installs a package and never uses the build tree's headers or libraries, but where the library is a subdirectory.
Rules: docs/c.md; issue 8, "C and C++ programs".
"""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pinpipe
import pytest
from debian_packages import BUILD, Packages

from tests.house import abi
from tests.house.outside import EXAMPLES, ROOT, STANDARDS, compiled, needed, run
from tests.python.bad_records import PIN, as_json

KINDS = ("shared", "static")
CONSUMER = ROOT / "tests/house/consumer"


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of which one is none."""
    path = tmp_path_factory.mktemp("pins") / "pins.ndjson"
    path.write_bytes(b"".join(as_json(PIN | {"index": n}) + b"\n" for n in range(1000)) + b"{broken\n")
    return path


def cleans(program: Path, pins: Path, kind: str) -> None:
    """The program's library is the one that it is to have, and its rows are Python's."""
    assert ("libpinpipe.so" in needed(program)) == (kind == "shared")
    done = subprocess.run([str(program), str(pins)], capture_output=True, check=True, timeout=60)
    assert done.stderr == b"1001 records, 1 rejected\n"
    assert done.stdout == pinpipe.encode(pinpipe.clean("pin", pins), "ndjson")


def test_lintian_accepts_the_packages(packages: Packages) -> None:
    assert [file.name.partition("_")[0] for file in packages.files] == ["libpinpipe-dev", "libpinpipe0"]
    run("lintian", "--fail-on", "error,warning", *packages.files)


def test_packages_tell_what_they_need(packages: Packages) -> None:
    development, runtime = (run("dpkg", "-f", file) for file in packages.files)
    assert f"Depends: libpinpipe0 (= {pinpipe.__version__})" in development
    for library in ("libc6", "libcurl4", "librdkafka1", "libssl3"):
        assert re.search(rf"^Depends: .*\b{library}\b", runtime, re.MULTILINE), runtime
    folder = packages.prefix / "share/doc/libpinpipe-dev/examples"
    assert {path.name for path in folder.iterdir()} == {path.name for path in EXAMPLES.glob("*.c")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("standard", STANDARDS)
def test_by_pkg_config(kind: str, standard: str, packages: Packages, pins: Path, tmp_path: Path) -> None:
    words = ["--static"] if kind == "static" else []
    source = packages.prefix / "share/doc/libpinpipe-dev/examples/clean_file.c"
    cleans(compiled(source, tmp_path / "clean_file", packages.prefix, *words, standard=standard), pins, kind)


def configured_and_built(folder: Path, linked: str, *options: str) -> Path:
    """A project that consumes the library by CMake in every standard, built in this folder."""
    common = [f"-DLINKED={linked}", "-DSTANDARDS=99;11;17", f"-DEXAMPLE={EXAMPLES / 'clean_file.c'}"]
    strict = [f"-DCMAKE_{language}_FLAGS=-Wall -Wextra -Wpedantic -Werror" for language in ("C", "CXX")]
    run("cmake", "-S", CONSUMER, "-B", folder, "-G", "Ninja", *common, *strict, *options)
    run("cmake", "--build", folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_by_find_package(kind: str, packages: Packages, pins: Path, tmp_path: Path) -> None:
    version = pinpipe.__version__.rpartition(".")[0]
    options = (f"-DCMAKE_PREFIX_PATH={packages.prefix}", f"-DWANTED_VERSION={version}")
    folder = configured_and_built(tmp_path, kind, *options)
    for standard in (99, 11, 17):
        cleans(folder / f"clean_file_{kind}_{standard}", pins, kind)


def test_as_a_subdirectory(pins: Path, tmp_path: Path) -> None:
    """Both libraries in one project, whose install rules stay its own; not optimised."""
    options = (f"-DLIBRARY_FOLDER={ROOT}", "-DCMAKE_BUILD_TYPE=Debug")
    folder = configured_and_built(ROOT / "build/subdirectory", "shared;static", *options)
    for kind in KINDS:
        for standard in (99, 11, 17):
            cleans(folder / f"clean_file_{kind}_{standard}", pins, kind)
    run("cmake", "--install", folder, "--prefix", tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_the_record_is_what_abidw_reads(packages: Packages) -> None:
    """Names and offsets of the record, by the library's debug information and somebody else's reader of it."""
    assert packages.files
    said = run("abidw", "--headers-dir", ROOT / "include", "--no-show-locs", BUILD / "libpinpipe.so")
    corpus = ET.fromstring(said)
    record = abi.parse(abi.RECORD.read_text(encoding="utf-8"))
    assert corpus.get("soname") == record.soname
    names = {one.get("name") for one in corpus.findall("elf-function-symbols/elf-symbol")}
    assert names == {name for name in record.functions if not name.endswith("_fn")}
    seen = 0
    for one in corpus.iter("class-decl"):
        struct = record.structs.get(one.get("name", ""))
        if struct and one.get("size-in-bits"):
            members = [
                (int(member.get("layout-offset-in-bits", "-8")) // 8, variable.get("name"))
                for member in one.findall("data-member")
                for variable in member.findall("var-decl")
            ]
            assert members == [(offset, name) for offset, _, name in struct.members], one.get("name")
            assert int(one.get("size-in-bits", "0")) == 8 * struct.bytes, one.get("name")
            seen += 1
    assert seen > len(record.structs) * 0.9
