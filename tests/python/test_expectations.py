"""Turns rule documents and small tables into results, errors and exit codes, in Python and by the program.

Never only looks at what passes: each check is seen to fail, with its first row.
Rules: docs/census.md, "Expectations" and "Matches"; CONTRACT §2.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pinpipe import _matches
from pinpipe._cli import main

from tests.python.bad_records import GEO, PIN, USER
from tests.python.test_properties import KINDS, LITTLE, _lines, _records

PINS = _lines(
    [
        {**PIN, "category": "art", "follower_count": "5"},
        {**PIN, "index": 3, "category": "boats", "follower_count": "-2"},
        {**PIN, "index": 3, "category": None, "follower_count": "User Info Error"},
    ]
)
RULES: dict[str, Any] = {
    "name": "mine",
    "expect": {
        "pin.ind": {"unique": True},
        "pin.follower_count": {"min": 0, "max": 10, "null_share_max": 0.5},
        "pin.category": {"in": ["art", "travel"], "null_share_max": 0},
        "pin": {"rows_min": 4},
        "user.age": {"min": 13},
    },
}


def _results(expect: Any, data: bytes = PINS, kind: str = "pin", **how: Any) -> dict[str, Any]:
    return {each.id: each for each in pinpipe.clean(kind, data, expect=expect, **how).expectations}


def test_every_check_says_what_it_saw() -> None:
    found = _results(RULES)
    assert {
        name: (e.passed, e.failures, e.failing_key, e.failing_value, e.observed) for name, e in found.items()
    } == {
        "pin.ind.unique": (False, 1, 3, "3", 2),
        "pin.follower_count.min": (False, 1, 3, "-2", -2),
        "pin.follower_count.max": (True, 0, None, None, 5),
        "pin.follower_count.null_share_max": (True, 0, None, None, 1 / 3),
        "pin.category.in": (False, 1, 3, "boats", None),
        "pin.category.null_share_max": (False, 1, 3, None, 1 / 3),
        "pin.rows_min": (False, 1, None, None, 3),
    }
    assert found["pin.category.in"].expected == ["art", "travel"] and found["pin.category.in"].rows == 3
    assert str(found["pin.category.in"]) == "pin.category.in: 1 of 3 rows, first at ind 3: 'boats'"
    assert str(found["pin.rows_min"]) == "pin.rows_min: 3 rows"
    assert json.loads(json.dumps(found["pin.ind.unique"].to_dict()))["passed"] is False


def test_what_is_checked_is_what_leaves() -> None:
    assert _results(RULES, dedupe="ind")["pin.ind.unique"].passed
    for threads in (1, 2):
        assert not _results(RULES, threads=threads)["pin.ind.unique"].passed


def test_a_file_gives_the_same_as_its_content(tmp_path: Path) -> None:
    wanted = _results(RULES)
    (tmp_path / "rules.json").write_text(json.dumps(RULES), encoding="utf-8")
    (tmp_path / "rules.toml").write_text(
        'name = "mine"\n[expect.pin.ind]\nunique = true\n[expect."pin.follower_count"]\nmin = 0\nmax = 10\n'
        'null_share_max = 0.5\n[expect."pin.category"]\nin = ["art", "travel"]\nnull_share_max = 0\n'
        '[expect.pin]\nrows_min = 4\n[expect."geo.timestamp"]\nmin = 2009-01-01T00:00:00Z\n'
        "[expect.matches]\npin.geo.share_min = 0.5\n",
        encoding="utf-8",
    )
    assert _results(tmp_path / "rules.json") == _results(str(tmp_path / "rules.toml")) == wanted
    geo = _results(tmp_path / "rules.toml", _lines([GEO]), "geo")
    assert (
        geo["geo.timestamp.min"].expected == "2009-01-01T00:00:00+00:00" and geo["geo.timestamp.min"].passed
    )


def test_a_fatal_one_is_raised_with_all_results() -> None:
    rules = {"expect": {"pin.ind": {"unique": True, "fatal": True}, "pin": {"rows_min": 1, "fatal": True}}}
    with pytest.raises(pinpipe.ExpectationError) as caught:
        pinpipe.clean("pin", PINS, expect=rules)
    assert isinstance(caught.value, pinpipe.Error) and caught.value.status == "EDATA"
    assert [(each.id, each.passed) for each in caught.value.results] == [
        ("pin.ind.unique", False),
        ("pin.rows_min", True),
    ]
    assert "pin.ind.unique: 1 of 3 rows, first at ind 3: '3'" in str(caught.value)
    assert pinpipe.clean("pin", PINS, expect=rules, dedupe="ind").num_rows == 2


def test_the_built_in_set_has_sources() -> None:
    plain = {**PIN, "title": "t", "description": "d", "poster_name": "p", "tag_list": "a", "image_src": "s"}
    found = _results("course", _lines([plain]))
    assert [each.id for each in found.values() if not each.passed] == []
    assert all(each.source and not each.fatal for each in found.values())
    old = _results("course", _lines([{**USER, "age": 12, "date_joined": "2001-01-01"}]), "user")
    assert {each.id for each in old.values() if not each.passed} == {"user.age.min", "user.date_joined.min"}
    assert not _results("course", b"", "geo")["geo.rows_min"].passed


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({"expect": {"pin.colour": {"unique": True}}}, "'pin.colour' names no column; those of pin are ind,"),
        ({"expect": {"pin.ind": {"least": 1}}}, "expect.pin.ind: 'least' is none of unique, min, max,"),
        ({"expect": {"pin.ind": {"min": 2, "max": 1}}}, "expect.pin.ind: min 2 is more than max 1"),
        ({"expect": {"pin.ind": {"min": float("nan")}}}, "cannot be written as JSON"),
        ({"expect": {"pin.ind": {"min": object()}}}, "object has no JSON form"),
        ({"expect": {"pin.日本": {"min": 1}}}, "'pin.日本' names no column"),
        ({"expect": {"pin.category": {"in": ["é" * 50, "é" * 50]}}}, "wants each value once, not"),
        (
            {"expect": {"matches": {"pin.pin": {"share_min": 1}}}},
            "expect.matches: 'pin.pin' is none of pin.geo,",
        ),
        ({"expect": {"matches": {"pin.geo": {}}}}, "expect.matches.pin.geo: wants an object with share_min"),
        ({"expect": {"matches": {"pin.geo": {"share_min": 2}}}}, "wants a share from 0 to 1, not 2"),
        ({"expect": {"matches": {"pin.geo": {"share_min": 1, "x": 1}}}}, "'x' is none of share_min, fatal"),
        ({"expect": {"matches": {"pin.geo": {"share_min": 1, "fatal": 1}}}}, "wants true or false, not 1"),
        ({"rules": {}}, "the rules have no object 'expect'"),
        ("nowhere.json", "cannot open 'nowhere.json'"),
        (5, "expectations cannot be read from int"),
    ],
)
def test_one_clear_message(expect: Any, message: str) -> None:
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.clean("pin", PINS, expect=expect)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    for name, text, message in (
        ("a.json", '{"expect": {"pin.ind": {"unique": true}, "pin.ind": {}}}', "duplicate"),
        ("b.json", "expect", "the rules are not JSON: line 1"),
        ("c.toml", "expect = ", "rule file '.*c.toml'"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(pinpipe.Error, match=message):
            pinpipe.clean("pin", PINS, expect=tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data(), low=st.integers(0, 9), high=st.integers(0, 9))
def test_the_results_are_those_of_plain_python(kind: str, data: st.DataObject, low: int, high: int) -> None:
    text = _lines(data.draw(_records(kind)))
    name = {"pin": "title", "geo": "country", "user": "user_name"}[kind]
    allowed = data.draw(st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True))
    low, high = min(low, high), max(low, high)
    rules = {
        "expect": {
            f"{kind}.ind": {"min": low, "max": high},
            f"{kind}.{name}": {"unique": True, "in": allowed},
        }
    }
    table = pinpipe.clean(kind, text, input_format="ndjson", expect=rules)
    found = {each.id: each for each in table.expectations}
    keys = [row["ind"] for row in table.to_pylist()]
    values = [row[name] for row in table.to_pylist() if row[name] is not None]
    assert found[f"{kind}.ind.min"].failures == sum(key < low for key in keys)
    assert found[f"{kind}.ind.max"].failures == sum(key > high for key in keys)
    assert found[f"{kind}.ind.min"].observed == min(keys, default=None)
    assert found[f"{kind}.{name}.unique"].failures == sum(count - 1 for count in Counter(values).values())
    assert found[f"{kind}.{name}.unique"].observed == len(set(values))
    assert found[f"{kind}.{name}.in"].failures == sum(value not in allowed for value in values)


def _tables(pins: list[int], geos: list[int], users: list[int]) -> dict[str, pinpipe.Table]:
    return {
        "pin": pinpipe.clean("pin", [json.dumps({**PIN, "index": key}) for key in pins]),
        "geo": pinpipe.clean("geo", [json.dumps({**GEO, "ind": key}) for key in geos]),
        "user": pinpipe.clean("user", [json.dumps({**USER, "ind": key}) for key in users]),
    }


def test_matches_count_rows_without_a_partner() -> None:
    rows = pinpipe.matches(**_tables([1, 2, 2, 9], [1, 2], [])).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("pin.geo", 4, 3, 1, 0.75, [9]),
        ("pin.user", 4, 0, 4, 0.0, [1, 2, 9]),
        ("geo.pin", 2, 2, 0, 1.0, None),
        ("geo.user", 2, 0, 2, 0.0, [1, 2]),
        ("user.pin", 0, 0, 0, None, None),
        ("user.geo", 0, 0, 0, None, None),
    ]
    many = pinpipe.matches(**_tables([], list(range(20, 0, -1)), [3])).to_pylist()
    assert many[2]["first_unmatched"] == [1, 2, 3, 4, 5]


@settings(LITTLE, max_examples=12)
@given(keys=st.tuples(*[st.lists(st.integers(0, 12), max_size=8)] * 3))
def test_matches_are_those_of_plain_python(keys: tuple[list[int], ...]) -> None:
    by_kind = dict(zip(KINDS, keys, strict=True))
    for row in pinpipe.matches(**_tables(*keys)).to_pylist():
        one, other = row["pair"].split(".")
        alone = [key for key in by_kind[one] if key not in by_kind[other]]
        assert (row["row_count"], row["unmatched_count"]) == (len(by_kind[one]), len(alone))
        assert (row["first_unmatched"] or []) == sorted(set(alone))[:5]


def test_matches_can_be_expected() -> None:
    tables = _tables([1, 2], [1], [1, 2])
    pinpipe.matches(**tables, expect={"expect": {"matches": {"pin.geo": {"share_min": 0.5, "fatal": True}}}})
    pinpipe.matches(**tables, expect="course")
    with pytest.raises(
        pinpipe.ExpectationError, match=r"matches.pin.geo.share_min: 1 of 2 rows, first at ind 2"
    ):
        pinpipe.matches(
            **tables, expect={"expect": {"matches": {"pin.geo": {"share_min": 1, "fatal": True}}}}
        )
    with pytest.raises(pinpipe.Error, match="matches needs the table geo"):
        _matches.match({"pin": tables["pin"]})


def test_the_clean_command_exits_by_what_is_fatal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pins.ndjson").write_bytes(PINS)
    base = ["clean", "pin", str(tmp_path / "pins.ndjson"), "-o", str(tmp_path / "out.ndjson")]
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(RULES), encoding="utf-8")
    assert main([*base, "--expect", str(rules), "--census", str(tmp_path / "c.json")]) == 0
    captured = capsys.readouterr()
    assert "2 of 7 expectations passed" in captured.err and "pin.category.in: 1 of 3 rows" in captured.err
    assert "pin.category.in" in captured.out and "failed" in captured.out
    census = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [each["id"] for each in census["expectations"] if each["passed"]] == [
        "pin.follower_count.max",
        "pin.follower_count.null_share_max",
    ]
    fatal = {"expect": {"pin.ind": {"unique": True, "fatal": True}}}
    rules.write_text(json.dumps(fatal), encoding="utf-8")
    assert main([*base, "--expect", str(rules), "--format", "csv"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].startswith('pin.ind.unique,"failed, fatal",1,3,3,3,')
    assert "fatal pin.ind.unique" in captured.err
    assert (tmp_path / "out.ndjson").is_file()  # the table was made
    assert main([*base, "--expect", str(rules), "--dedupe", "ind"]) == 0
    capsys.readouterr()
    assert main([*base, "--expect", str(rules), "--statistics", "--format", "csv"]) == 2
    assert main([*base, "--expect", "nowhere.json"]) == 1
    assert "cannot open 'nowhere.json'" in capsys.readouterr().err


def test_the_query_command_prints_matches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["query", "matches"]
    for kind, table in _tables([1, 2], [1], [1, 2]).items():
        (tmp_path / f"{kind}.ndjson").write_bytes(pinpipe.encode(table))
        arguments += [f"--{kind}", str(tmp_path / f"{kind}.ndjson")]
    assert main([*arguments, "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == pinpipe.matches(**_tables([1, 2], [1], [1, 2])).to_pylist()
    assert main([*arguments, "--expect", "course"]) == 0
    assert "4 of 6 expectations passed" in capsys.readouterr().err
    assert main([*arguments, "--fatal"]) == 1
    rules = tmp_path / "rules.json"
    rules.write_text('{"expect":{"matches":{"pin.geo":{"share_min":0.6,"fatal":true}}}}', encoding="utf-8")
    assert main([*arguments, "--expect", str(rules)]) == 1
    assert "fatal matches.pin.geo.share_min: 1 of 2 rows, first at ind 2" in capsys.readouterr().err
    assert main(["query", "q6", "--user", str(tmp_path / "user.ndjson"), "--fatal"]) == 2
    assert isinstance(pinpipe.matches(**_tables([], [], [])), pa.Table)
