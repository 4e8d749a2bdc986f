"""The example of every command, taken out of it and run as it is printed, in a scratch folder with its inputs.

Never changes an example but for the program's own path. What needs a server of somebody else is read by the program's
parser only: tests/python and tests/integration run those commands against servers of their own.
Rules: CONTRACT §2: every command has --help with an example.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pinpipe import _commands
from pinpipe._cli import build_parser

COMMANDS = sorted(module.name for module in pkgutil.iter_modules(_commands.__path__))
#: They name a broker, a bucket or a database.
WITH_SERVERS = frozenset({"doctor", "emulate", "gateway", "sink", "stream"})
#: Files that an example leaves.
LEFT = {
    "clean": ("pins.parquet", "bad.ndjson", "census.json"),
    "demo": ("demo-out/report.html", "demo-out/summary.json"),
    "report": ("report.html",),
}


def _example(command: str) -> str:
    return str(importlib.import_module(f"{_commands.__name__}.{command}").EXAMPLE)


def _run(line: str, folder: Path, code: int = 0) -> str:
    program, *arguments = shlex.split(line)
    assert program == "pinpipe"
    done = subprocess.run(
        [sys.executable, "-m", "pinpipe", *arguments],
        cwd=folder,
        env=os.environ | {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch folder with what the examples read: raw pins, clean tables, a demo's outputs."""
    folder = tmp_path_factory.mktemp("examples")
    _run(f"pinpipe emulate --to file://{folder}/rows --rows 300", folder)
    _run("pinpipe clean pin rows/demo.pin.ndjson -o pin.parquet", folder)
    _run("pinpipe clean user rows/demo.user.ndjson -o user.parquet", folder)
    _run("pinpipe clean geo rows/demo.geo.ndjson -o geo.parquet", folder)
    pins = (folder / "rows/demo.pin.ndjson").read_bytes()
    (folder / "pins.ndjson").write_bytes(pins + b"{broken\n")
    _run(_example("demo"), folder)
    return folder


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in WITH_SERVERS])
def test_example_works_as_printed(command: str, folder: Path) -> None:
    rejected = 3 if command == "clean" else 0
    said = "" if command == "demo" else _run(_example(command), folder, rejected)
    for name in LEFT.get(command, ()):
        assert (folder / name).is_file(), said
    assert said or command in LEFT


def test_commands_of_the_census_page_work(folder: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/census.md").read_text(encoding="utf-8")
    clean, matches = re.findall(r"^    (pinpipe .*)$", page, re.MULTILINE)
    said = _run(clean, folder, 3)  # one of the records is broken
    assert "before" in said and "pin.category.in" in said and (folder / "census.json").is_file()
    assert "user.geo" in _run(matches, folder)


@pytest.mark.parametrize("command", sorted(WITH_SERVERS))
def test_example_with_servers_is_understood(command: str) -> None:
    program, *arguments = shlex.split(_example(command))
    assert program == "pinpipe"
    assert build_parser().parse_args(arguments).command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_the_example(command: str, tmp_path: Path) -> None:
    assert _example(command) in _run(f"pinpipe {command} --help", tmp_path)


def test_help_lists_every_command(tmp_path: Path) -> None:
    said = _run("pinpipe --help", tmp_path)
    assert [name for name in COMMANDS if f"\n    {name} " not in said] == []
