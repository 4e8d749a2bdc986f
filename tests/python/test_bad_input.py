"""Input that no producer should send, through `pinpipe clean`: exit codes, good rows, rejects, census.

Never looks inside the library: only the command's files, its exit code and its last words are read.
Rules: CONTRACT §2 (exit codes) and §4 ("What cleaning does with a record", rejects as NDJSON with data_b64).
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.python import reference_cleaner
from tests.python.bad_records import BAD_LINES, GEO, GOOD, PIN, USER, as_json

FULL_REJECT_BYTES = 64 << 10


@dataclass
class Run:
    """What one run of the command left behind."""

    code: int
    errors: str
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    census: dict[str, int]


def _clean(folder: Path, kind: str, data: bytes, *options: str) -> Run:
    source = folder / "in.ndjson"
    source.write_bytes(data)
    return _run(folder, kind, str(source), *options)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def _run(folder: Path, kind: str, source: str, *options: str) -> Run:
    out, rejects, census = folder / "out.ndjson", folder / "rejects.ndjson", folder / "census.json"
    places = ("-o", str(out), "--rejects", str(rejects), "--census", str(census))
    command = [sys.executable, "-m", "pinpipe", "clean", kind, source, *places, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr
    counts = json.loads(census.read_text())["census"] if census.exists() else {}
    return Run(done.returncode, done.stderr, _lines(out), _lines(rejects), counts)


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_line_between_good_ones(name: str, tmp_path: Path) -> None:
    bad = BAD_LINES[name]
    run = _clean(
        tmp_path, "geo", b"\n".join([GOOD[0], GOOD[1], bad, GOOD[3], b""]), "--input-format", "ndjson"
    )
    assert run.code == 3, run.errors
    assert [row["ind"] for row in run.rows] == [0, 1, 3]
    assert len(run.rejects) == 1
    reject = run.rejects[0]
    assert reject["index"] == 2
    assert reject["byte_offset"] == len(GOOD[0]) + len(GOOD[1]) + 2
    assert reject["reason"]
    assert base64.b64decode(reject["data_b64"]).rstrip(b"\n") == bad


def test_last_line_cut_short(tmp_path: Path) -> None:
    cut = GOOD[2][: len(GOOD[2]) // 2]
    run = _clean(tmp_path, "geo", b"\n".join([GOOD[0], GOOD[1], cut]))
    assert run.code == 3
    assert [row["ind"] for row in run.rows] == [0, 1]
    assert [(r["index"], base64.b64decode(r["data_b64"])) for r in run.rejects] == [(2, cut)]


def test_last_line_without_line_end_is_read(tmp_path: Path) -> None:
    run = _clean(tmp_path, "geo", b"\n".join(GOOD))
    assert (run.code, len(run.rows), run.rejects) == (0, 4, [])


def test_line_of_20_mb_keeps_its_length_and_its_beginning(tmp_path: Path) -> None:
    long = as_json(GEO | {"ind": 2, "country": "A" * 20_000_000})
    run = _clean(tmp_path, "geo", b"\n".join([GOOD[0], long, GOOD[3], b""]))
    assert run.code == 3
    assert [row["ind"] for row in run.rows] == [0, 3]
    (reject,) = run.rejects
    assert reject["data_bytes"] == len(long)
    assert reject["byte_offset"] == len(GOOD[0]) + 1
    assert base64.b64decode(reject["data_b64"]) == long[:FULL_REJECT_BYTES]


def test_record_of_just_under_16_mib_is_read(tmp_path: Path) -> None:
    empty = as_json(GEO | {"country": ""})
    run = _clean(tmp_path, "geo", as_json(GEO | {"country": "A" * ((16 << 20) - len(empty) - 1)}) + b"\n")
    assert (run.code, run.rejects) == (0, [])
    assert len(run.rows[0]["country"]) == (16 << 20) - len(empty) - 1


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n \n"])
def test_empty_file(data: bytes, tmp_path: Path) -> None:
    run = _clean(tmp_path, "pin", data)
    assert (run.code, run.rows, run.rejects) == (0, [], [])


def test_missing_file(tmp_path: Path) -> None:
    run = _run(tmp_path, "pin", str(tmp_path / "nowhere.ndjson"))
    assert run.code == 1
    assert "nowhere.ndjson" in run.errors
    assert len(run.errors.strip().splitlines()) == 1


def test_output_folder_that_is_missing(tmp_path: Path) -> None:
    source = tmp_path / "in.ndjson"
    source.write_bytes(GOOD[0])
    command = [
        sys.executable,
        "-m",
        "pinpipe",
        "clean",
        "geo",
        str(source),
        "-o",
        str(tmp_path / "no" / "a.ndjson"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("pins", "in.ndjson", "-o", "out.ndjson"),
        ("pin", "in.ndjson"),
        ("pin", "in.ndjson", "-o", "out.ndjson", "--input-format", "yaml"),
        ("pin", "in.ndjson", "-o", "out.ndjson", "--dedupe", "all"),
        ("pin", "in.ndjson", "-o", "out.ndjson", "--no-such-option"),
    ],
)
def test_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pinpipe", "clean", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# Values that no rule can read: the record stays, the cell is null, and the census says so.
UNREADABLE = [
    ("geo", GEO, {"country": 5}, "country"),
    ("geo", GEO, {"country": ["Aruba"]}, "country"),
    ("geo", GEO, {"latitude": "north"}, "coordinates"),
    ("geo", GEO, {"longitude": {"degrees": 1}}, "coordinates"),
    ("geo", GEO, {"timestamp": "yesterday"}, "timestamp"),
    ("geo", GEO, {"timestamp": "2020-13-01T00:00:00"}, "timestamp"),
    ("geo", GEO, {"timestamp": "2021-02-29T00:00:00"}, "timestamp"),
    ("geo", GEO, {"timestamp": "2020-08-28T24:61:00"}, "timestamp"),
    ("user", USER, {"age": "thirty"}, "age"),
    ("user", USER, {"age": 30.5}, "age"),
    ("user", USER, {"age": 9223372036854775808}, "age"),
    ("user", USER, {"age": False}, "age"),
    ("user", USER, {"date_joined": []}, "date_joined"),
    ("pin", PIN, {"follower_count": "12kk"}, "follower_count"),
    ("pin", PIN, {"follower_count": "1.2345k"}, "follower_count"),
    ("pin", PIN, {"follower_count": "k"}, "follower_count"),
    ("pin", PIN, {"follower_count": "9223372036854775808"}, "follower_count"),
    ("pin", PIN, {"follower_count": "9300000000B"}, "follower_count"),
    ("pin", PIN, {"category": 12}, "category"),
]


@pytest.mark.parametrize(("kind", "good", "change", "column"), UNREADABLE)
def test_unreadable_value_is_null_and_counted(
    kind: str, good: dict[str, Any], change: dict[str, Any], column: str, tmp_path: Path
) -> None:
    before = _clean(tmp_path, kind, as_json(good))
    run = _clean(tmp_path, kind, as_json(good | change))
    assert (run.code, run.rejects) == (0, [])
    assert run.rows[0][column] is None
    assert {k: v for k, v in run.rows[0].items() if k != column} == {
        k: v for k, v in before.rows[0].items() if k != column
    }
    hits = {rule: count for rule, count in run.census.items() if count and not before.census.get(rule)}
    assert hits, "no rule was counted"
    assert all(rule.startswith(f"{kind}.") for rule in hits)


@pytest.mark.parametrize(
    ("kind", "good", "change"),
    [
        ("user", USER, {"ind": "7", "age": "30"}),
        ("geo", GEO, {"latitude": "-89.9787", "longitude": "0.5"}),
        ("geo", GEO, {"latitude": -90, "longitude": 180}),
        ("geo", GEO, {"timestamp": "2020-08-28"}),
        ("geo", GEO, {"timestamp": "2020-08-28T03:52:47Z"}),
        ("geo", GEO, {"timestamp": "2020-08-28T03:52:47.250+0000"}),
        ("geo", GEO, {"timestamp": "2020-08-28 03:52:47+02:00"}),
        ("pin", PIN, {"follower_count": 1500}),
        ("pin", PIN, {"follower_count": " 2M "}),
        ("pin", PIN, {"follower_count": "1,234,567"}),
        ("pin", PIN, {"follower_count": "3.25B"}),
        ("pin", PIN, {"follower_count": "0.5K"}),
        ("pin", PIN, {"save_location": "/data/art"}),
        ("pin", PIN, {"title": "Untitled", "description": 'a"b\\c\n\t\u0001é😀'}),
        ("pin", PIN, {"title": "", "category": "", "unique_id": ""}),
    ],
)
def test_odd_but_readable_value(
    kind: str, good: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    record = good | change
    run = _clean(tmp_path, kind, as_json(record))
    assert (run.code, run.rejects) == (0, [])
    (wanted,) = reference_cleaner.clean(kind, [record])
    assert run.rows == [reference_cleaner.as_written(wanted)]


def test_missing_duplicate_and_unknown_keys(tmp_path: Path) -> None:
    missing = b'{"ind": 1}'
    doubled = b'{"ind": 2, "country": "Aruba", "country": "Korea", "ind": 3}'
    unknown = b'{"ind": 4, "planet": {"name": "Earth", "moons": [1, [2]]}, "country": "Congo"}'
    run = _clean(tmp_path, "geo", b"\n".join([missing, doubled, unknown, b""]))
    assert (run.code, run.rejects) == (0, [])
    assert [(row["ind"], row["country"]) for row in run.rows] == [(1, None), (3, "Korea"), (4, "Congo")]
    assert all(row["coordinates"] is None and row["timestamp"] is None for row in run.rows)
    for word in ("missing", "duplicate", "unknown"):
        assert any(count for rule, count in run.census.items() if word in rule), word


def test_every_input_row_is_accounted_for(tmp_path: Path) -> None:
    lines = [*BAD_LINES.values(), *GOOD]
    run = _clean(tmp_path, "geo", b"\n".join(lines) + b"\n", "--input-format", "ndjson")
    assert run.code == 3
    assert len(run.rows) + len(run.rejects) == len(lines)
    offset = 0
    for number, line in enumerate(BAD_LINES.values()):
        assert run.rejects[number]["index"] == number
        assert run.rejects[number]["byte_offset"] == offset
        offset += len(line) + 1
