"""Turns a clean table of any engine into one SHA-256, so that equal content is seen whatever holds it.

Never looks at an engine: a table comes as Arrow or as tuples in the order of the clean columns.
Rules: CONTRACT §4 for the columns; recipes/peers.md, "Method": sorted rows, hashed.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int((aware - _EPOCH).total_seconds())
    return list(value) if isinstance(value, tuple) else value


def digest(table: Any) -> str:
    """The hash of all rows, replays too, sorted by their text."""
    rows = table if isinstance(table, list) else [tuple(row.values()) for row in table.to_pylist()]
    lines = sorted(json.dumps([_plain(value) for value in row]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
