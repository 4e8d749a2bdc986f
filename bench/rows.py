"""Writes the benchmark's input: NDJSON of invented rows in the real dirty shares, as many as asked.

Never runs while something is measured; the same count gives the same bytes.
Rules: recipes/peers.md, "Method": half the lines ASCII-escaped with blanks, half compact UTF-8; `T` or blank in
timestamps, half each; no key twice.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from pinpipe import _synthetic

TABLES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
COLUMNS = {
    "pin": (
        "index",
        "unique_id",
        "title",
        "description",
        "poster_name",
        "follower_count",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "downloaded",
        "save_location",
        "category",
    ),
    "geo": ("ind", "timestamp", "latitude", "longitude", "country"),
    "user": ("ind", "first_name", "last_name", "age", "date_joined"),
}
TIMES = ("timestamp", "date_joined")


def lines(kind: str, count: int) -> Iterator[str]:
    """`count` lines; rows come round again under new keys."""
    source = _synthetic.tables()[TABLES[kind]]
    columns = COLUMNS[kind]
    for number, row in enumerate(itertools.islice(itertools.cycle(source), count)):
        record = dict(zip(columns, (number, *row[1:]), strict=True))
        if number // 2 % 2:
            record = {k: str(v).replace(" ", "T") if k in TIMES else v for k, v in record.items()}
        if number % 2:
            yield json.dumps(record)
        else:
            yield json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def write(kind: str, count: int, folder: Path) -> Path:
    """The file of `count` rows in `folder`, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{count}.ndjson"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as stream:
            stream.writelines(line + "\n" for line in lines(kind, count))
        part.rename(path)
    return path
