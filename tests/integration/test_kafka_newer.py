"""Turns a second build, over the newest librdkafka, into proof that the same tests hold there.

Never lets the build over the system's librdkafka answer for it: each run says which version it has loaded.
Rules: docs/testing.md, "Two versions of librdkafka"; issue 6.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from newer_kafka import ROOT, UNIT_TESTS, VERSION, Newer

TIMEOUT_S = 900


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_unit_tests_pass(name: str, newer_kafka: Newer) -> None:
    done = subprocess.run(
        [newer_kafka.build / "tests" / name], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", said)
    print(name, said)


def test_it_is_the_newer_one(newer_kafka: Newer) -> None:
    program = "from pinpipe import native; print(native.pinpipe_library_versions().decode())"
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=newer_kafka.environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert f"librdkafka {VERSION}" in done.stdout


def run_tests(module: str, newer: Newer, folder: Path, *options: str) -> None:
    """In a Python of their own, which starts a broker of its own."""
    words = [sys.executable, "-m", "pytest", str(ROOT / "tests/integration" / module), *options]
    words += ["-q", "-s", "-p", "no:cacheprovider", f"--basetemp={folder / 'run'}"]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=newer.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout)


@pytest.mark.parametrize("module", ["test_kafka_iam.py", "test_kafka_broker.py"])
def test_the_real_broker_s_tests_pass(module: str, newer_kafka: Newer, tmp_path: Path) -> None:
    run_tests(module, newer_kafka, tmp_path)


@pytest.mark.soak
def test_the_soak_of_logins_passes(
    newer_kafka: Newer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    length = f"--soak={request.config.getoption('--soak')}"
    run_tests("test_kafka_iam_soak.py", newer_kafka, tmp_path, length)
