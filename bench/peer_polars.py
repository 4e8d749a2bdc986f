"""The same full cleaning by Polars: a lazy scan with an explicit schema, one select, collect.

Never does more than the rows need, as the other peers.
Rules: CONTRACT §4; recipes/peers.md §1 ("polars lazy").
"""

from __future__ import annotations

from typing import Any

import polars as pl

TEXT = pl.String
RAW: dict[str, dict[str, Any]] = {
    "pin": {
        "index": pl.Int64,
        **dict.fromkeys(["unique_id", "title", "description", "poster_name", "follower_count"], TEXT),
        **dict.fromkeys(["tag_list", "is_image_or_video", "image_src"], TEXT),
        "downloaded": pl.Int64,
        **dict.fromkeys(["save_location", "category"], TEXT),
    },
    "geo": {
        "ind": pl.Int64,
        "timestamp": TEXT,
        "latitude": pl.Float64,
        "longitude": pl.Float64,
        "country": TEXT,
    },
    "user": {"ind": pl.Int64, "first_name": TEXT, "last_name": TEXT, "age": pl.Int64, "date_joined": TEXT},
}
MARKS = {
    "title": ["", "No Title Data Available"],
    "description": ["", "No description available", "No description available Story format"],
    "poster_name": ["", "User Info Error"],
    "tag_list": ["", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"],
    "image_src": ["", "Image src error."],
}


def _text(name: str) -> pl.Expr:
    marks = MARKS.get(name, [""])
    return pl.when(pl.col(name).is_in(marks)).then(None).otherwise(pl.col(name)).alias(name)


def _followers() -> pl.Expr:
    text = pl.col("follower_count")
    last = text.str.slice(-1)
    factor = last.replace_strict(
        {"k": 1000, "M": 1_000_000, "B": 1_000_000_000}, default=1, return_dtype=pl.Int64
    )
    digits = text.str.strip_chars_end("kMB").cast(pl.Int64, strict=False)
    return (digits * factor).alias("follower_count")


def _moment(name: str) -> pl.Expr:
    text = pl.col(name).str.replace("T", " ", literal=True)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC").alias(name)


def _columns(kind: str) -> list[pl.Expr]:
    if kind == "geo":
        pair = pl.concat_list("latitude", "longitude").alias("coordinates")
        return [pl.col("ind"), _text("country"), pair, _moment("timestamp")]
    if kind == "user":
        name = (pl.col("first_name") + " " + pl.col("last_name")).alias("user_name")
        return [pl.col("ind"), name, pl.col("age"), _moment("date_joined")]
    return [
        pl.col("index").alias("ind"),
        *(_text(name) for name in ("unique_id", "title", "description")),
        _followers(),
        *(_text(name) for name in ("poster_name", "tag_list", "is_image_or_video", "image_src")),
        _text("save_location").str.strip_prefix("Local save in "),
        _text("category"),
    ]


def prepare() -> None:
    """Nothing is to prepare."""


def clean(_: None, kind: str, paths: str | list[str]) -> pl.DataFrame:
    """The clean table."""
    return pl.scan_ndjson(paths, schema=RAW[kind]).select(_columns(kind)).collect()


def unique(table: pl.DataFrame, by: str) -> pl.DataFrame:
    """The first row of each key, or of equal rows, in the table's order."""
    return table.unique(subset=["ind"] if by == "ind" else None, keep="first", maintain_order=True)


def arrow(table: pl.DataFrame) -> Any:
    """The table for the hash."""
    return table.to_arrow()
