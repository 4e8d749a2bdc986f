"""The same full cleaning by a plain loop over Python's json: a tuple a row.

Never makes columns of the tuples; that would cost it about as much again.
Rules: CONTRACT §4; recipes/peers.md §1 ("Python loop, json").
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from peer_polars import MARKS

PLACE = "Local save in "
FACTORS = {"k": 1000, "M": 1_000_000, "B": 1_000_000_000}
NULLS = {name: frozenset(marks) for name, marks in MARKS.items()}
TITLE, DESCRIPTION, POSTER, TAGS, IMAGE = (
    NULLS[name] for name in ("title", "description", "poster_name", "tag_list", "image_src")
)


def _followers(text: str) -> int | None:
    factor = FACTORS.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    return int(digits) * factor if digits.isdecimal() else None


def _pin(row: dict[str, Any]) -> tuple[Any, ...]:
    title, text, poster = row["title"], row["description"], row["poster_name"]
    tags, image, place = row["tag_list"], row["image_src"], row["save_location"]
    return (
        row["index"],
        row["unique_id"] or None,
        None if title in TITLE else title,
        None if text in DESCRIPTION else text,
        _followers(row["follower_count"]),
        None if poster in POSTER else poster,
        None if tags in TAGS else tags,
        row["is_image_or_video"] or None,
        None if image in IMAGE else image,
        place.removeprefix(PLACE) or None,
        row["category"] or None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _geo(row: dict[str, Any]) -> tuple[Any, ...]:
    pair = [row["latitude"], row["longitude"]]
    return row["ind"], row["country"] or None, pair, _moment(row["timestamp"])


def _user(row: dict[str, Any]) -> tuple[Any, ...]:
    name = f"{row['first_name']} {row['last_name']}"
    return row["ind"], name, row["age"], _moment(row["date_joined"])


CLEANERS: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {"pin": _pin, "geo": _geo, "user": _user}


def prepare() -> None:
    """Nothing is to prepare."""


def clean(_: None, kind: str, paths: str | list[str]) -> list[tuple[Any, ...]]:
    """The clean rows."""
    cleaner, loads = CLEANERS[kind], json.loads
    table: list[tuple[Any, ...]] = []
    for path in [paths] if isinstance(paths, str) else paths:
        with open(path, encoding="utf-8") as stream:
            table.extend(cleaner(loads(line)) for line in stream)
    return table


def read_only(paths: list[str]) -> int:
    """What opening, reading and closing the files costs without any work on them; how many there are."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.read(file, 1 << 14)
        os.close(file)
    return len(paths)


def arrow(table: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows for the hash, as they are."""
    return table
