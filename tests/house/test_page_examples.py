"""Turns the examples of docs/ that need nobody's server into runs, and the list of all examples into a comparison.

Never leaves an example out: a new one has a line in tests/house/page_examples.py, or fails.
Rules: issue 8, "the docs' every example is run by a test".
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import page_examples as examples
from tests.house.outside import ROOT


def test_every_example_is_run_by_a_test() -> None:
    """Blocks of `sh` are tests/house/page_commands.py's; those of `text` are drawings."""
    listed = [*examples.HERE, *examples.WITH_SERVERS, *examples.ELSEWHERE]
    assert sorted(listed) == sorted(examples.blocks("python"))
    texts = [page.read_text(encoding="utf-8") for page in examples.DOCS.glob("*.md")]
    languages = {language for text in texts for language in re.findall(r"^```(\w+)", text, re.MULTILINE)}
    assert languages == {"python", "sh", "text", *examples.OTHER_LANGUAGES}
    for language, tests in examples.OTHER_LANGUAGES.items():
        assert examples.blocks(language).keys() == tests.keys()
    paths = {
        *examples.ELSEWHERE.values(),
        *(path for tests in examples.OTHER_LANGUAGES.values() for path in tests.values()),
    }
    assert all((ROOT / path).is_file() for path in paths)


@pytest.mark.parametrize("name", examples.HERE)
def test_example_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(examples.blocks("toml")["profiles.md 1"], encoding="utf-8")
    examples.ran(name, examples.HERE[name], tmp_path, {})
