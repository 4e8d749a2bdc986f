"""The same records by every road into the cleaner, compared byte by byte as clean NDJSON.

Never a sample: all real rows, and rows of odd texts besides; what no envelope explains lies in the rejects.
Rules: CONTRACT §4 ("Byte-identical"), docs/records.md, the domain notes §3.2 to §3.5.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pinpipe
import pyarrow as pa
import pytest

from tests.python.test_real_rows import REAL, _records

Rows = list[dict[str, object]]
ODD = [
    "",
    "null ",
    'a "quoted" text',
    "two\nlines\r\nof\ttext",
    "é 😀 \u2028 日本",
    "back\\slash",
    "{a=b}, c=d",
    "a, b: c",
]
TEXTS = {
    "pin": ("title", "description", "poster_name", "tag_list"),
    "geo": ("country",),
    "user": ("first_name", "last_name"),
}


def _rows(kind: str) -> Rows:
    real = _records(kind)
    odd = [{**real[0], **dict.fromkeys(TEXTS[kind], text)} for text in ODD]
    return real + odd


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _base64(value: object, times: int = 1) -> str:
    data = value.encode() if isinstance(value, str) else _compact(value).encode()
    for _ in range(times):
        data = base64.b64encode(data)
    return data.decode()


def _lines(rows: Rows, wrap: Callable[[dict[str, object]], object]) -> bytes:
    return "\n".join(json.dumps(wrap(row)) for row in rows).encode()


def _kafka_rest(rows: Rows, wrap: Callable[[dict[str, object]], object]) -> bytes:
    answers = [
        [
            {"topic": "0a1b.pin", "key": None, "value": wrap(row), "partition": 0, "offset": at + i}
            for i, row in enumerate(rows[at : at + 100])
        ]
        for at in range(0, len(rows), 100)
    ]
    return "\n".join(json.dumps(answer) for answer in answers).encode()


def _kinesis_row(data: str, at: int = 0) -> dict[str, object]:
    return {
        "partitionKey": "partition-1",
        "data": data,
        "stream": "streaming-0a1b-pin",
        "shardId": "shardId-000000000000",
        "sequenceNumber": str(at),
        "approximateArrivalTimestamp": "2024-01-03T13:21:44.830+0000",
    }


def _csv(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _filestream(rows: Rows) -> bytes:
    return "".join("{" + ", ".join(f"{k}={v}" for k, v in row.items()) + "}\n" for row in rows).encode()


def _arrow(rows: Rows, stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    return bytes(sink.getvalue())


#: name -> (input format, True where auto knows it too, hits of `wrapped` a record, bytes)
ROADS: dict[str, tuple[str, bool, int, Callable[[Rows], bytes]]] = {
    "lines": ("ndjson", True, 0, lambda rows: _lines(rows, lambda row: row)),
    "array": ("json", True, 0, lambda rows: json.dumps(rows, indent=1).encode()),
    "csv": ("csv", True, 0, _csv),
    "kafka-rest": ("kafka-rest", True, 0, lambda rows: _kafka_rest(rows, lambda row: row)),
    "kafka-rest string": ("kafka-rest", True, 1, lambda rows: _kafka_rest(rows, _compact)),
    "kinesis csv": (
        "kinesis",
        True,
        0,
        lambda rows: _csv([_kinesis_row(_base64(row), i) for i, row in enumerate(rows)]),
    ),
    "kinesis lines": ("kinesis", True, 0, lambda rows: _lines(rows, lambda row: _kinesis_row(_base64(row)))),
    "kinesis array": (
        "kinesis",
        True,
        0,
        lambda rows: json.dumps([_kinesis_row(_base64(row)) for row in rows]).replace("/", "\\/").encode(),
    ),
    "kinesis twice": ("kinesis", True, 1, lambda rows: _csv([_kinesis_row(_base64(row, 2)) for row in rows])),
    "kinesis wrapped": (
        "kinesis",
        True,
        1,
        lambda rows: _csv([_kinesis_row(_base64({"value": row})) for row in rows]),
    ),
    "connect lines": (
        "connect",
        True,
        0,
        lambda rows: _lines(rows, lambda row: {"schema": {"type": "struct", "fields": []}, "payload": row}),
    ),
    "connect array": (
        "connect",
        True,
        0,
        lambda rows: json.dumps([{"payload": row, "schema": None} for row in rows], indent=2).encode(),
    ),
    "records body": (
        "records",
        True,
        0,
        lambda rows: json.dumps({"records": [{"value": row} for row in rows]}).encode(),
    ),
    "records bodies": (
        "records",
        True,
        0,
        lambda rows: _lines(
            rows,
            lambda row: {
                "StreamName": "s",
                "n": 5,
                "records": [{"data": row, "partition-key": "p"}],
                "x": {},
            },
        ),
    ),
    "records of the API": (
        "records",
        True,
        0,
        lambda rows: json.dumps(
            {"Records": [{"Data": _base64(row), "PartitionKey": "p"} for row in rows]}, indent=1
        ).encode(),
    ),
    "string": ("ndjson", True, 1, lambda rows: _lines(rows, _compact)),
    "string of a string": ("ndjson", True, 1, lambda rows: _lines(rows, lambda row: _compact(_compact(row)))),
    "Data": ("ndjson", True, 1, lambda rows: _lines(rows, lambda row: {"Data": row, "StreamName": "s"})),
    "Data in an array": ("json", True, 1, lambda rows: json.dumps([{"Data": row} for row in rows]).encode()),
    "Data, index": ("ndjson", True, 1, lambda rows: _lines(rows, lambda row: {"Data": {"index": row}})),
    "value, string": ("ndjson", True, 1, lambda rows: _lines(rows, lambda row: {"value": _compact(row)})),
    "arrow file": ("arrow", True, 0, lambda rows: _arrow(rows, stream=False)),
    "arrow stream": ("arrow", False, 0, lambda rows: _arrow(rows, stream=True)),
    "filestream": ("filestream", True, 0, _filestream),
}


@pytest.fixture(scope="module", params=("pin", "geo", "user"))
def expected(request: pytest.FixtureRequest) -> tuple[str, Rows, bytes, Counter[str]]:
    kind = request.param
    rows = _rows(kind)
    table = pinpipe.clean(kind, [json.dumps(row).encode() for row in rows])
    assert table.num_rows == len(rows)
    return kind, rows, pinpipe.encode(table), table.census


@pytest.mark.parametrize("road", ROADS)
def test_roads_meet(road: str, expected: tuple[str, Rows, bytes, Counter[str]], tmp_path: Path) -> None:
    kind, rows, ndjson, census = expected
    input_format, is_known, wrapped, make = ROADS[road]
    data = make(rows)
    census = census + Counter({f"{kind}.wrapped": wrapped * len(rows)})
    asked = pinpipe.clean(kind, data, input_format=input_format)
    assert pinpipe.encode(pinpipe.clean(kind, data, input_format=input_format, threads=2)) == ndjson
    assert [reject.reason for reject in asked.rejects[:3]] == []
    assert pinpipe.encode(asked) == ndjson
    if road != "csv":  # its `repo` and the like are no columns
        assert {rule: hits for rule, hits in asked.census.items() if hits} == dict(census)
    if is_known:
        path = tmp_path / "input"
        path.write_bytes(data)
        assert pinpipe.encode(pinpipe.clean(kind, path)) == ndjson


@pytest.mark.parametrize("kind", ["pin", "geo", "user"])
def test_real_consumer_records(kind: str) -> None:
    data = (REAL / f"kafka_rest_consumer_{kind}.json").read_bytes()
    values = [json.dumps(record["value"]) for record in json.loads(data)]
    table = pinpipe.clean(kind, data)
    assert pinpipe.encode(table) == pinpipe.encode(pinpipe.clean(kind, values))
    assert not table.rejects and "wrapped" not in str(table.census)


def test_real_kinesis_rows() -> None:
    data = (REAL / "kinesis_source_rows.csv").read_bytes()
    table = pinpipe.clean("user", data)
    assert table.num_rows == 600
    assert table.census["user.wrapped"] == 41
    assert table.census["user.not_a_record"] == len(table.rejects) == 40
    assert {reject.reason for reject in table.rejects} == {
        "user.not_a_record: the value is an empty string, no object (a gateway's template stores it where it finds"
        " no data under its name) at byte 0 of the text decoded from it"
    }
    lines = data.splitlines(keepends=True)
    assert table.rejects[1].byte_offset == len(lines[0]) + len(lines[1])
    assert table.rejects[1].data == lines[2].rstrip()


GOOD = {"ind": 1, "timestamp": "2020-08-28T03:52:47", "latitude": 1.5, "longitude": 2, "country": "Albania"}
LINE = _compact(GOOD)


@pytest.mark.parametrize(
    ("input_format", "data", "rows", "rejects"),
    [
        (
            "kafka-rest",
            f'[{{"value":{LINE}}},{{"topic":"t"}},{{"value":null}},{LINE}]',
            1,
            ['{"topic":"t"}', '{"value":null}', LINE],
        ),
        ("kafka-rest", f'[{{"value":{LINE},"value":{LINE}}}]', 0, None),
        ("kafka-rest", f'[{{"value":{LINE} {{"value":{LINE}}}]', 0, None),
        ("connect", f'{{"payload":{LINE}}}\n{{"schema":{{}}}}\n{{"payload":{LINE}}}', 2, None),
        ("records", f'{{"records":[{{"value":{LINE}}},{{"val":1}}]}}', 1, ['{"val":1}']),
        ("records", f'{{"records":[{{"value":{LINE}}} {{"value":{LINE}}}]}}', 1, [f'{{"value":{LINE}}}']),
        ("records", f'{{"topic":"t","offset":1}}\n{{"records":[{{"value":{LINE}}}]}}', 1, ["}"]),
        ("records", f'{{"records":[{{"value":{LINE}}}],"offset":01}}', 1, ["01"]),
        ("records", f'{{"records":[{{"value":{LINE}}}]', 1, [""]),
        ("records", f"{LINE}", 0, None),
        (
            "kinesis",
            f"data,partitionKey\n{_base64(LINE)},p\nIiI=,p\n,p\n!!!!,p\n{_base64('[1]')},p\n",
            1,
            None,
        ),
        ("kinesis", f"data,partitionKey\n{_base64(LINE[:-1])},p\n{_base64(LINE)[:-1]},p\n", 0, None),
        ("kinesis", f'{{"data":"{_base64(LINE)}"}}\n{{"data":""}}\n{{"Data":5}}', 1, None),
        ("filestream", "{ind=1, country=A, ind=2}\n{ind=2, country=B}\n", 1, ["{ind=1, country=A, ind=2}"]),
        ("filestream", "{ind=1, country=A\n{ind=2, country=B}\n", 0, None),
        ("filestream", "{x=1, ind=3}\n{ind=2, country=B}\nrest\n", 0, None),
        (
            "ndjson",
            '{"value":{"value":{"value":{"value":{"value":{"value":{"value":{"value":{"value":{"ind":1}}}}}}}}}}',
            0,
            None,
        ),
        ("ndjson", f'"{LINE[1:]}"\n"[1]"\n""\n"\\ud800"', 0, None),
    ],
)
def test_bad_envelopes_lie_in_the_rejects(
    input_format: str, data: str, rows: int, rejects: list[str] | None
) -> None:
    table = pinpipe.clean("geo", data.encode(), input_format=input_format)
    print([(r.reason, r.byte_offset, r.data[:30]) for r in table.rejects])
    assert table.num_rows == rows
    assert table.rejects
    assert table.num_records == rows + len(table.rejects)
    for reject in table.rejects:
        assert data.encode()[reject.byte_offset :].startswith(reject.data)
        assert reject.reason.startswith("geo.")
    if rejects is not None:
        assert [reject.data.decode() for reject in table.rejects] == rejects


def test_the_program_takes_an_arrow_stream_from_a_pipe(tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    command = [
        sys.executable,
        "-m",
        "pinpipe",
        "clean",
        "geo",
        "-",
        "--input-format",
        "arrow",
        "-o",
        str(output),
    ]
    subprocess.run(command, input=_arrow([GOOD], stream=True), capture_output=True, check=True, timeout=60)
    assert output.read_bytes() == pinpipe.encode(pinpipe.clean("geo", LINE.encode()))


def test_kinesis_csv_without_data_is_refused() -> None:
    with pytest.raises(pinpipe.Error, match="has no column for the data"):
        pinpipe.clean("geo", b"partitionKey,sequenceNumber\np,1\n", input_format="kinesis")


def test_what_is_no_arrow_file_is_refused() -> None:
    with pytest.raises(pinpipe.Error, match="not an Arrow IPC file"):
        pinpipe.clean("geo", b"ARROW1 and nothing behind it")
