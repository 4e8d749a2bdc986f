"""Turns clean tables of pins, places and users into the nine answers, by SQL files and a reading.

Never changes a table, never depends on the time zone of the machine.
Rules: CONTRACT §5 (names, defaults, readings, order); the files of pinpipe/sql are valid Spark SQL too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pinpipe._tables import NEEDED, read_clean
from pinpipe.errors import InvalidArgumentError, NotSupportedError

if TYPE_CHECKING:
    import pyarrow

QUESTIONS = ("q1", "q2", "q3a", "q3b", "q4", "q5", "q6", "q7", "q8")
TITLES: dict[str, str] = {
    "q1": "The most popular category of each country",
    "q2": "Posts of each category in each year",
    "q3a": "The poster with the most followers in each country",
    "q3b": "The country of the poster with the most followers",
    "q4": "The most popular category of each age group",
    "q5": "The median follower count of each age group",
    "q6": "Users who joined in each year",
    "q7": "The median follower count by year of joining",
    "q8": "The median follower count by age group and year of joining",
}
CHOICES: dict[str, tuple[str, ...]] = {
    "show": ("top", "all"),
    "ties": ("all", "one"),
    "median": ("exact", "approx"),
    "over": ("posts", "people", "names"),
    "dedupe": ("ind", "row", "none"),
}

VIEWS = {"pin": "pins", "geo": "geos", "user": "users"}
#: The joins that questions share: a SQL file each, whose rows are there before the questions are asked.
JOINS: dict[str, tuple[str, ...]] = {
    "posts_by_place": ("q1", "q2", "q3a", "q3b"),
    "posts_by_user": ("q4", "q5", "q7", "q8"),
}
#: The tables that each question reads.
NEEDS: dict[str, tuple[str, ...]] = {
    "q1": ("pin", "geo"),
    "q2": ("pin", "geo"),
    "q3a": ("pin", "geo"),
    "q3b": ("pin", "geo"),
    "q4": ("pin", "user"),
    "q5": ("pin", "user"),
    "q6": ("user",),
    "q7": ("pin", "user"),
    "q8": ("pin", "user"),
}
_POST_YEARS = (2018, 2022)
_JOIN_YEARS = (2015, 2020)


@dataclass(frozen=True)
class Reading:
    """How a question is meant; None and the first of CHOICES are the question's defaults.

    years: "A-B" with both years inside, "all", or None for 2018-2022 in q2 and 2015-2020 in q6 to q8.
    """

    show: str | None = None
    ties: str = "all"
    median: str = "exact"
    over: str = "posts"
    years: str | None = None

    def row(self, question: str) -> dict[str, Any]:
        """The one row of the SQL files' table `reading`, as column -> value."""
        first, last = self._bounds(question)
        shown = self.show or ("all" if question == "q2" else "top")
        for name, value in (
            ("show", shown),
            ("ties", self.ties),
            ("median", self.median),
            ("over", self.over),
        ):
            if value not in CHOICES[name]:
                raise InvalidArgumentError(f"{name}={value} is none of {', '.join(CHOICES[name])}")
        if self.over == "names" and question in ("q5", "q7", "q8"):
            raise InvalidArgumentError(f"over=names is a reading of q6, not of {question}")
        return {
            "shown_rows": shown,
            "kept_ties": self.ties,
            "median_kind": self.median,
            "counted_over": self.over,
            "first_year": first,
            "last_year": last,
        }

    def _bounds(self, question: str) -> tuple[int | None, int | None]:
        if self.years == "all":
            return None, None
        if self.years is None:
            return _POST_YEARS if question == "q2" else _JOIN_YEARS
        first, dash, last = self.years.partition("-")
        if not (dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= 9999):
            raise InvalidArgumentError(f"years={self.years} is neither A-B nor all")
        return int(first), int(last)


def sql(question: str) -> str:
    """The text of a question's SQL file. Raises InvalidArgumentError for an unknown question."""
    if question not in QUESTIONS:
        raise InvalidArgumentError(f"question {question} is none of {', '.join(QUESTIONS)}")
    return _file(question)


def joins(questions: Sequence[str] = QUESTIONS) -> dict[str, str]:
    """The joins that some questions read, as name -> the text of its SQL file."""
    return {name: _file(name) for name, readers in JOINS.items() if set(readers) & set(questions)}


def _file(name: str) -> str:
    return resources.files("pinpipe").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def query(
    question: str,
    *,
    pin: object = None,
    geo: object = None,
    user: object = None,
    show: str | None = None,
    ties: str = "all",
    median: str = "exact",
    over: str = "posts",
    years: str | None = None,
    dedupe: str = "ind",
) -> pyarrow.Table:
    """Answers one question, "q1" to "q8" ("q3a", "q3b").

    pin, geo, user: the tables that the question needs, each a clean table (any Arrow object) or its path:
    .ndjson, .csv, .arrow, .parquet or a Delta table; a raw table is cleaned first. The readings are those of
    docs/answers.md; dedupe "ind" keeps the first row of each key, "row" one of equal rows.
    """
    reading = Reading(show, ties, median, over, years)
    return answer([question], {"pin": pin, "geo": geo, "user": user}, reading, dedupe)[question]


