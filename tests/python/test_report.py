"""Turns answers into the report page and checks that it is whole: parsed as HTML, self-contained, the same each time.

Never looks at pixels: how it looks was judged by eye in a browser at 1280 and 400 pixels.
Rules: CONTRACT §2 (report.html) and §6 (summary.json).
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pinpipe import _query, _report
from pinpipe._cli import main

VOID = {"meta", "br", "wbr", "use", "path", "rect"}
RECORDS = {
    "emulated": 9,
    "stored": 9,
    "read": 9,
    "cleaned": 7,
    "duplicates": 1,
    "rejected": 1,
    "conflicts": 0,
}
SUMMARY: dict[str, Any] = {
    "records": {kind: dict(RECORDS) for kind in ("pin", "geo", "user")},
    "draws": 9,
    "missing": 0,
    "elapsed_s": 1.5,
    "cpu_s": 1.0,
    "rss_bytes": 64 << 20,
    "steps_s": {"emulate": 1.0, "sink": 0.5},
    "versions": {"duckdb": "2.0.0"},
    "notes": ["no <store>: files were used"],
}
CENSUS = {"pin": {"pin.poster_name.user_info_error": 3, "pin.title.empty": 0}, "geo": {}, "user": {}}
ODD = "<b>Côte</b> & $x$ 😍 日本 " + "long " * 30


def _answers() -> dict[str, list[dict[str, Any]]]:
    return {
        "q1": [{"country": ODD, "category": None, "category_count": 3}],
        "q2": [{"post_year": year, "category": ODD, "category_count": 3} for year in (2018, None)],
        "q3a": [{"country": ODD, "poster_name": ODD, "follower_count": 8_000_000}],
        "q3b": [{"country": ODD, "follower_count": 8_000_000}],
        "q4": [{"age_group": group, "category": "art", "category_count": 1} for group in ("18-24", None)],
        "q5": [{"age_group": "18-24", "median_follower_count": None}],
        "q6": [{"post_year": 2015, "number_users_joined": 1601}],
        "q7": [{"post_year": 2015, "median_follower_count": 59_500.5}],
        "q8": [{"age_group": "50+", "post_year": 2015, "median_follower_count": 0.0}],
    }


class _Reader(HTMLParser):
    """Collects what a page holds; every tag must be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_self_contained() -> None:
    page = _report.render_report(SUMMARY, _answers(), CENSUS)
    reader = _read(page)
    assert reader.tags.count("svg") == 18 and reader.tags.count("section") == 9
    assert "script" not in reader.tags and "link" not in reader.tags and "img" not in reader.tags
    outside = [value for name, value in reader.attributes if "//" in value and not name.startswith("xmlns")]
    assert outside == [] and "@import" not in page and "url(http" not in page
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    referred = [value[1:] for name, value in reader.attributes if name.endswith("href")]
    assert referred and set(referred) <= set(ids)


def test_data_is_escaped_and_shown_in_full() -> None:
    page = _report.render_report(SUMMARY, _answers(), CENSUS)
    assert "<b>Côte" not in page and ODD.strip() in _read(page).text
    assert "no <store>: files were used" in _read(page).text
    assert "59,500.5" in page and "1,601" in page and "8,000,000" in page


def test_flow_and_census_are_told() -> None:
    page = _report.render_report(SUMMARY, _answers(), CENSUS)
    text = _read(page).text
    assert "adds up" in text and "pins, poster_name: “User Info Error” became null" in text
    assert "pin.title.empty" not in text
    short = {
        **SUMMARY,
        "records": {"pin": {**RECORDS, "stored": 8}},
        "missing": {"pin": 2, "geo": 0, "user": 0},
    }
    text = _read(_report.render_report(short, _answers(), {"pin.title.empty": 2})).text
    assert "does not add up" in text and "2 rows were drawn that the source lacks" in text
    assert "pin.title.empty" in text


