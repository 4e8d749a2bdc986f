"""This library from Python: a path, a buffer that is in memory, a list of payloads, many small objects.

Never touches the rows in Python.
Rules: CONTRACT §3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pinpipe import _records, _schema, native


def prepare_path() -> None:
    """Nothing is to prepare."""


def path(_: None, kind: str, name: str) -> Any:
    """A whole table from a path."""
    return _records.clean(kind, name)


def buffer(data: Any, kind: str) -> int:
    """Rows of batches that are emptied, from one buffer."""
    return _emptied(kind, data)


def payloads(data: list[bytes], kind: str) -> int:
    """Rows of batches that are emptied, from one payload a record."""
    return _emptied(kind, data)


def _emptied(kind: str, data: Any) -> int:
    reader = _records.Reader(kind, "clean", "ndjson", "none")
    count = 0
    for batch in reader.read(data):
        count += native.pinpipe_batch_rows(batch)
        native.pinpipe_batch_clear(batch)
    return count


def objects(kind: str, names: list[str]) -> Any:
    """One table from many objects, by Reader.read_path."""
    reader = _records.Reader(kind, "clean", "ndjson", "none")
    handle = native.pinpipe_table_new(_schema.kind_index(kind), native.PINPIPE_CLEAN)
    for name in names:
        for batch in reader.read_path(name):
            native.pinpipe_table_append(handle, batch)
    for batch in reader.rest():
        native.pinpipe_table_append(handle, batch)
    return _records.Table(handle, reader)


def load(mode: str, name: str) -> Any:
    """What `buffer` or `payloads` reads, made before the clock starts."""
    data = Path(name).read_bytes()
    return data.splitlines() if mode == "payloads" else data


def arrow(table: Any) -> Any:
    """The table for the hash."""
    return pa.table(table)
