"""The same full cleaning by pandas: read_json as its documentation has it, then column assignments.

Never leaves precise_float off: coordinates change in their last bits without it.
Rules: CONTRACT §4; recipes/peers.md §6.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
from peer_polars import MARKS, RAW

PLACE = "Local save in "
FACTORS = {"k": 1000, "M": 1_000_000, "B": 1_000_000_000}


def _text(frame: Any, name: str) -> Any:
    return frame[name].mask(frame[name].isin(MARKS.get(name, [""])))


def _followers(text: Any) -> Any:
    factor = text.str[-1].map(FACTORS).fillna(1).astype("int64")
    digits = pd.to_numeric(text.str.rstrip("kMB"), errors="coerce").astype("Int64")
    return digits * factor


def _moment(frame: Any, name: str) -> Any:
    return pd.to_datetime(frame[name], format="ISO8601", utc=True)


def prepare() -> None:
    """Nothing is to prepare."""


def clean(_: None, kind: str, path: str) -> Any:
    """The clean frame."""
    types = {name: "str" for name, type_ in RAW[kind].items() if str(type_) == "String"}
    frame = pd.read_json(path, lines=True, precise_float=True, convert_dates=False, dtype=types)
    if kind == "geo":
        pairs = list(zip(frame["latitude"], frame["longitude"], strict=True))
        columns = {"ind": frame["ind"], "country": _text(frame, "country"), "coordinates": pairs}
        return pd.DataFrame({**columns, "timestamp": _moment(frame, "timestamp")})
    if kind == "user":
        name = frame["first_name"] + " " + frame["last_name"]
        columns = {"ind": frame["ind"], "user_name": name, "age": frame["age"]}
        return pd.DataFrame({**columns, "date_joined": _moment(frame, "date_joined")})
    columns = {"ind": frame["index"]}
    columns.update((name, _text(frame, name)) for name in ("unique_id", "title", "description"))
    columns["follower_count"] = _followers(frame["follower_count"])
    for name in ("poster_name", "tag_list", "is_image_or_video", "image_src"):
        columns[name] = _text(frame, name)
    columns["save_location"] = _text(frame, "save_location").str.removeprefix(PLACE)
    return pd.DataFrame({**columns, "category": _text(frame, "category")})


def arrow(table: Any) -> pa.Table:
    """The table for the hash."""
    return pa.Table.from_pandas(table, preserve_index=False)
