"""Turns a unit of deploy/systemd and an environment file into the process that systemd would start.

Never needs systemd as a manager. System calls and memory are confined for real; users and file systems are not: those
are judged by `systemd-analyze security`.
Rules: systemd.service(5), "Command lines"; systemd.exec(5), EnvironmentFile=, SystemCallFilter=; docs/deployment.md.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
FOLDER = ROOT / "deploy" / "systemd"
PROGRAM = "/opt/pinpipe/bin/pinpipe"
COMMON = FOLDER / "pinpipe-.service.d" / "common.conf"
CONFINED = Path(__file__).with_name("confined.py")


@dataclass(frozen=True, slots=True)
class Unit:
    """The [Service] settings of a unit with the drop-in that all share; a setting has a value a line."""

    path: Path
    settings: dict[str, list[str]]

    def one(self, name: str) -> str:
        """The only value of a setting."""
        (value,) = self.settings[name]
        return value


def read_unit(path: Path) -> Unit:
    """A unit's file, and behind it the drop-in."""
    settings: dict[str, list[str]] = {}
    for file in (path, COMMON):
        section = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and not line.startswith("#"):
                name, _, value = line.partition("=")
                settings.setdefault(name, []).append(value)
    return Unit(path, settings)


def environment(unit: Unit, file: Path) -> dict[str, str]:
    """The unit's variables and those of an environment file, which sh reads as systemd does."""
    lines = [line.partition("=")[::2] for line in unit.settings.get("Environment", [])]
    told = subprocess.run(
        ["sh", "-c", 'set -a; . "$0"; env -0', str(file)], env={}, capture_output=True, text=True, check=True
    ).stdout
    read = (line.partition("=")[::2] for line in told.split("\0") if line)
    return dict(lines) | {name: value for name, value in read if name not in ("PWD", "_", "SHLVL", "OLDPWD")}


def arguments(command: str, variables: dict[str, str]) -> list[str]:
    """A command line's words: ${X} in a word stays one, $X alone is cut at blanks."""
    words: list[str] = []
    for word in command.split():
        if word.startswith("$") and not word.startswith("${"):
            words += variables[word[1:]].split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], word))
    return words


@functools.cache
def system_calls(group: str) -> frozenset[str]:
    """The names of a group of system calls, as the installed systemd has them."""
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group], capture_output=True, text=True, check=True
    ).stdout
    names: set[str] = set()
    for line in map(str.strip, told.splitlines()[1:]):
        if line.startswith("@"):
            names |= system_calls(line)
        elif line and not line.startswith("#"):
            names.add(line)
    return frozenset(names)


def allowed_calls(unit: Unit) -> list[str]:
    """What the unit's filter lets through."""
    names: set[str] = set()
    for line in unit.settings["SystemCallFilter"]:
        found = frozenset().union(*(system_calls(group) for group in line.removeprefix("~").split()))
        names = names - found if line.startswith("~") else names | found
    return sorted(names)


def confined(unit: Unit, calls: Path, *command: str) -> list[str]:
    """The command under the unit's filters; `calls` is a file for them."""
    calls.write_text("\n".join(allowed_calls(unit)), encoding="utf-8")
    families = ",".join(unit.one("RestrictAddressFamilies").split())
    return [sys.executable, str(CONFINED), str(calls), families, *command]


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits until it holds; that the process ends before is a failure."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def started(unit: Unit, file: Path, extra: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The unit's process by its ExecStart, and nothing of this process's environment but Python's path and its log."""
    variables = environment(unit, file)
    program, *words = arguments(unit.one("ExecStart"), variables)
    assert program == PROGRAM
    command = confined(unit, file.with_suffix(".calls"), sys.executable, "-m", "pinpipe", *words)
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PYTHONPATH", "PINPIPE_LOG"))
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kept | variables | extra,
        cwd="/",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], unit: Unit) -> str:
    """What it prints when SIGTERM ends it, within the time that systemd would leave it and as a success."""
    process.terminate()
    out, err = process.communicate(timeout=float(unit.one("TimeoutStopSec")))
    assert process.returncode in (0, *map(int, unit.settings["SuccessExitStatus"])), out + err
    return out


def analysed(verb: str, path: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze VERB` of the units as they are installed below `folder`, with a program in the place of ours."""
    for file in FOLDER.rglob("*"):
        if file.suffix in (".service", ".conf"):
            copy = folder / file.relative_to(FOLDER)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text().replace(PROGRAM, shutil.which("true") or ""))
    command = ["systemd-analyze", "--no-pager", "--man=no", verb, *options, str(folder / path.name)]
    search = {"SYSTEMD_UNIT_PATH": f"{folder}:"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | search)
