"""Turns Spark's frames, batch and streaming, into clean frames, answers, and streams of Kinesis.

Never imports Spark before a frame is there: the package needs none. Never sees a row in the driver.
Rules: CONTRACT §3 (`pinpipe.spark`), §4 and §5; docs/spark.md.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pinpipe import _spark_clean
from pinpipe._profiles import Profile
from pinpipe._profiles import profile as _profile
from pinpipe._query import NEEDS, VIEWS, Reading, joins, reading_query, sql
from pinpipe._schema import Schema
from pinpipe._spark_clean import CENSUS, PATH, REJECT, REJECTS, SOURCE, Job
from pinpipe.errors import InvalidArgumentError, NotSupportedError

if TYPE_CHECKING:
    import pyarrow

    Frame = Any  # pyspark.sql.DataFrame, of Spark itself or of Spark Connect

__all__ = ["REJECTS", "KafkaRestSink", "KinesisSource", "census", "clean", "query", "split"]

#: Columns that hold a record each, as Kinesis' sources and Kafka's name them; and what tells a record's place.
_RECORD_COLUMNS = {
    "data": ("kinesis", ("stream", "shardId", "sequenceNumber")),
    "value": ("kafka", ("topic", "partition", "offset")),
}
_NUMBERS = {"tinyint", "smallint", "int", "bigint", "float", "double", "boolean"}
_READ_TYPES = {*_NUMBERS, "string", "char", "varchar", "timestamp", "timestamp_ntz", "void"}
#: A time as that of UTC without a zone: the years of the answers do not move with the session's zone.
_UTC_TIME = (
    "TIMESTAMP_NTZ '1970-01-01 00:00:00'"
    " + make_dt_interval(0, 0, 0, CAST(CAST(unix_micros({0}) AS DECIMAL(20, 0)) / 1000000 AS DECIMAL(18, 6))) AS {0}"
)


_CLASSES = {"KinesisSource": "_spark_kinesis", "KafkaRestSink": "_spark_sinks"}

if TYPE_CHECKING:
    from pinpipe._spark_kinesis import KinesisSource
    from pinpipe._spark_sinks import KafkaRestSink
else:

    def __getattr__(name: str) -> Any:
        """Loads a data source; those need Spark 4."""
        if name not in _CLASSES:
            raise AttributeError(f"module 'pinpipe.spark' has no attribute '{name}'")
        try:
            home = __import__(f"pinpipe.{_CLASSES[name]}", fromlist=[name])
        except ImportError:
            raise NotSupportedError(f"pinpipe.spark.{name} needs pyspark 4 or later") from None
        return getattr(home, name)


def clean(
    df: Frame,
    kind: str,
    *,
    profile: str | os.PathLike[str] | Mapping[str, Any] | Profile = "course",
    source: Any = None,
    census: Any = None,
) -> Frame:
    """Cleans the records of a frame, batch or streaming, into the columns of CONTRACT §4 and `_reject`.

    df: has the raw columns of `kind` (their names on the wire, others are left out), or a column `data` or `value`,
    string or binary, with one JSON record a row, or a column `path` of files, as `format("binaryFile")` lists them,
    which the executors read. `_reject` is null for a clean row; a record that cannot be read has
    it and nothing else: reason, data (its first 64 KiB), data_bytes, source; `split` tells them apart. profile: as
    `pinpipe.clean`; a rule file is read here. source: a column, or its name, that tells where a record lies; else
    what the columns of Kinesis and Kafka say. census: an `Observation`, or the name of an observed metric:
    records, rejected, dropped, and what `census` reads. Raises InvalidArgumentError where it has no such columns.
    """
    chosen = _profile(profile)
    column = _record_column(df, kind)
    job = Job(kind, _spark_clean.told_profile(chosen), column, census is not None)
    told = df.select(*_selected(df, kind, column, source))
    columns = f"{Schema(kind).spark()}, {REJECT} STRUCT<{REJECTS}>".replace(" NOT NULL", "")
    if census is None:
        return told.mapInArrow(_mapper(job), columns)
    made = told.mapInArrow(_mapper(job), f"{columns}, {CENSUS} ARRAY<BIGINT>")
    return _observed(made, census, _spark_clean.counted(chosen, kind))


def census(observed: Any) -> Counter[str]:
    """The hits by rule id, as a table's census has them.

    observed: what an `Observation` got, or a stream's `lastProgress["observedMetrics"][name]`.
    """
    return Counter(json.loads(observed["census"]))


def split(df: Frame) -> tuple[Frame, Frame]:
    """What `clean` made as (rows, rejects): the clean columns, and reason, data, data_bytes, source.

    Both are read from `df`, which is computed for each of them unless it is persisted.
    """
    if REJECT not in df.columns:
        raise InvalidArgumentError(f"the frame has no column {REJECT}: it is none that clean() made")
    rows = df.where(f"{REJECT} IS NULL").drop(REJECT)
    return rows, df.where(f"{REJECT} IS NOT NULL").select(f"{REJECT}.*")


def query(
    question: str,
    *,
    pin: Frame = None,
    geo: Frame = None,
    user: Frame = None,
    show: str | None = None,
    ties: str = "all",
    median: str = "exact",
    over: str = "posts",
    years: str | None = None,
) -> Frame:
    """Answers one question, "q1" to "q8" ("q3a", "q3b"), over clean frames, as `pinpipe.query` does by DuckDB.

    pin, geo, user: those that the question needs; the first of several rows with one `ind` counts, whichever Spark
    finds. The readings are those of docs/answers.md. Years are those of UTC in every session zone.
    """
    reading = reading_query(Reading(show, ties, median, over, years).row(question))
    text = sql(question)
    given = {"pin": pin, "geo": geo, "user": user}
    views = {}
    for kind in NEEDS[question]:
        if given[kind] is None:
            raise InvalidArgumentError(f"{question} needs the frame {kind}")
        views[VIEWS[kind]] = _in_utc(given[kind]).dropDuplicates(["ind"])
    parts = [f"{name} AS (SELECT * FROM {{{name}}})" for name in views]
    parts += [f"reading AS ({reading})", *(f"{name} AS ({join})" for name, join in joins([question]).items())]
    session = next(iter(views.values())).sparkSession
    return session.sql(f"WITH {', '.join(parts)} {text.replace('WITH ', ', ', 1)}", **views)


def _in_utc(df: Frame) -> Frame:
    return df.selectExpr(
        *(_UTC_TIME.format(name) if type_ == "timestamp" else name for name, type_ in df.dtypes)
    )


def _mapper(job: Job) -> Any:
    def cleaned(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        from pinpipe._spark_clean import run

        yield from run(batches, job)

    return cleaned


def _raw_names(kind: str) -> list[str]:
    return [*Schema(kind, "raw").names, "ind", "index", "idx"]


def _types(df: Frame) -> dict[str, str]:
    return dict(df.dtypes)


def _record_column(df: Frame, kind: str) -> str | None:
    """The column that holds records; None where the raw columns are there."""
    names, types = _raw_names(kind), _types(df)
    if {"ind", "index", "idx"} & types.keys():
        wrong = [name for name in names if types.get(name, "string").partition("(")[0] not in _READ_TYPES]
        if wrong:
            raise InvalidArgumentError(f"{kind}: column {wrong[0]} is {types[wrong[0]]}, which no rule reads")
        return None
    found = [name for name in _RECORD_COLUMNS if types.get(name) in ("string", "binary")]
    if not found and types.get(PATH) == "string":
        return PATH
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    if found:
        raise InvalidArgumentError(
            f"{kind}: both {' and '.join(found)} may hold the records: select one of them"
        )
    raise InvalidArgumentError(
        f"{kind}: the frame has neither the key of raw columns (index, ind) nor a string or binary column"
        f" {' or '.join(_RECORD_COLUMNS)}, nor a path; it has {told}"
    )


def _selected(df: Frame, kind: str, column: str | None, source: Any) -> list[Any]:
    """What the executors get: the raw columns or that of the records, and where each lies, if that is known."""
    from pyspark.sql import functions as f

    names = set(_raw_names(kind))
    kept = [f.col(name) for name in df.columns if name in names] if column is None else [f.col(column)]
    if source is not None:
        told = f.col(source) if isinstance(source, str) else source
    else:
        service, parts = _RECORD_COLUMNS.get(column or "", ("", ()))
        if not parts or not set(parts) <= set(df.columns):
            return kept
        told = f.concat(f.lit(f"{service}://"), f.concat_ws("/", *(f.col(part) for part in parts)))
    return [*kept, told.cast("string").alias(SOURCE)]


def _observed(made: Frame, observation: Any, names: list[str]) -> Frame:
    """The frame without the rows that carry the counts, one a partition, which are summed up as observed metrics."""
    from pyspark.sql import functions as f

    # One list of few arrays: a sum a rule, over every row, took as long as all the rest.
    zeros = f"array_repeat(0L, {len(names)})"
    total = f"aggregate(collect_list({CENSUS}), {zeros}, (a, b) -> zip_with(a, b, (x, y) -> x + y))"
    count = len(_spark_clean.COUNTS)
    rules = ", ".join(f"'{name}'" for name in names[count:])
    hits = f"map_from_arrays(array({rules}), slice({total}, {count + 1}, {len(names) - count}))"
    metrics = [f.expr(f"element_at({total}, {at + 1})").alias(names[at]) for at in range(count)]
    metrics.append(f.expr(f"to_json(map_filter({hits}, (rule, hit) -> hit > 0))").alias("census"))
    return made.observe(observation, *metrics).where(f"{CENSUS} IS NULL").drop(CENSUS)
