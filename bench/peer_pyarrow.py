"""The same full cleaning by PyArrow: pyarrow.json with an explicit schema, then compute kernels.

Never does more than the rows need, as the other peers.
Rules: CONTRACT §4; recipes/peers.md §1 and §6 (utf8_slice_codeunits in place of binary_slice).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from peer_polars import MARKS

TEXTS = ["unique_id", "title", "description", "poster_name", "follower_count", "tag_list"]
RAW = {
    "pin": pa.schema(
        [
            ("index", pa.int64()),
            *((name, pa.string()) for name in [*TEXTS, "is_image_or_video", "image_src"]),
            ("downloaded", pa.int64()),
            ("save_location", pa.string()),
            ("category", pa.string()),
        ]
    ),
    "geo": pa.schema(
        [
            ("ind", pa.int64()),
            ("timestamp", pa.timestamp("us")),
            ("latitude", pa.float64()),
            ("longitude", pa.float64()),
            ("country", pa.string()),
        ]
    ),
    "user": pa.schema(
        [
            ("ind", pa.int64()),
            ("first_name", pa.string()),
            ("last_name", pa.string()),
            ("age", pa.int64()),
            ("date_joined", pa.timestamp("us")),
        ]
    ),
}


def _text(raw: pa.Table, name: str) -> Any:
    column = raw[name]
    marked = pc.is_in(column, value_set=pa.array(MARKS.get(name, [""])))
    return pc.if_else(marked, None, column)


def _followers(text: Any) -> Any:
    last = pc.utf8_slice_codeunits(text, -1)
    factor = pc.if_else(
        pc.equal(last, "k"),
        1000,
        pc.if_else(pc.equal(last, "M"), 1_000_000, pc.if_else(pc.equal(last, "B"), 1_000_000_000, 1)),
    )
    digits = pc.utf8_rtrim(text, "kMB")
    number = pc.if_else(pc.match_substring_regex(digits, "^[0-9]+$"), digits, None).cast(pa.int64())
    return pc.multiply(number, factor.cast(pa.int64()))


def _place(raw: pa.Table) -> Any:
    text = _text(raw, "save_location")
    return pc.if_else(pc.starts_with(text, "Local save in "), pc.utf8_slice_codeunits(text, 14), text)


def _pairs(raw: pa.Table) -> Any:
    both = [raw[name].combine_chunks() for name in ("latitude", "longitude")]
    flat = pa.RecordBatch.from_arrays(both, ["a", "b"]).to_tensor(row_major=True).to_numpy().reshape(-1)
    offsets = pc.multiply(pa.arange(0, raw.num_rows + 1, 1), 2).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(flat))


def prepare() -> None:
    """One thread, for reading too; the kernels are loaded by their first call."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pc.is_in(pa.array(["a"]), value_set=pa.array(["b"]))
    pj.read_json(pa.BufferReader(b'{"ind": 1}'))


def clean(_: None, kind: str, path: str) -> pa.Table:
    """The clean table."""
    options = pj.ParseOptions(explicit_schema=RAW[kind], unexpected_field_behavior="ignore")
    raw = pj.read_json(path, read_options=pj.ReadOptions(use_threads=False), parse_options=options)
    if kind == "geo":
        moment = pc.assume_timezone(raw["timestamp"], "UTC")
        arrays = [raw["ind"], _text(raw, "country"), _pairs(raw), moment]
        return pa.table(arrays, names=["ind", "country", "coordinates", "timestamp"])
    if kind == "user":
        name = pc.binary_join_element_wise(raw["first_name"], raw["last_name"], " ")
        arrays = [raw["ind"], name, raw["age"], pc.assume_timezone(raw["date_joined"], "UTC")]
        return pa.table(arrays, names=["ind", "user_name", "age", "date_joined"])
    columns = {"ind": raw["index"]}
    columns.update((name, _text(raw, name)) for name in TEXTS[:3])
    columns["follower_count"] = _followers(raw["follower_count"])
    for name in ("poster_name", "tag_list", "is_image_or_video", "image_src"):
        columns[name] = _text(raw, name)
    return pa.table({**columns, "save_location": _place(raw), "category": _text(raw, "category")})


def arrow(table: pa.Table) -> pa.Table:
    """The table for the hash."""
    return table
