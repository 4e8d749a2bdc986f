"""The command lines of the pages and of every command's help that need nobody's server, run in a scratch folder.

Never leaves a line out: a new one has a row in tests/house/page_commands.py, or fails.
Rules: CONTRACT §2: every command has --help with an example; issue 8, "the docs' every example is run by a test".
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pinpipe import _synthetic

from tests.house import page_commands as commands
from tests.house import page_examples as examples
from tests.house.outside import ROOT

Run = Callable[[str], None]


def _said(text: str, folder: Path, line: commands.Line) -> str:
    done = subprocess.run(
        commands.resolved(text, line, {"folder": str(folder), "root": str(ROOT)}),
        cwd=folder,
        env=os.environ | {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    commands.judged(line, done.returncode, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch folder with what the lines read: a database, raw pins, clean tables, a rule file."""
    folder = tmp_path_factory.mktemp("examples")
    _synthetic.ensure_database(folder / "pinterest.db")
    _said("pinpipe emulate --to file://{folder}/rows --rows 300", folder, commands.Line())
    for kind in ("pin", "geo", "user"):
        _said(f"pinpipe clean {kind} rows/demo.{kind}.ndjson -o {kind}.parquet", folder, commands.Line())
    (folder / "pins.ndjson").write_bytes((folder / "rows/demo.pin.ndjson").read_bytes() + b"{broken\n")
    (folder / "rules.toml").write_text(examples.blocks("toml")["profiles.md 1"], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Runs a line once, behind the one that it needs."""
    done: set[str] = set()

    def once(text: str) -> None:
        line = commands.HERE[text]
        if line.after:
            once(line.after)
        if text not in done:
            for name in line.holds:
                (folder / name).unlink(missing_ok=True)
            said = _said(text, folder, line)
            assert said or line.holds
            assert {name: commands.count_file(folder / name) for name in line.holds} == line.holds
            done.add(text)

    return once


@pytest.mark.parametrize("text", commands.HERE)
def test_line_does_what_it_says(text: str, run: Run) -> None:
    run(text)


def test_every_line_has_its_row() -> None:
    rows = [*commands.HERE, *commands.WITH_SERVERS]
    assert sorted(row for row in rows if row.startswith("pinpipe ")) == sorted(commands.command_lines())
    rest = [line for line in commands.other_lines() if line not in rows]
    assert [line for line in rest if len(commands.listed(line)) != 1] == []
    listed = {begin for line in rest for begin in commands.listed(line)}
    assert listed == commands.ELSEWHERE.keys() | commands.NOWHERE.keys()


@pytest.mark.parametrize("begin", commands.ELSEWHERE)
def test_the_other_test_does_it(begin: str) -> None:
    path, word = commands.ELSEWHERE[begin]
    assert word in (ROOT / path).read_text(encoding="utf-8")


def test_make_has_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in commands.other_lines() if line.startswith("make ")}
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", commands.PAGES, ids=lambda page: page.name)
def test_a_shell_can_read_the_page(page: Path) -> None:
    subprocess.run(["bash", "-n"], input=commands.shell_text(page), text=True, check=True, timeout=60)


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_help_shows_the_example(command: str, tmp_path: Path) -> None:
    assert commands.example(command) in _said(f"pinpipe {command} --help", tmp_path, commands.Line())


def test_help_lists_every_command(tmp_path: Path) -> None:
    said = _said("pinpipe --help", tmp_path, commands.Line())
    assert [name for name in commands.COMMANDS if f"\n    {name} " not in said] == []