def test_statistics_expectations_and_matches_are_told() -> None:
    column = {"rows": 9, "nulls": 1, "min": "", "max": "<z" * 30, "min_cut": False, "max_cut": True}
    result = {
        "id": "pin.category.in",
        "passed": False,
        "fatal": True,
        "rows": 9,
        "failures": 2,
        "expected": ["<art>"],
        "observed": None,
        "failing_key": 7,
        "failing_value": "<b>",
    }
    share = {**result, "id": "pin.title.null_share_max", "passed": True, "expected": 0.5, "observed": 0.25}
    summary = {
        **SUMMARY,
        "statistics": {"pin": {"before": {"title": column, "index": {**column, "nulls": 9, "min": None}}}},
        "expectations": [share, result],
        "matches": [
            {
                "pair": "pin.geo",
                "row_count": 8,
                "matched_count": 6,
                "unmatched_count": 2,
                "matched_share": 0.75,
                "first_unmatched": [3, 5],
            },
            {
                "pair": "geo.pin",
                "row_count": 0,
                "matched_count": 0,
                "unmatched_count": 0,
                "matched_share": None,
                "first_unmatched": None,
            },
        ],
    }
    page = _report.render_report(summary, _answers(), CENSUS)
    text = _read(page).text
    assert "<b>" not in page.split("What was expected")[1].split("</table>")[0]
    assert "the empty text" in text and "<z" * 30 + "…" in text and "9 records before, 0 rows after" in text
    assert "1 of 2 expectations passed" in text and "failed (fatal)" in text and "7: <b>" in text
    assert text.index("pin.category.in") < text.index("pin.title.null_share_max") and "25.00%" in text
    assert "pins among places" in text and "75.0%" in text and "3, 5" in text
    assert "What was expected" not in _report.render_report(SUMMARY, _answers(), CENSUS)


def test_the_stream_layer_is_told() -> None:
    same = {"identical": True, "rows": [7, 7], "different": 0, "first_different": []}
    other = {"identical": False, "rows": [7, 6], "different": 2, "first_different": [3, 9]}
    stream = {"records": SUMMARY["records"], "tables": {"pin": same, "geo": other}}
    text = _read(_report.render_report({**SUMMARY, "stream": stream}, _answers(), CENSUS)).text
    assert "pins770identical" in text and "places762different3, 9" in text
    assert "The stream layer" not in _read(_report.render_report(SUMMARY, _answers(), CENSUS)).text


def test_the_same_answers_give_the_same_bytes() -> None:
    assert len({_report.render_report(SUMMARY, _answers(), CENSUS) for _ in range(2)}) == 1


def test_answers_without_rows_are_said_so() -> None:
    page = _report.render_report({}, {question: [] for question in _query.QUESTIONS}, {})
    assert _read(page).text.count("No rows.") == 9


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    rows = {
        "pin": '{"ind":1,"poster_name":"p","follower_count":5,"category":"art"}',
        "geo": '{"ind":1,"country":"X","coordinates":[1.0,2.0],"timestamp":"2019-01-01T00:00:00Z"}',
        "user": '{"ind":1,"user_name":"n","age":20,"date_joined":"2016-01-01T00:00:00Z"}',
    }
    arguments = []
    for kind, row in rows.items():
        (tmp_path / f"{kind}.ndjson").write_text(row + "\n")
        arguments += [f"--{kind}", str(tmp_path / f"{kind}.ndjson")]
    assert main(["report", str(tmp_path), *arguments]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip().endswith("report.html") and len(re.findall("<svg", page)) == 18
    assert main(["report", str(tmp_path / "gone")]) == 1
    assert "summary.json: there is no such file" in capsys.readouterr().err


def test_values_that_rules_met_stand_with_their_rule() -> None:
    values = [
        {
            "rule": "pin.follower_count.not_a_magnitude",
            "value": "<soon>",
            "count": 7,
            "surplus": 0,
            "value_bytes": 6,
        },
        {"rule": "pin.title.no_title_data_available", "value": "No Title Data Available", "count": 9},
    ]
    census = {"pin": {"pin.follower_count.not_a_magnitude": 7, "pin.title.no_title_data_available": 9}}
    page = _report.render_report({"values": {"pin": values}}, {}, census)
    assert "<q>&lt;soon&gt;</q> 7" in page
    assert "<q>No Title Data Available</q>" not in page
