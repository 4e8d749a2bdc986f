"""Turns the core's log into Python's: who asks gets lines, who does not pays nothing, and no exit hangs.

Never looks at the wording of a line that librdkafka writes.
Rules: docs/errors.md, "The log".
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pinpipe
import pytest

CLIENT = "from pinpipe import kafka; kafka.Admin('127.0.0.1:1', settings={'debug': 'broker'})"
PAUSE = "import time; time.sleep(0.4)"  # where nothing is to come
SEEN = """
import logging, time, pinpipe
import pinpipe.native  # brings the handler that the environment asks for: it comes before ours
class Seen(logging.Handler):
    levels = []
    def emit(self, record): self.levels.append(record.levelno)
    @classmethod
    def quiet(cls):
        count = -1
        while count != len(cls.levels): count = len(cls.levels); time.sleep(0.4)
        cls.levels.clear()
    @classmethod
    def wait(cls, level, seconds):
        limit = time.monotonic() + seconds
        while level not in cls.levels and time.monotonic() < limit: time.sleep(0.02)
logging.getLogger('pinpipe').addHandler(Seen())
"""
WAIT = "Seen.wait(logging.DEBUG, 30)"  # a loaded machine's threads come late


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, without this run's log."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PINPIPE_LOG")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=quiet | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_lines_become_records_of_their_area() -> None:
    done = run(
        f"{SEEN}logging.basicConfig(format='%(levelname)s|%(name)s|%(threadName)s', level=5)\n"
        f"pinpipe.set_log_level('trace')\n{CLIENT}\n{WAIT}\n"
    )
    assert done.returncode == 0, done.stderr
    assert "DEBUG|pinpipe.kafka|pinpipe-log" in done.stderr.splitlines()


def test_without_a_wish_nothing_is_made() -> None:
    done = run(
        f"import sys, threading, pinpipe\n{CLIENT}\n{PAUSE}\n"
        "assert 'logging' not in sys.modules\n"
        "assert [thread.name for thread in threading.enumerate()] == ['MainThread']\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_level_may_go_up_and_down() -> None:
    done = run(
        f"{SEEN}logging.getLogger('pinpipe').setLevel(1)\n"
        "counts = []\n"
        "for level, seconds in (('error', 0.4), ('debug', 30), (None, 0.4)):\n"
        "    pinpipe.set_log_level(level)\n"
        "    Seen.quiet()\n"
        f"    {CLIENT}\n"
        "    Seen.wait(logging.DEBUG, seconds)\n"
        "    counts.append(sorted(set(Seen.levels)))\n"
        "print(counts)\n"
    )
    assert done.returncode == 0, done.stderr
    errors_alone, all_lines, none = ast.literal_eval(done.stdout)
    assert set(errors_alone) <= {40}
    assert 10 in all_lines
    assert none == []


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(pinpipe.errors.InvalidArgumentError, match="'loud'"):
        pinpipe.set_log_level("loud")


def test_the_environment_asks_for_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    done = run(f"{SEEN}{CLIENT}\n{WAIT}", PINPIPE_LOG="debug")
    assert " DEBUG pinpipe.kafka: " in done.stderr
    done = run(f"{SEEN}{CLIENT}\n{WAIT}", PINPIPE_LOG="DEBUG", PINPIPE_LOG_FILE=str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert " DEBUG pinpipe.kafka: " in path.read_text()


def test_a_forked_child_has_a_log_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log"
    program = (
        f"import os\n{SEEN}{CLIENT}\n{WAIT}\nchild = os.fork()\n"
        f"if child == 0:\n    Seen.levels.clear()\n    {CLIENT}\n    {WAIT}\n    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\nprint(os.getpid(), child)\n"
    )
    done = run(program, PINPIPE_LOG="debug", PINPIPE_LOG_FILE=str(path))
    assert done.returncode == 0, done.stderr
    told_by = {line.split()[2] for line in path.read_text().splitlines()}
    assert told_by == set(done.stdout.split())


def test_an_interpreter_that_ends_while_clients_talk_ends_at_once() -> None:
    """The clients are never closed, and their threads have something to say to the last."""
    program = (
        "import logging, pinpipe\nlogging.basicConfig(level=5, filename='/dev/null')\n"
        "pinpipe.set_log_level('trace')\nfrom pinpipe import kafka\n"
        "clients = [kafka.Producer('127.0.0.1:1', settings={'debug': 'all'}) for _ in range(8)]\n"
    )
    for _ in range(5):
        done = run(program)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_is_slow_loses_lines_and_is_told() -> None:
    program = (
        "import logging, pinpipe, time\n"
        "told = []\n"
        "class Slow(logging.Handler):\n"
        "    def emit(self, record): told.append(record.getMessage()); len(told) == 1 and time.sleep(1.5)\n"
        "logger = logging.getLogger('pinpipe'); logger.addHandler(Slow()); logger.setLevel(1)\n"
        "pinpipe.set_log_level('trace')\nfrom pinpipe import kafka\n"
        "clients = [kafka.Producer('127.0.0.1:1', settings={'debug': 'all'}) for _ in range(40)]\n"
        "time.sleep(2.5)\npinpipe.set_log_level(None)\ntime.sleep(0.2)\n"
        "print(sum(line.endswith('lines were lost') for line in told))\n"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
