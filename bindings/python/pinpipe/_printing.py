"""Turns named columns and rows into text: an aligned table, JSON, NDJSON or CSV.

Never shortens a value and never writes to a stream itself.
Rules: CONTRACT §2 (`--format table|json|ndjson|csv`) and §4 (a CSV null is empty, an empty string is `""`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence

FORMATS = ("table", "json", "ndjson", "csv")

Cells = Sequence[object]


def render(names: Sequence[str], rows: Iterable[Cells], form: str) -> str:
    """The rows in one of FORMATS, without a line break at the end."""
    if form == "table":
        return _table(names, list(rows))
    if form == "csv":
        return "\n".join(
            [",".join(map(_csv_field, names)), *(",".join(map(_csv_field, row)) for row in rows)]
        )
    records = [_json(dict(zip(names, row, strict=True))) for row in rows]
    return "\n".join(records) if form == "ndjson" else "[" + ",\n".join(records) + "]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _csv_field(value: object) -> str:
    if value is None:
        return ""
    text = (
        value if isinstance(value, str) else _json(value) if isinstance(value, (list, bool)) else str(value)
    )
    quoted = not text or any(character in ',"\r\n' for character in text)
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _table(names: Sequence[str], rows: list[Cells]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[at]) for row in cells)]) for at, name in enumerate(names)]
    numbers = [
        bool(rows) and all(isinstance(row[at], (int, float, type(None))) for row in rows)
        for at in range(len(names))
    ]
    lines = [_line(names, widths, numbers), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths, numbers) for row in cells)])


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    padded = []
    for cell, width, number in zip(cells, widths, numbers, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if number else cell + space)
    return "  ".join(padded).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("\n", " ")


def _width(text: str) -> int:
    """Columns of a terminal: wide letters and emoji take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
