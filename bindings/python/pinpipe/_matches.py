"""Turns the three clean tables into counts of rows that have no partner in another table, by one SQL file.

Never changes a table and never de-duplicates one: every row is counted.
Rules: domain notes §2 (the keys join 1:1:1); docs/census.md, "Matches".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from pinpipe._expectations import Expect, Expectation, Expectations, MatchRule, raise_fatal
from pinpipe._outputs import import_extra
from pinpipe._schema import KINDS
from pinpipe._tables import read_clean
from pinpipe.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow


def sql() -> str:
    """The text of the SQL file."""
    return resources.files("pinpipe").joinpath("sql", "matches.sql").read_text(encoding="utf-8")


def matches(*, pin: object, geo: object, user: object, expect: Expect | None = None) -> pyarrow.Table:
    """Counts how many rows of each table have a row of the same key in each other one.

    pin, geo, user: clean tables or their paths, as for `query`. A row for each of the pairs pin.geo, pin.user, geo.pin,
    geo.user, user.pin, user.geo: pair, row_count, matched_count, unmatched_count, matched_share (null without rows),
    first_unmatched (the least five keys, null where there are none). expect: "course", a rule file or its content, of
    which `matches` is read. Raises pinpipe.Error; ExpectationError when a fatal expectation on a pair failed.
    """
    held = None if expect is None else Expectations(expect)
    table = match({"pin": pin, "geo": geo, "user": user})
    if held:
        raise_fatal(judge(table.to_pylist(), held.matches))
    return table


def match(tables: Mapping[str, object]) -> pyarrow.Table:
    """The same from the tables "pin", "geo" and "user"."""
    duckdb = import_extra("duckdb", "matching tables")
    import_extra("pyarrow", "matching tables")
    with duckdb.connect(":memory:") as engine:
        for kind in KINDS:
            if tables.get(kind) is None:
                raise InvalidArgumentError(f"matches needs the table {kind}")
            engine.register(f"{kind}s", read_clean(kind, tables[kind]).select(["ind"]))
        return engine.sql(sql()).to_arrow_table()


def judge(rows: Iterable[Mapping[str, Any]], rules: Iterable[MatchRule]) -> list[Expectation]:
    """The rules' results on the rows of a table of matches; a pair without rows has nothing that fails."""
    by_pair = {row["pair"]: row for row in rows}
    results = []
    for rule in rules:
        row = by_pair[rule.pair]
        share = row["matched_share"]
        passed = share is None or share >= rule.share_min
        first = None if passed else row["first_unmatched"][0]
        results.append(
            Expectation(
                f"matches.{rule.pair}.share_min",
                passed,
                rule.fatal,
                row["row_count"],
                0 if passed else row["unmatched_count"],
                rule.share_min,
                share,
                first,
                None if first is None else str(first),
                rule.source,
            )
        )
    return results
