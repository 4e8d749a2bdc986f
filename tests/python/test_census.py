"""Turns records into statistics by every road of input, and compares them with pyarrow's of the same tables.

Never takes the core's word: bounds, nulls and lengths are computed a second time by pyarrow.compute.
Rules: docs/census.md, "Statistics"; CONTRACT §2 (`pinpipe clean`).
"""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pinpipe._cli import main
from pinpipe._statistics import ColumnStatistics

from tests.python.bad_records import GEO, PIN, USER
from tests.python.test_properties import KINDS, LITTLE, _lines, _records

TEXT_BYTES = 64
PINS = [
    PIN,
    {**PIN, "index": 5, "title": "é" * 40, "follower_count": "2M", "poster_name": "", "category": "art"},
    {**PIN, "index": 5, "title": "z", "follower_count": "3"},
]


def _cut(value: bytes) -> str:
    return value[:TEXT_BYTES].decode("utf-8", "ignore") if len(value) > TEXT_BYTES else value.decode()


def _text_statistics(column: Any) -> ColumnStatistics:
    """Of a text column, by Python's own order of bytes."""
    values = [text.encode() for text in column.to_pylist() if text is not None]
    total = sum(map(len, values))
    if not values:
        return ColumnStatistics(len(column), column.null_count, None, None, total_bytes=0)
    least, greatest = min(values), max(values)
    lengths = pc.binary_length(column)
    return ColumnStatistics(
        len(column),
        column.null_count,
        _cut(least),
        _cut(greatest),
        len(least) > TEXT_BYTES,
        len(greatest) > TEXT_BYTES,
        pc.min(lengths).as_py(),
        pc.max(lengths).as_py(),
        total,
    )


def _by_pyarrow(table: pa.Table) -> dict[str, ColumnStatistics]:
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            found[name] = _text_statistics(column)
            continue
        if pa.types.is_list(column.type):
            parts = [pc.min_max(pc.list_element(column.drop_null(), i)).as_py() for i in range(2)]
            bounds = [[part[side] for part in parts] for side in ("min", "max")]
            least, greatest = bounds if len(column) > column.null_count else (None, None)
        else:
            both = pc.min_max(column).as_py()
            least, greatest = both["min"], both["max"]
        found[name] = ColumnStatistics(len(column), column.null_count, least, greatest)
    return found


def _assert_same(table: pinpipe.Table, raw: pinpipe.Table) -> None:
    assert table.statistics is not None
    assert table.statistics.after == _by_pyarrow(pa.table(table))
    assert table.statistics.before == _by_pyarrow(pa.table(raw))


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_statistics_are_those_of_pyarrow(kind: str, data: st.DataObject) -> None:
    text = _lines(data.draw(_records(kind, with_bad=True)))
    dedupe = data.draw(st.sampled_from(["none", "ind", "row"]))
    table = pinpipe.clean(kind, text, input_format="ndjson", dedupe=dedupe, statistics=True)
    _assert_same(table, pinpipe.decode(kind, text, input_format="ndjson"))
    assert pinpipe.encode(table) == pinpipe.encode(
        pinpipe.clean(kind, text, input_format="ndjson", dedupe=dedupe)
    )


def _arrow_file(raw: pinpipe.Table) -> bytes:
    sink = io.BytesIO()
    table = pa.table(raw)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def test_every_road_gives_the_same_statistics(tmp_path: Path) -> None:
    text = _lines(PINS)
    raw = pinpipe.decode("pin", text)
    path = tmp_path / "pins.ndjson"
    path.write_bytes(text)
    wanted = pinpipe.clean("pin", text, statistics=True).statistics
    assert wanted is not None and wanted["before"]["index"].max == 7528
    roads: dict[str, Any] = {
        "memoryview": memoryview(text),
        "path": path,
        "file": io.BytesIO(text),
        "payloads": text.splitlines(),
        "Arrow": pa.table(raw),
        "Arrow stream": pa.table(raw).to_reader(max_chunksize=1),
        "Arrow file": _arrow_file(raw),
        "csv": pinpipe.encode(raw, "csv"),
    }
    for name, data in roads.items():
        assert pinpipe.clean("pin", data, statistics=True).statistics == wanted, name
    assert pinpipe.clean("pin", text, statistics=True, threads=2).statistics == wanted


