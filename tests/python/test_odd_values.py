"""Records made of odd values, thousands of them, cleaned by the library and by the second opinion.

Never random without a number: the seed is fixed and printed with a difference.
Rules: CONTRACT §4; tests/python/reference_cleaner.py is the judge.
"""

from __future__ import annotations

import json
import random

import pinpipe
import pytest

from tests.python import reference_cleaner
from tests.python.bad_records import GEO, PIN, USER

SEED = 7528
RECORDS = 20_000
TEXTS = [
    "",
    " ",
    "art",
    "None",
    "null",
    "Untitled",
    "…\u00a0",
    "é",
    "😀",
    "a\nb\tc",
    '"',
    "\\",
    "\u0000",
    "/",
]
MARKERS = sorted(text for texts in reference_cleaner.NO_DATA.values() for text in texts)
WRONG = [None, True, False, [], {}, [1, "a"], {"a": {"b": None}}, 0, -1, 1.5]
DIGITS = ["0", "7", "12", "007", "-3", "+3", "999", "1000", "9223372036854775807", "9223372036854775808"]
FOLLOWERS = [
    *DIGITS,
    *[
        "1k",
        "1K",
        "2M",
        "2m",
        "3B",
        "3b",
        "12kk",
        "k",
        "1 k",
        " 1k ",
        "\t5\n",
        "1.5k",
        "1.50k",
        "1.5005k",
        "0.5",
        "5.",
    ],
    *[
        ".5k",
        "1.0",
        "1,000",
        "1,000k",
        "12,34",
        "1,0000",
        ",100",
        "1,,000",
        "1e3",
        "0x10",
        "9223372036854775.807k",
    ],
    *["9223372036854775.808k", "0.000000001B", "0.0000000001B", "１k", "1k\u00a0", "-1k", "NaN", "inf"],
]
NUMBERS = [
    *DIGITS,
    "1.5",
    "-0.0",
    "-89.9787",
    "1e3",
    "1E-5",
    "1e400",
    "01.5",
    "1.",
    ".5",
    "--1",
    "1 ",
    "",
    "nan",
    "abc",
]
JSON_NUMBERS = [
    0,
    -0.0,
    1,
    30,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    0.1,
    1e308,
    5e-324,
    1.7976931348623157e308,
]
TIMES = [
    *["2020-08-28T03:52:47", "2020-08-28 03:52:47", "2020-08-28T03:52:47Z", "2020-08-28T03:52:47+0000"],
    *["2020-08-28T03:52:47+02:00", "2020-08-28 03:52:47.5", "2020-08-28T03:52:47.123456Z", "2020-08-28"],
    *[
        "2020-02-29",
        "2021-02-29",
        "1969-12-31T23:59:59",
        "2020-13-01",
        "2020-00-10",
        "2020-01-32",
        "2020-1-1",
    ],
    *[
        "2020-01-01T24:00:01",
        "2020-01-01T23:60:00",
        "20200101",
        "",
        "now",
        "2020-08-28T03:52:47 Z",
        "28/08/2020",
    ],
    *["2020-08-28T03:52:47-00:30", "9999-12-31T23:59:59", "0001-01-01"],
]
POOLS: dict[str, list[object]] = {
    "follower_count": [*FOLLOWERS, "User Info Error", 5, 2**63 - 1, *WRONG],
    "age": [*NUMBERS, *JSON_NUMBERS, *WRONG],
    "downloaded": [*NUMBERS, *JSON_NUMBERS, *WRONG],
    "latitude": [*NUMBERS, *JSON_NUMBERS, *WRONG],
    "longitude": [*NUMBERS, *JSON_NUMBERS, *WRONG],
    "timestamp": [*TIMES, *WRONG],
    "date_joined": [*TIMES, *WRONG],
    "save_location": ["Local save in /data/art", "Local save in ", "local save in /data", *TEXTS, *WRONG],
}
TEXT_POOL: list[object] = [*TEXTS, *MARKERS, *WRONG]


def _records(kind: str) -> list[dict[str, object]]:
    numbers = random.Random(SEED)
    base = {"pin": PIN, "geo": GEO, "user": USER}[kind]
    key = "index" if kind == "pin" else "ind"
    made = []
    for number in range(RECORDS):
        record: dict[str, object] = {key: number}
        for name, value in base.items():
            odd = numbers.random() < 0.6
            if name != key and numbers.random() < 0.95:
                record[name] = numbers.choice(POOLS.get(name, TEXT_POOL)) if odd else value
        made.append(record)
    return made


@pytest.mark.parametrize("kind", ["pin", "geo", "user"])
def test_odd_values(kind: str) -> None:
    records = _records(kind)
    data = "".join(
        json.dumps(record, ensure_ascii=number % 2 == 0) + "\n" for number, record in enumerate(records)
    )
    written = pinpipe.encode(pinpipe.clean(kind, data.encode()), "ndjson")
    rows = [json.loads(line) for line in bytes(written).splitlines()]
    assert len(rows) == len(records)
    wrong: dict[tuple[str, str, str], str] = {}
    for row, wanted, record in zip(rows, reference_cleaner.clean(kind, records), records, strict=True):
        for column, value in reference_cleaner.as_written(wanted).items():
            if repr(row[column]) != repr(value):
                sources = {"coordinates": ("latitude", "longitude"), "user_name": ("first_name", "last_name")}
                given = [record.get(name) for name in sources.get(column, (column,))]
                wrong[column, repr(row[column]), repr(value)] = (
                    f"{column} of {given}: {row[column]!r}, not {value!r}"
                )
    assert not wrong, f"seed {SEED}: " + "\n".join(list(wrong.values())[:60])
