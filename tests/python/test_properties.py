"""Properties of decode, clean and encode over records that hypothesis makes.

Never another run's examples: they are derandomized, and a failure prints the smallest records that break a property.
Rules: CONTRACT §4; docs/records.md.
"""

from __future__ import annotations

import decimal
import io
import json
from typing import Any, cast

import pinpipe
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.python.bad_records import GEO, PIN, USER

KINDS = ["pin", "geo", "user"]
PLAIN: dict[str, dict[str, object]] = {"pin": PIN, "geo": GEO, "user": USER}
KEYS = {"pin": "index", "geo": "ind", "user": "ind"}
LITTLE = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "1.5k", "User Info Error", "Local save in /data/art", "2020-08-28T03:52:47", "-7"]),
)
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
Record = dict[str, object]


@st.composite
def _records(draw: st.DrawFn, kind: str, with_bad: bool = False) -> list[Record]:
    names = [name for name in PLAIN[kind] if name not in ("index", "ind")]
    records = []
    for _ in range(draw(st.integers(0, 8))):
        record: Record = {KEYS[kind]: draw(st.integers(0, 9))}
        if with_bad and draw(st.integers(0, 4)) == 0:
            record[KEYS[kind]] = draw(VALUES)
        for name in draw(st.lists(st.sampled_from([*names, "unknown"]), unique=True)):
            record[name] = draw(st.one_of(st.just(PLAIN[kind].get(name)), VALUES))
        records.append(record)
    return records


def _lines(records: list[Record], **how: Any) -> bytes:
    return "".join(json.dumps(record, **how) + "\n" for record in records).encode()


def _clean(kind: str, data: Any, **how: Any) -> bytes:
    return bytes(pinpipe.encode(pinpipe.clean(kind, data, **how), "ndjson"))


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_encode_then_decode_is_the_identity_on_raw_tables(kind: str, data: st.DataObject) -> None:
    raw = pinpipe.decode(kind, _lines(data.draw(_records(kind))), input_format="ndjson")
    for form in ("ndjson", "csv"):
        text = pinpipe.encode(raw, form)
        again = pinpipe.decode(kind, text, input_format=form)
        assert not again.rejects
        assert pinpipe.encode(again, form) == text
        assert pa.table(again).equals(pa.table(raw))


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_clean_does_not_see_how_a_record_is_written(kind: str, data: st.DataObject) -> None:
    records = data.draw(_records(kind))
    wanted = _clean(kind, _lines(records), input_format="ndjson")
    assert _clean(kind, _lines(records), input_format="ndjson") == wanted
    assert _clean(kind, _lines(records, separators=(",", ":")), input_format="ndjson") == wanted
    assert _clean(kind, _lines(records, separators=(" ,\t", "  : ")), input_format="ndjson") == wanted
    assert _clean(kind, _lines(records, ensure_ascii=False), input_format="ndjson") == wanted
    assert _clean(kind, json.dumps(records, indent=1).encode(), input_format="json") == wanted
    assert _clean(kind, [json.dumps(record) for record in records]) == wanted
    shuffled = [dict(data.draw(st.permutations(list(record.items())))) for record in records]
    assert _clean(kind, _lines(shuffled), input_format="ndjson") == wanted


class _Pieces(io.RawIOBase):
    """A file that gives out its bytes in pieces of given lengths, over and over."""

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        self._data = data
        self._lengths = lengths
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        length = self._lengths[self._reads % len(self._lengths)]
        self._reads += 1
        piece, self._data = self._data[:length], self._data[length:]
        return piece


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data(), lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_clean_does_not_see_how_the_input_is_cut(kind: str, data: st.DataObject, lengths: list[int]) -> None:
    text = _lines(data.draw(_records(kind, with_bad=True)), ensure_ascii=data.draw(st.booleans()))
    whole = pinpipe.clean(kind, text, input_format="ndjson")
    cut = pinpipe.clean(kind, cast(Any, _Pieces(text, lengths)), input_format="ndjson")
    assert pinpipe.encode(cut, "ndjson") == pinpipe.encode(whole, "ndjson")
    assert (cut.census, cut.rejects) == (whole.census, whole.rejects)


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_nothing_disappears_and_order_stays(kind: str, data: st.DataObject) -> None:
    records = data.draw(_records(kind, with_bad=True))
    table = pinpipe.clean(kind, _lines(records), input_format="ndjson")
    assert table.num_records == len(records) == table.num_rows + len(table.rejects)
    rejected = {reject.index for reject in table.rejects}
    lines = _lines(records).splitlines(keepends=True)
    for reject in table.rejects:
        assert reject.data == lines[reject.index].rstrip(b"\n")
        assert reject.byte_offset == sum(len(line) for line in lines[: reject.index])
    kept = [record for index, record in enumerate(records) if index not in rejected]
    assert [row["ind"] for row in table.to_pylist()] == [
        int(decimal.Decimal(str(record[KEYS[kind]]))) for record in kept
    ]
    nulled = {rule.id for rule in pinpipe.schema(kind).rules if rule.effect == "nulled"}
    nulls = sum(value is None for row in table.to_pylist() for value in row.values())
    given_nulls = sum(value is None for record in kept for value in record.values())
    assert nulls <= given_nulls + sum(count for rule, count in table.census.items() if rule in nulled)


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_dedupe_keeps_the_first(kind: str, data: st.DataObject) -> None:
    text = _lines(data.draw(_records(kind)))
    every = _clean(kind, text, input_format="ndjson").splitlines()
    first: dict[int, bytes] = {}
    for row in every:
        first.setdefault(json.loads(row)["ind"], row)
    by_key = pinpipe.clean(kind, text, input_format="ndjson", dedupe="ind")
    assert bytes(pinpipe.encode(by_key, "ndjson")).splitlines() == list(first.values())
    assert by_key.duplicates == len(every) - len(first)
    assert by_key.conflicts == sum(first[json.loads(row)["ind"]] != row for row in every)
    by_row = pinpipe.clean(kind, text, input_format="ndjson", dedupe="row")
    assert bytes(pinpipe.encode(by_row, "ndjson")).splitlines() == list(dict.fromkeys(every))


@pytest.mark.parametrize("kind", KINDS)
@LITTLE
@given(data=st.data())
def test_a_raw_table_through_arrow_gives_the_same_clean_table(kind: str, data: st.DataObject) -> None:
    raw = pinpipe.decode(kind, _lines(data.draw(_records(kind))), input_format="ndjson")
    wanted = _clean(kind, pinpipe.encode(raw, "ndjson"), input_format="ndjson")
    arrow = pa.table(raw)
    arrow.validate(full=True)
    for source in (raw, arrow, pa.RecordBatchReader.from_stream(raw)):
        assert _clean(kind, source) == wanted
