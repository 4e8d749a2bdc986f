"""Turns the SQL files into answers by Spark and by DuckDB and compares them row by row, order and types too.

Never gives Spark more than the bare text of the files, as a notebook would.
Rules: CONTRACT §5; python recipe §4 and §5 (one text for both engines).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from pinpipe import _matches, _query, _synthetic
from pyarrow import parquet
from spark_session import Session

from tests.house.page_examples import blocks

READINGS: tuple[dict[str, str], ...] = (
    {},
    {"show": "all", "median": "approx", "over": "people", "years": "all"},
    {"show": "top", "ties": "one", "median": "approx", "years": "2016-2019"},
    {"over": "names"},
)


def _followers(text: str) -> int | None:
    if text == "User Info Error":
        return None
    return int(text.rstrip("kM")) * {"k": 1000, "M": 1_000_000}.get(text[-1], 1)


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def _tables() -> dict[str, pa.Table]:
    """Clean tables of all synthetic rows, and rows with the nulls that cleaning leaves behind."""
    raw = _synthetic.tables()
    pins: list[dict[str, Any]] = [
        {"ind": row[0], "poster_name": row[4], "follower_count": _followers(str(row[5])), "category": row[11]}
        for row in raw["pinterest_data"]
    ]
    geos: list[dict[str, Any]] = [
        {"ind": row[0], "timestamp": _moment(row[1]), "coordinates": [row[2], row[3]], "country": row[4]}
        for row in raw["geolocation_data"]
    ]
    users: list[dict[str, Any]] = [
        {"ind": row[0], "user_name": f"{row[1]} {row[2]}", "age": row[3], "date_joined": _moment(row[4])}
        for row in raw["user_data"]
    ]
    for n, key in enumerate(range(20_000, 20_040)):
        pins.append({"ind": key, "poster_name": "Zoë" if n % 3 else None, "follower_count": n or None})
        geos.append(
            {
                "ind": key,
                "country": "Åland" if n % 4 else None,
                "timestamp": None if n % 5 else _moment("2017-12-31 23:59:59"),
            }
        )
        users.append({"ind": key, "user_name": "Zoë" if n % 3 else None, "age": (17, None, 50, 51)[n % 4]})
        users[-1]["date_joined"] = None if n % 5 else _moment("2016-01-01 00:00:00")
    pins += [{"ind": key, "category": "alone"} for key in range(30_000, 30_007)]
    rows = {"pin": pins, "geo": geos, "user": users}
    return {kind: pa.Table.from_pylist(rows[kind], pinpipe.schema(kind).arrow()) for kind in rows}


def _cases() -> dict[str, tuple[str, _query.Reading]]:
    cases = {}
    for number, reading in enumerate(READINGS):
        for question in _query.QUESTIONS:
            if reading.get("over") != "names" or question == "q6":
                cases[f"{question}-{number}"] = (question, _query.Reading(**reading))
    return cases


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return _tables()


@pytest.fixture(scope="module")
def answers(
    spark: Session, tables: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tables")
    for kind, table in tables.items():
        parquet.write_table(table, folder / f"{kind}s.parquet")
    cases = [
        {"name": name, "sql": _query.sql(question), "reading": reading.row(question)}
        for name, (question, reading) in _cases().items()
    ]
    cases.append({"name": "matches", "sql": _matches.sql(), "reading": _query.Reading().row("q1")})
    found: dict[str, Any] = spark.ask(
        "answers",
        folder=str(folder),
        joins=_query.joins(),
        cases=cases,
        page=blocks("python")["answers.md 1"],
    )
    return found


@pytest.mark.parametrize("name", _cases())
def test_spark_and_duckdb_give_the_same_rows(
    name: str, answers: dict[str, Any], tables: dict[str, pa.Table]
) -> None:
    question, reading = _cases()[name]
    found = _query.answer([question], tables, reading, "ind")[question]
    wanted = answers[name]
    assert [[field.name, str(field.type)] for field in found.schema] == wanted["columns"]
    rows = [list(row.values()) for row in found.to_pylist()]
    assert rows == wanted["rows"] and rows
    print(f"{name}: {len(rows)} rows equal")


def test_the_example_of_the_page_is_an_answer(answers: dict[str, Any]) -> None:
    assert answers["page"] == answers["q5-0"]


def test_spark_and_duckdb_find_the_same_matches(answers: dict[str, Any], tables: dict[str, pa.Table]) -> None:
    found = _matches.match(tables)
    wanted = answers["matches"]
    assert found.column_names == [name for name, _ in wanted["columns"]]
    rows = [list(row.values()) for row in found.to_pylist()]
    assert rows == wanted["rows"] and rows[0][5] == list(range(30_000, 30_005))
