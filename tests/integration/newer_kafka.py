"""Turns the newest librdkafka's source into a second build of this library, beside the one over Debian's.

Never touches the system's librdkafka nor the build under test: both builds lie below `build/`, and are kept there.
Rules: docs/testing.md, "Two versions of librdkafka"; the source is the one inside an npm package (BSD-2-Clause).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from maven import program
from servers import alone, npm_environment

from tests.house.outside import ROOT, run

PACKAGE, PACKAGE_VERSION = "@confluentinc/kafka-javascript", "1.10.1"
VERSION = "2.15.1"
SOURCE = "package/deps/librdkafka"
UNIT_TESTS = ("kafka_test", "kafka_iam_test", "kafka_login_test", "sink_test")


@dataclass(frozen=True, slots=True)
class Newer:
    """The library over the newer librdkafka: its C tests, and the package that PYTHONPATH is to name."""

    build: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a Python that imports this build."""
        return os.environ | {"PYTHONPATH": str(self.build / "python")}


def librdkafka_newer() -> Path:
    """The prefix that librdkafka is installed to; built once."""
    prefix = ROOT / "build/librdkafka" / VERSION
    if prefix.exists():
        return prefix
    part = prefix.with_name(f"part-{os.getpid()}")
    part.mkdir(parents=True)
    npm = program("npm", f"to fetch the source of librdkafka {VERSION}")
    run(npm, "pack", "--silent", f"{PACKAGE}@{PACKAGE_VERSION}", cwd=part, **npm_environment())
    with tarfile.open(next(part.glob("*.tgz"))) as archive:
        wanted = [file for file in archive if file.name.startswith(f"{SOURCE}/")]
        archive.extractall(part, members=wanted, filter="data")
    source = part / SOURCE
    for script in ("configure", "lds-gen.py"):
        (source / script).chmod(0o755)
    run("./configure", f"--prefix={prefix}", "--disable-gssapi", cwd=source)
    if not re.search(r"^WITH_ZSTD=\s*y$", (source / "Makefile.config").read_text(), re.MULTILINE):
        pytest.fail(f"librdkafka {VERSION} was configured without zstd: libzstd-dev is missing")
    run("make", "-j2", "-C", "src", cwd=source)
    run("make", "-C", "src", "install", f"DESTDIR={part / 'stage'}", cwd=source)
    Path(f"{part / 'stage'}{prefix}").rename(prefix)
    shutil.rmtree(part)
    return prefix


@pytest.fixture(scope="session")
def newer_kafka() -> Newer:
    """This library, its C tests of Kafka and its Python package over the newer librdkafka."""
    with alone("newer-kafka"):
        pkgconfig, build = librdkafka_newer() / "lib/pkgconfig", ROOT / "build/newer"
        options = ["-DPINPIPE_BUILD_TESTS=ON", "-DPINPIPE_BUILD_PYTHON=ON", "-DPINPIPE_WERROR=ON"]
        options += ["-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}"]
        run("cmake", "-S", ROOT, "-B", build, *options, cwd=ROOT, PKG_CONFIG_PATH=str(pkgconfig))
        run("cmake", "--build", build, "--target", "native", *UNIT_TESTS, cwd=ROOT)
    return Newer(build)
