"""The real rows in every wire form, cleaned by the library and by the second opinion, compared cell by cell.

Never a sample: 2,774 pins, 11,154 geo and 11,154 user rows in each variant; the count of cells is printed.
Rules: CONTRACT §4; the variants are those of the domain notes §3.2, §3.3 and §3.5.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pyarrow as pa
import pytest

from tests.python import reference_cleaner

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
TABLES = {
    "pin": ("pinterest_data_mit.csv", 2774),
    "geo": ("geolocation_data.csv", 11154),
    "user": ("user_data.csv", 11154),
}
NUMBERS = {"index": int, "ind": int, "downloaded": int, "age": int, "latitude": float, "longitude": float}
TIME_COLUMNS = ("timestamp", "date_joined")
VARIANTS = list(itertools.product("T ", (True, False), (True, False), (True, False)))


def _records(kind: str) -> list[dict[str, object]]:
    name, rows = TABLES[kind]
    with (REAL / name).open(encoding="utf-8", newline="") as stream:
        records = [
            {key: NUMBERS[key](value) if key in NUMBERS else value for key, value in row.items() if key}
            for row in csv.DictReader(stream)
        ]
    assert len(records) == rows
    return records


def _lines(
    records: list[dict[str, object]], mark: str, ascii_only: bool, spaced: bool, shuffled: bool
) -> Iterator[str]:
    order = random.Random(7528)
    for record in records:
        items = [
            (key, str(value).replace(" ", mark) if key in TIME_COLUMNS else value)
            for key, value in record.items()
        ]
        if shuffled:
            order.shuffle(items)
        separators = (", ", ": ") if spaced else (",", ":")
        yield json.dumps(dict(items), ensure_ascii=ascii_only, separators=separators)


def _differing(table: object, expected: list[reference_cleaner.Row]) -> tuple[int, int, list[str]]:
    rows = pa.table(table).to_pylist()
    assert len(rows) == len(expected)
    compared, shown = 0, []
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=True)):
        assert list(row) == list(wanted), f"columns of row {number}"
        for column, value in wanted.items():
            compared += 1
            if row[column] != value or type(row[column]) is not type(value):
                shown.append(f"row {number} {column}: {row[column]!r}, not {value!r}")
    return compared, len(shown), shown[:10]


@pytest.mark.parametrize("kind", TABLES)
def test_every_cell_of_every_variant(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    records = _records(kind)
    expected = list(reference_cleaner.clean(kind, records))
    compared, differing = 0, 0
    for variant in VARIANTS:
        data = "".join(line + "\n" for line in _lines(records, *variant)).encode()
        table = pinpipe.clean(kind, data)
        cells, wrong, shown = _differing(table, expected)
        assert not table.rejects
        assert not wrong, f"variant {variant}: {shown}"
        compared, differing = compared + cells, differing + wrong
    with capsys.disabled():
        print(f"\n{kind}: {len(VARIANTS)} variants, {compared} cells compared, {differing} differ")


@pytest.mark.parametrize("kind", TABLES)
def test_the_csv_files_themselves(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = REAL / TABLES[kind][0]
    expected = list(reference_cleaner.clean_csv(kind, path.read_text(encoding="utf-8")))
    compared, wrong, shown = _differing(pinpipe.clean(kind, path), expected)
    assert not wrong, shown
    with capsys.disabled():
        print(f"\n{kind}: CSV, {compared} cells compared, {wrong} differ")


@pytest.mark.parametrize("kind", TABLES)
def test_json_array_and_list_of_payloads(kind: str) -> None:
    records = _records(kind)
    lines = list(_lines(records, "T", True, True, False))
    expected = list(reference_cleaner.clean(kind, records))
    array = ("[" + ",\n".join(lines) + "]").encode()
    assert _differing(pinpipe.clean(kind, array), expected)[1] == 0
    assert _differing(pinpipe.clean(kind, [line.encode() for line in lines]), expected)[1] == 0


@pytest.mark.parametrize("kind", TABLES)
def test_real_consumer_responses(kind: str) -> None:
    responses = json.loads((REAL / f"kafka_rest_consumer_{kind}.json").read_text(encoding="utf-8"))
    values = [response["value"] for response in responses]
    expected = list(reference_cleaner.clean(kind, values))
    payloads = [json.dumps(value).encode() for value in values]
    assert _differing(pinpipe.clean(kind, payloads), expected)[1] == 0