def test_many_batches_give_the_statistics_of_the_whole() -> None:
    count = 40_000
    text = b"".join(b'{"ind":%d,"age":%d,"first_name":"%d"}\n' % (i, i % 90, i % 7) for i in range(count))
    for threads in (1, 2):
        table = pinpipe.clean("user", text, statistics=True, threads=threads)
        assert table.num_rows == count
        _assert_same(table, pinpipe.decode("user", text))


def test_rejected_records_are_on_neither_side() -> None:
    table = pinpipe.clean("geo", _lines([GEO]) + b'{broken\n{"country":"no key"}\n', statistics=True)
    assert len(table.rejects) == 2 and table.statistics is not None
    assert table.statistics.before["ind"].rows == table.statistics.after["ind"].rows == 1


def test_types_and_json_of_the_bounds() -> None:
    users = pinpipe.clean("user", _lines([USER]), statistics=True).statistics
    assert users is not None
    joined = users["after"]["date_joined"]
    assert joined.min == datetime.datetime(2016, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    told = json.loads(json.dumps(users.to_dict()))
    assert told["after"]["date_joined"] == {
        "rows": 1,
        "nulls": 0,
        "min": "2016-01-02T03:04:05Z",
        "max": "2016-01-02T03:04:05Z",
    }
    assert told["before"]["first_name"]["max_bytes"] == 3 and told["before"]["first_name"]["min_cut"] is False
    with pytest.raises(KeyError):
        users["between"]
    geos = pinpipe.clean("geo", _lines([GEO]), statistics=True).statistics
    assert geos is not None and geos.after["coordinates"].min == [-89.9787, 0.5]


def test_nothing_is_counted_unless_asked() -> None:
    table = pinpipe.clean("pin", _lines(PINS))
    assert table.statistics is None and table.expectations == []
    assert pinpipe.decode("pin", _lines(PINS)).statistics is None


def test_no_rows_have_no_bounds() -> None:
    statistics = pinpipe.clean("geo", b"", statistics=True).statistics
    assert statistics is not None
    assert {(c.rows, c.nulls, c.min, c.null_share) for c in statistics.after.values()} == {(0, 0, None, 0.0)}


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ndjson").write_bytes(_lines(PINS[:1]))
    (tmp_path / "b.ndjson").write_bytes(_lines(PINS[1:]))
    base = ["clean", "pin", str(tmp_path / "a.ndjson"), str(tmp_path / "b.ndjson"), "--dedupe", "ind"]
    base += ["-o", str(tmp_path / "out.ndjson")]
    assert main([*base, "--census", str(tmp_path / "c.json")]) == 0
    assert "before" not in capsys.readouterr().out
    census = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    wanted = pinpipe.clean("pin", _lines(PINS), dedupe="ind", statistics=True).statistics
    assert wanted is not None and census["statistics"] == wanted.to_dict()
    assert census["duplicates"] == 1 and census["census"]["pin.title.no_title_data_available"] == 1
    assert "expectations" not in census
    assert main([*base, "--statistics"]) == 0
    said = capsys.readouterr().out
    assert "pin.title.no_title_data_available" in said and f"{'é' * 32}…" in said
    assert main([*base, "--statistics", "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["column"] for row in rows if row["side"] == "after"] == pinpipe.schema("pin").names
    assert next(row["max"] for row in rows if row["column"] == "index") == 7528
    assert main([*base, "--statistics", "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"census", "statistics"}
    assert main([*base, "--format", "json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