def query_all(
    tables: Mapping[str, object], reading: Reading | None = None, dedupe: str = "ind"
) -> dict[str, pyarrow.Table]:
    """Answers all questions from the tables "pin", "geo" and "user", as question -> table."""
    return answer(QUESTIONS, tables, reading or Reading(), dedupe)


def answer(
    questions: list[str] | tuple[str, ...], tables: Mapping[str, object], reading: Reading, dedupe: str
) -> dict[str, pyarrow.Table]:
    """Answers some questions over tables that are read and de-duplicated once."""
    duckdb = _import_duckdb()
    texts = {question: sql(question) for question in questions}
    rows = {question: reading.row(question) for question in questions}
    if dedupe not in CHOICES["dedupe"]:
        raise InvalidArgumentError(f"dedupe={dedupe} is none of {', '.join(CHOICES['dedupe'])}")
    needed = {kind: question for question in questions for kind in NEEDS[question]}
    with duckdb.connect(":memory:") as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute("SET preserve_insertion_order = false")  # every answer names its order
        for kind, question in needed.items():
            if tables.get(kind) is None:
                raise InvalidArgumentError(f"{question} needs the table {kind}")
            _register(engine, kind, read_clean(kind, tables[kind]), dedupe)
        _join(engine, questions)
        answers = {}
        for question, text in texts.items():
            engine.execute("CREATE OR REPLACE TEMP TABLE reading AS " + reading_query(rows[question]))
            answers[question] = engine.sql(text).to_arrow_table()
    return answers


def _register(engine: Any, kind: str, table: pyarrow.Table, dedupe: str) -> None:
    """Makes the view of one table: the columns that questions read, without duplicates."""
    view = VIEWS[kind]
    narrow = _without_zone(table.select(NEEDED[kind]))
    if dedupe == "row":
        engine.register(f"{view}_read", _without_zone(table))
        distinct = f"SELECT {', '.join(NEEDED[kind])} FROM (SELECT DISTINCT * FROM {view}_read)"
        engine.execute(f"CREATE TEMP TABLE {view} AS {distinct}")
        return
    engine.register(view, narrow)
    if dedupe == "ind" and not _is_increasing(table["ind"]):
        keys = engine.sql(f"SELECT count(DISTINCT ind) FROM {view}").fetchall()[0][0]
        if keys != table.num_rows:
            engine.unregister(view)
            engine.register(view, _firsts(narrow))


def _join(engine: Any, questions: Sequence[str]) -> None:
    """Joins once what several questions read; one question's own join is of the columns that it needs."""
    for name, text in joins(questions).items():
        is_shared = len(set(JOINS[name]) & set(questions)) > 1
        engine.execute(f"CREATE TEMP {'TABLE' if is_shared else 'VIEW'} {name} AS {text}")


def _without_zone(table: pyarrow.Table) -> pyarrow.Table:
    """The same times as those of UTC without a zone: their years need no calendar of zones, and nothing is copied."""
    import pyarrow

    fields = [
        field.with_type(pyarrow.timestamp("us")) if pyarrow.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pyarrow.schema(fields))


def _is_increasing(keys: pyarrow.ChunkedArray) -> bool:
    """True where each key is above the one before: then none comes twice."""
    import pyarrow.compute

    whole = keys.combine_chunks()
    return bool(pyarrow.compute.all(pyarrow.compute.less(whole[:-1], whole[1:])).as_py())


def _firsts(table: pyarrow.Table) -> pyarrow.Table:
    """The first row of each key."""
    import pyarrow

    places = pyarrow.array(range(table.num_rows), pyarrow.int64())
    keyed = pyarrow.table({"ind": table["ind"], "place": places})
    return table.take(keyed.group_by("ind").aggregate([("place", "min")])["place_min"])


def reading_query(row: Mapping[str, Any]) -> str:
    """The reading as a SELECT of literals; the values are integers and words of CHOICES, checked before."""
    columns = []
    for name, value in row.items():
        literal = (
            "CAST(NULL AS BIGINT)"
            if value is None
            else f"'{value}'"
            if isinstance(value, str)
            else str(value)
        )
        columns.append(f"{literal} AS {name}")
    return "SELECT " + ", ".join(columns)


def _import_duckdb() -> Any:
    try:
        import duckdb
        import pyarrow  # noqa: F401  (DuckDB's Arrow output needs it)
    except ModuleNotFoundError as error:
        raise NotSupportedError(f"queries need the Python package {error.name}") from None
    return duckdb
