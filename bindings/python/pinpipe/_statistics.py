"""Turns the core's counts over columns into typed statistics of a table before and after cleaning.

Never looks at a row itself: the C core counts; a text longer than 64 bytes is cut, and says so.
Rules: docs/census.md, "Statistics".
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pinpipe import native
from pinpipe._schema import SHAPES, Schema, kind_index

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

#: A bound of a column: None where every value is null; a place is [latitude, longitude], a bound a component.
Bound = int | float | str | datetime.datetime | list[float] | None


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """One column: its rows, how many of them are null, and the least and greatest value of the others.

    Text: `min` and `max` are in the order of the bytes and hold at most 64 of them (`min_cut`, `max_cut`: the value
    goes on); `min_bytes`, `max_bytes` and `total_bytes` are lengths of whole values, None for other types.
    """

    rows: int
    nulls: int
    min: Bound
    max: Bound
    min_cut: bool = False
    max_cut: bool = False
    min_bytes: int | None = None
    max_bytes: int | None = None
    total_bytes: int | None = None

    @property
    def null_share(self) -> float:
        """Nulls of the rows, from 0 to 1; 0 without rows."""
        return self.nulls / self.rows if self.rows else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: times as `2020-08-28T03:52:47Z`, the members on text for text only."""
        named: dict[str, Any] = {"rows": self.rows, "nulls": self.nulls}
        named |= {"min": plain(self.min), "max": plain(self.max)}
        if self.total_bytes is not None:
            names = ("min_cut", "max_cut", "min_bytes", "max_bytes", "total_bytes")
            named |= {name: getattr(self, name) for name in names}
        return named


@dataclasses.dataclass(frozen=True, slots=True)
class Statistics:
    """The columns of the raw records as they came, and of the clean rows as they left: name -> statistics."""

    before: dict[str, ColumnStatistics]
    after: dict[str, ColumnStatistics]

    def __getitem__(self, side: str) -> dict[str, ColumnStatistics]:
        """statistics["before"] and statistics["after"]."""
        if side not in ("before", "after"):
            raise KeyError(side)
        return self.before if side == "before" else self.after

    def to_dict(self) -> dict[str, dict[str, dict[str, Any]]]:
        """As JSON takes it: {"before": {column: {…}}, "after": {column: {…}}}."""
        return {
            side: {name: column.to_dict() for name, column in self[side].items()}
            for side in ("before", "after")
        }


def plain(bound: Bound) -> int | float | str | list[float] | None:
    """A bound as JSON takes it."""
    if isinstance(bound, datetime.datetime):
        return bound.isoformat().replace("+00:00", "Z")
    return bound


class Counter:
    """The statistics of batches of one record type in one shape."""

    def __init__(self, kind: str, shape: str) -> None:
        """kind: pin, geo or user; shape: raw or clean."""
        self._columns = Schema(kind, shape).columns
        self.handle = native.pinpipe_statistics_new(kind_index(kind), SHAPES[shape])

    def add(self, batch: Any) -> None:
        """Counts the rows of a batch of the core, which stays as it is."""
        native.pinpipe_statistics_add(self.handle, batch)

    def columns(self) -> dict[str, ColumnStatistics]:
        """What was counted so far."""
        rows = native.statistics_columns(self.handle, len(self._columns))
        return {
            column.name: _column(column.type, row) for column, row in zip(self._columns, rows, strict=True)
        }


def _column(type_name: str, row: tuple[Any, ...]) -> ColumnStatistics:
    rows, nulls, least, greatest, min_cut, max_cut, *lengths = row
    if type_name == "utf8":
        known = lengths if nulls < rows else (None, None, 0)
        return ColumnStatistics(rows, nulls, least, greatest, bool(min_cut), bool(max_cut), *known)
    if type_name.startswith("timestamp"):
        least, greatest = _time(least), _time(greatest)
    return ColumnStatistics(rows, nulls, least, greatest)


def _time(microseconds: int | None) -> datetime.datetime | None:
    return None if microseconds is None else _EPOCH + datetime.timedelta(microseconds=microseconds)


PRINTED = ("side", "column", "rows", "nulls", "min", "max", "min_bytes", "max_bytes")


def printed_rows(statistics: Statistics, form: str) -> list[tuple[object, ...]]:
    """A row a column under PRINTED; a text that was cut ends in `…`, in form "table" every bound is text."""
    rows: list[tuple[object, ...]] = []
    for side in ("before", "after"):
        for name, column in statistics[side].items():
            bounds = [
                _shown(plain(column.min), column.min_cut, form),
                _shown(plain(column.max), column.max_cut, form),
            ]
            rows.append((side, name, column.rows, column.nulls, *bounds, column.min_bytes, column.max_bytes))
    return rows


def _shown(bound: object, is_cut: bool, form: str) -> object:
    if is_cut:
        return f"{bound}…"
    return str(bound) if form == "table" and bound is not None else bound
