"""Turns the examples of docs/ that need nobody's server into runs, and the list of all examples into a comparison.

Never leaves an example out: a new one has a line in tests/house/page_examples.py, or fails.
Rules: issue 8, "the docs' every example is run by a test".
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from pinpipe._cli import build_parser

from tests.house import page_examples as examples
from tests.house.outside import ROOT


def test_every_example_is_run_by_a_test() -> None:
    listed = [*examples.HERE, *examples.WITH_SERVERS, *examples.ELSEWHERE]
    assert sorted(listed) == sorted(examples.blocks("python"))
    assert all((ROOT / path).is_file() for path in examples.ELSEWHERE.values())
    assert set(examples.blocks("toml")) == {
        "census.md 1",
        "profiles.md 1",
    }  # test_docs.py; the example of profiles.md
    assert examples.blocks("(?:sh|bash|console|yaml|json|c)") == {}


@pytest.mark.parametrize("name", examples.HERE)
def test_example_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(examples.blocks("toml")["profiles.md 1"], encoding="utf-8")
    examples.ran(name, examples.HERE[name], tmp_path, {})


@pytest.mark.parametrize(
    ("page", "line"), [(page, line) for page, lines in examples.commands().items() for line in lines]
)
def test_command_is_understood(page: str, line: str) -> None:
    """They name brokers, streams and databases of their reader; test_command_examples.py runs those that do not."""
    program, *arguments = shlex.split(line)
    assert program == "pinpipe", page
    assert build_parser().parse_args(arguments).command == arguments[0]
