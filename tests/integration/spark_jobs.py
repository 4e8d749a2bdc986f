"""Turns what a test asks of Spark into frames, and frames into files and plain values that the test compares.

Never compares anything itself: the test has no Spark, Spark's environment no DuckDB.
Rules: python recipe §4 (times leave Spark by Arrow, not by collect); docs/testing.md, "Spark".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

READING = (
    "shown_rows STRING, kept_ties STRING, median_kind STRING, counted_over STRING,"
    " first_year BIGINT, last_year BIGINT"
)


def _plain(table: Any) -> dict[str, Any]:
    return {
        "columns": [[field.name, str(field.type)] for field in table.schema],
        "rows": [list(record.values()) for record in table.to_pylist()],
    }


def _page(session: Any, text: str) -> dict[str, Any]:
    """What the last line of a page's example gives, over the views that are there."""
    *lines, last = text.strip().splitlines()
    known = {"spark": session}
    exec("\n".join([*lines, f"answer = {last}"]), known)
    return _plain(known["answer"].toArrow())


def answers(
    session: Any, folder: str, joins: dict[str, str], cases: list[dict[str, Any]], page: str
) -> dict[str, Any]:
    """The answers of SQL files over Parquet tables; the bare text, as a notebook would, and a page's example."""
    for view in ("pins", "geos", "users"):
        session.read.parquet(f"{folder}/{view}.parquet").createOrReplaceTempView(view)
        session.catalog.cacheTable(view)
    for name, text in joins.items():
        session.sql(text).createOrReplaceTempView(name)
        session.catalog.cacheTable(name)
    found = {}
    for case in cases:
        columns = [part.split()[0] for part in READING.split(",")]
        row = tuple(case["reading"][name] for name in columns)
        session.createDataFrame([row], READING).createOrReplaceTempView("reading")
        found[case["name"]] = _plain(session.sql(case["sql"]).toArrow())
    found["page"] = _page(session, page)
    session.catalog.clearCache()
    return found


def notebook(
    session: Any, path: str, widgets: dict[str, str], tables: list[str], to: str, secrets: dict[str, str]
) -> list[Any]:
    """Runs a notebook; what it displayed. tables: those that it wrote, left as Parquet files in `to`."""
    import notebooks

    given = {tuple(name.split("/")): value for name, value in secrets.items()}
    done = notebooks.run(Path(path), session, widgets, given)
    for table in tables:
        _write(session.table(table), f"{to}/{table.rpartition('.')[2].strip('`')}.parquet")
    return [_plain(frame.toArrow()) for frame in done.displayed]


def _write(frame: Any, path: str) -> None:
    from pyarrow import parquet

    parquet.write_table(frame.toArrow(), path)
