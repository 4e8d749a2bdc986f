"""Turns rule files into cleaned rows, and wrong ones into errors that name the rule.

Never reads a rule by itself: what a dialect does is seen in the rows.
Rules: docs/profiles.md; the core's vectors are tests/vectors/rules, this is the way through Python.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pinpipe
import pytest

from tests.python.bad_records import GEO, PIN, USER, as_json

DOCS = Path(__file__).resolve().parents[2] / "docs"
CLEAN_PIN: dict[str, object] = {
    **PIN,
    "title": "t",
    "description": "d",
    "poster_name": "p",
    "follower_count": "1k",
    "tag_list": "a,b",
    "image_src": "s",
    "save_location": "Local save in /data/art",
}
PLAIN: dict[str, dict[str, object]] = {"pin": CLEAN_PIN, "geo": GEO, "user": USER}


def cleaned(kind: str, profile: Any, **changed: object) -> list[dict[str, Any]]:
    return pinpipe.clean(kind, [as_json({**PLAIN[kind], **changed})], profile=profile).to_pylist()


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return path


def test_the_page_s_rule_file_works(tmp_path: Path) -> None:
    text = re.findall(r"```toml\n(.*?)```", (DOCS / "profiles.md").read_text(), re.S)[0]
    profile = pinpipe.profile(toml(tmp_path, text))
    assert profile.name == "our-rules"
    row = cleaned(
        "pin",
        profile,
        title="n/a",
        description="Untitled",
        poster_name="User Info Error",
        follower_count="User Info Error",
    )[0]
    assert (row["title"], row["description"], row["follower_count"]) == (None, None, 0)
    assert (row["poster_name"], row["save_location"]) == ("User Info Error", " /data/art")
    assert cleaned("geo", profile, country="") == []
    assert cleaned("geo", profile, latitude=1.5, longitude=2.5)[0]["coordinates"] == [2.5, 1.5]
    assert cleaned("user", profile, first_name="A", last_name="B")[0]["user_name"] == "AB"


def dialects() -> list[tuple[str, str]]:
    rows = re.findall(
        r"^\| (.+?) \| `(.+?)`( under `\[columns\]`)? \|$", (DOCS / "profiles.md").read_text(), re.M
    )
    return [(name, ("[columns]\n" if columns else "[rules]\n") + line) for name, line, columns in rows]


@pytest.mark.parametrize(("name", "text"), dialects())
def test_every_dialect_of_the_page_is_a_rule_file(name: str, text: str, tmp_path: Path) -> None:
    profile = pinpipe.profile(toml(tmp_path, text))
    assert re.search(r" [1-9]\d* rules differ", repr(profile)) or "[columns]" in text


def test_zero_or_no_row_for_a_missing_count(tmp_path: Path) -> None:
    lines = [
        as_json({**CLEAN_PIN, "index": i, "follower_count": count})
        for i, count in enumerate(["1k", None, "User Info Error"])
    ]
    zero = {"rules": {"pin.follower_count.null": {"effect": "filled", "value": 0}}}
    filled = pinpipe.clean("pin", lines, profile=zero)
    assert [row["follower_count"] for row in filled.to_pylist()] == [1000, 0, 0]
    assert filled.census["pin.follower_count.null"] == 2
    dropped = pinpipe.clean("pin", lines, profile={"rules": {"pin.follower_count.null": "dropped"}})
    assert [row["ind"] for row in dropped.to_pylist()] == [0]
    assert (dropped.dropped, dropped.num_records, dropped.rejects) == (2, 3, [])


def test_keep_changes_types_only() -> None:
    row = cleaned("pin", "keep", title="No Title Data Available", description="", follower_count="12k")[0]
    assert (row["title"], row["description"]) == ("No Title Data Available", "")
    assert (row["follower_count"], row["save_location"]) == (12000, "Local save in /data/art")


def test_threads_and_roads_give_the_same_rows() -> None:
    profile = pinpipe.profile(
        {"rules": {"*.*.null": "dropped", "pin.title.t": {"text": "t", "match": "prefix"}}}
    )
    records = [{**CLEAN_PIN, "index": i, "title": ["t", "other", "", None][i % 4]} for i in range(40_000)]
    lines = [as_json(record) for record in records]
    whole = pinpipe.clean("pin", b"\n".join(lines), profile=profile)
    shared = pinpipe.clean("pin", b"\n".join(lines), profile=profile, threads=2)
    payloads = pinpipe.clean("pin", lines, profile=profile)
    assert pinpipe.encode(whole) == pinpipe.encode(shared) == pinpipe.encode(payloads)
    assert whole.census == shared.census == payloads.census
    assert whole.dropped == shared.dropped == payloads.dropped == 30_000
    assert whole.num_rows == 10_000


WRONG = [
    ({"nmae": "x"}, "unknown key 'nmae'"),
    ({"base": "curse"}, "no base 'curse'"),
    ({"name": ""}, "name"),
    ({"rules": []}, "'rules' is no object"),
    ({"rules": {"pin.tilte.empty": "off"}}, "no rule 'pin.tilte.empty'"),
    ({"rules": {"pin.title.empty": "gone"}}, "no effect 'gone'"),
    ({"rules": {"pin.title.empty": 3}}, "pin.title.empty"),
    ({"rules": {"pin.title.empty": {"efect": "off"}}}, "unknown key 'efect'"),
    ({"rules": {"pin.title.wrong_type": "off"}}, "cannot be off"),
    ({"rules": {"pin.follower_count.user_info_error": "kept"}}, "cannot be kept"),
    ({"rules": {"pin.ind.missing": "dropped"}}, "same in every profile"),
    ({"rules": {"pin.malformed": "nulled"}}, "whole record"),
    ({"rules": {"pin.follower_count.null": {"effect": "filled", "value": "None"}}}, "'None' is no BIGINT"),
    ({"rules": {"pin.follower_count.null": {"effect": "filled", "value": 1.5}}}, "'1.5' is no BIGINT"),
    ({"rules": {"pin.follower_count.null": "filled"}}, "filled needs a value"),
    ({"rules": {"geo.coordinates.null": {"effect": "filled", "value": 0}}}, "a list is not filled"),
    ({"rules": {"geo.latitude.missing": "dropped"}}, "the column's rule null"),
    ({"rules": {"pin.title.untitled": {"text": "U"}}}, "choose another id"),
    ({"rules": {"pin.title.Own": {"text": "U"}}}, "a-z, 0-9 and _"),
    ({"rules": {"geo.latitude.own": {"text": "U"}}}, "no column 'latitude'"),
    ({"rules": {"pin.title.own": {"text": ""}}}, "1 to 256 bytes"),
    ({"rules": {"pin.title.own": {"text": "x", "match": "regex"}}}, "exact or prefix"),
    ({"columns": {"pin.titel": {"prefix": ""}}}, "no clean column 'pin.titel'"),
    ({"columns": {"pin.title": {"prefix": ""}}}, "has no prefix"),
    (
        {"columns": {"geo.coordinates": {"order": ["latitude", "latitude"]}}},
        "order names its two raw columns",
    ),
    ({"columns": {"user.user_name": {"separator": "x" * 65}}}, "at most 64 bytes"),
]


@pytest.mark.parametrize(("document", "said"), WRONG)
def test_what_is_wrong_is_named(document: dict[str, Any], said: str) -> None:
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.profile(document)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.json", "{", "line 1"),
        ("r.json", '{"name":"a","name":"b"}', "duplicate"),
        ("r.toml", "rules = {", "r.toml"),
        ("r.yaml", "", "nor a .json or .toml file"),
        ("missing/r.json", None, "cannot open"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.clean("pin", b"", profile=path)
    assert said in str(caught.value)


def test_dirty_values_are_the_most_frequent() -> None:
    counts = ["soon", "soon", "never", "User Info Error", "", "5"]
    table = pinpipe.clean(
        "pin", [as_json({**CLEAN_PIN, "index": i, "follower_count": c}) for i, c in enumerate(counts)]
    )
    seen = [
        (value.rule.removeprefix("pin.follower_count."), value.value, value.count)
        for value in table.dirty_values
    ]
    assert seen == [
        ("not_a_magnitude", "soon", 2),
        ("empty", "", 1),
        ("not_a_magnitude", "never", 1),
        ("user_info_error", "User Info Error", 1),
    ]


def test_dirty_values_stay_bounded_and_say_how_sure_they_are() -> None:
    counts = [f"x{i % 1000}" for i in range(5000)] + ["often"] * 2000
    table = pinpipe.clean(
        "pin", [as_json({**CLEAN_PIN, "index": i, "follower_count": c}) for i, c in enumerate(counts)]
    )
    values = table.dirty_values
    assert len(values) == 16
    assert values[0].value == "often"
    assert values[0].count - values[0].surplus <= 2000 <= values[0].count
    assert sum(value.count for value in values) == 7000


def test_a_long_dirty_value_is_cut_at_a_character(tmp_path: Path) -> None:
    table = pinpipe.clean("pin", [as_json({**CLEAN_PIN, "follower_count": "é" * 100 + "x"})])
    value = table.dirty_values[0]
    assert (value.value, value.value_bytes) == ("é" * 32, 201)


def test_the_command_takes_a_profile(tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_bytes(
        b"\n".join(as_json({**CLEAN_PIN, "index": i, "title": t}) for i, t in enumerate("ab"))
    )
    rules = toml(tmp_path, '[rules]\npin.title.a = { text = "a", effect = "dropped" }')
    census = tmp_path / "census.json"
    command = [
        "clean",
        "pin",
        str(tmp_path / "in.ndjson"),
        "-o",
        str(tmp_path / "out.ndjson"),
        "--profile",
        str(rules),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pinpipe", *command, "--census", str(census)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "1 dropped" in done.stderr) == (0, True), done.stderr
    assert "pin.title.a" in done.stdout
    written = json.loads(census.read_text())
    assert (written["cleaned"], written["dropped"], written["census"]["pin.title.a"]) == (1, 1, 1)
    assert {"rule": "pin.title.a", "value": "a", "count": 1, "surplus": 0, "value_bytes": 1} in written[
        "values"
    ]


def test_a_rule_file_s_expectations_are_checked_with_its_profile() -> None:
    rules = {
        "rules": {"pin.title.untitled": "nulled"},
        "expect": {"pin.title": {"null_share_max": 0.1, "fatal": True}},
    }
    line = as_json({**CLEAN_PIN, "title": "Untitled"})
    with pytest.raises(pinpipe.Error, match=r"pin\.title\.null_share_max"):
        pinpipe.clean("pin", [line], profile=rules)
    assert pinpipe.clean("pin", [line], profile=rules, expect="course").expectations
    assert pinpipe.clean("pin", [line]).expectations == []
