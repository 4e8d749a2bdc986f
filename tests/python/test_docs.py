"""Turns the pages that are printed from the library's tables into comparisons with the tables.

Never trusts a page: a row that the library does not have fails.
Rules: docs/architecture.md, "A fact has one home".
"""

import json
import re
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from pinpipe import errors, native
from pinpipe._schema import KINDS, Schema

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_rules_page_is_the_tables() -> None:
    page = (DOCS / "rules.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    course, keep = pinpipe.profile("course"), pinpipe.profile("keep")
    for kind in KINDS:
        assert course.rules(kind) == Schema(kind).rules
        for rule, kept in zip(course.rules(kind), keep.rules(kind), strict=True):
            text = f"`{rule.text}`" + ("…" if rule.match == "prefix" else "") if rule.text else ""
            expected.append(f"| `{rule.id}` | {rule.effect} | {kept.effect} | {text} | {rule.source} |")
    assert rows == expected


def test_errors_page_names_every_status() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    for status in range(-16, 0):
        name = native.pinpipe_status_name(status)
        text = native.pinpipe_status_text(status)
        policy = (
            "retry"
            if native.pinpipe_status_retriable(status)
            else "fatal"
            if native.pinpipe_status_fatal(status)
            else ""
        )
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        assert f"| {status} | {policy} |".replace("|  |", "| |") in row
        assert text.rstrip(".") in row.replace(",", "") or text in row
        assert errors.from_status(status, "x", "", 0, -1, -1, -1).__class__.__name__ in row


def test_records_page_has_the_clean_columns() -> None:
    page = (DOCS / "records.md").read_text(encoding="utf-8")
    for kind in KINDS:
        row = next(line for line in page.splitlines() if line.startswith(f"| {kind} |"))
        positions = [row.index(f"{column.name} ") for column in Schema(kind).columns]
        assert positions == sorted(positions)


def test_census_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "census.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    promised = re.findall(r"^print\(.*\)  # (.*)$|^# (.*)$", block, re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(block, "census.md", "exec"), names)
    assert capsys.readouterr().out.splitlines() == ["".join(pair) for pair in promised]
    (column,) = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert names["pins"].statistics.to_dict()["after"]["title"] == json.loads(column)


def test_census_page_has_a_rule_file_that_works(tmp_path: Path) -> None:
    page = (DOCS / "census.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "rules.toml").write_text(rules, encoding="utf-8")
    geos = pinpipe.clean("geo", b'{"ind":1,"latitude":91,"longitude":0}', expect=tmp_path / "rules.toml")
    assert [(each.id, each.passed) for each in geos.expectations] == [
        ("geo.timestamp.min", True),
        ("geo.coordinates.min", True),
        ("geo.coordinates.max", False),
    ]
    assert pinpipe.clean("geo", b"", profile=tmp_path / "rules.toml").num_rows == 0


def test_credentials_page_names_every_variable() -> None:
    page = (DOCS / "credentials.md").read_text(encoding="utf-8")
    table = (DOCS.parent / "libpinpipe/aws/environment.def").read_text(encoding="utf-8")
    names = re.findall(r'^PP_ENVIRONMENT\(\w+, "(\w+)"\)', table, re.MULTILINE)
    assert len(names) > 30
    assert [name for name in names if name != "HOME" and f"`{name}`" not in page] == []
