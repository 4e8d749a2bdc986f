"""Writes the benchmark's input: NDJSON of invented rows in the real dirty shares, as many as asked.

Never runs while something is measured; the same count gives the same bytes.
Rules: recipes/peers.md, "Method": half the lines ASCII-escaped with blanks, half compact UTF-8; `T` or blank in
timestamps, half each; no key twice, but for the sample whose tenth is sent again.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pinpipe import _schema, _synthetic

TABLES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
COLUMNS = {kind: tuple(_schema.schema(kind, "raw").names) for kind in TABLES}
TIMES = ("timestamp", "date_joined")
OBJECT_COUNT = 20_000
_SEED = 100


def _hash_map_place(name: str) -> int:
    """The bucket of a key in a java.util.HashMap of 16, in whose order the S3 sink writes."""
    code = 0
    for unit in name:
        code = (31 * code + ord(unit)) & 0xFFFFFFFF
    return (code ^ (code >> 16)) & 15


#: How the keys of a record are ordered: as the emulator sends them, as the S3 sink writes them, backwards, at random.
ORDERS: dict[str, Callable[[list[str], random.Random], list[str]]] = {
    "wire": lambda names, _: names,
    "sink": lambda names, _: sorted(names, key=_hash_map_place),
    "reversed": lambda names, _: names[::-1],
    "random": lambda names, draw: draw.sample(names, len(names)),
}


def lines(kind: str, count: int, order: str = "wire") -> Iterator[str]:
    """`count` lines; rows come round again under new keys."""
    source = _synthetic.tables()[TABLES[kind]]
    columns, draw = COLUMNS[kind], random.Random(_SEED)
    for number, row in enumerate(itertools.islice(itertools.cycle(source), count)):
        record = dict(zip(columns, (number, *row[1:]), strict=True))
        if number // 2 % 2:
            record = {k: str(v).replace(" ", "T") if k in TIMES else v for k, v in record.items()}
        if order != "wire":
            record = {name: record[name] for name in ORDERS[order](list(record), draw)}
        if number % 2:
            yield json.dumps(record)
        else:
            yield json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _written(path: Path, text: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as stream:
            stream.writelines(line + "\n" for line in text)
        part.rename(path)
    return path


def write(kind: str, count: int, folder: Path, order: str = "wire") -> Path:
    """The file of `count` rows in `folder`, made where it is missing."""
    name = f"{kind}-{count}" if order == "wire" else f"{kind}-{order}-{count}"
    return _written(folder / f"{name}.ndjson", lines(kind, count, order))


def write_sample(kind: str, count: int, folder: Path) -> Path:
    """`count` rows, and each tenth of them once more at the end."""
    replays = itertools.islice(lines(kind, count), 0, None, 10)
    return _written(folder / f"{kind}-sample-{count}.ndjson", itertools.chain(lines(kind, count), replays))


#: Follower counts that the synthetic rows have not; the rules know all of them.
COUNTS = (
    *("1,234", "1.5k", " 12k ", "2.5M", "1,234.5k", "0.0001k", "1.2345k", "12,34", "1234,567", "1,234,567"),
    *(
        "+5",
        "-7k",
        "1e3",
        "1.5e1",
        "2.5",
        "20.0",
        "1.5B",
        "99999999999B",
        "k",
        "",
        "1.k",
        ".5k",
        "1..5k",
        "1k k",
    ),
)


def write_counts(folder: Path) -> Path:
    """A pin for each of COUNTS."""
    records = zip((json.loads(line) for line in lines("pin", len(COUNTS))), COUNTS, strict=True)
    return _written(
        folder / "pin-counts.ndjson", (json.dumps({**row, "follower_count": count}) for row, count in records)
    )


def write_objects(folder: Path) -> Path:
    """A list of OBJECT_COUNT files of one pin each, in the sink's bytes: compact UTF-8, its order of keys."""
    names = []
    texts = (line for line in lines("pin", 2 * OBJECT_COUNT, "sink"))
    for number, line in enumerate(itertools.islice(texts, 0, None, 2)):
        names.append(str(_written(folder / "objects" / f"{number:06}.json", [line])))
    return _written(folder / "objects.txt", names)
