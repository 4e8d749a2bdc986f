"""A pin as the emulator's compact JSON: this library's row encoder beside json.dumps, ns a row.

Never compares unlike text: both make the same JSON value of the same row.
Rules: issue of the record core, "Speed"; both from Python values in the raw columns' order.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import rows
from pinpipe import _synthetic
from pinpipe._row_encoder import RowEncoder

ROWS = 2_000
ROUNDS = 9


def _dumped(values: tuple[Any, ...]) -> bytes:
    record = dict(zip(rows.COLUMNS["pin"], values, strict=True))
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _cost(job: Callable[[tuple[Any, ...]], bytes], source: list[tuple[Any, ...]]) -> float:
    costs = []
    for _ in range(ROUNDS):
        before = time.process_time_ns()
        for values in source:
            job(values)
        costs.append((time.process_time_ns() - before) / len(source))
    return statistics.median(costs)


def main() -> None:
    """Compares, then measures; prints a line of JSON."""
    encoded = RowEncoder("pin").encode
    source = [tuple(row) for row in _synthetic.tables()[rows.TABLES["pin"]][:ROWS]]
    for values in source:
        if json.loads(encoded(values)) != json.loads(_dumped(values)):
            raise SystemExit(f"the two texts of pin {values[0]} differ")
    print(json.dumps({"encode_row": _cost(encoded, source), "json.dumps": _cost(_dumped, source)}))


if __name__ == "__main__":
    main()
