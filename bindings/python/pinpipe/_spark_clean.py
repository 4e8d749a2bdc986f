"""Turns Arrow batches of records or of raw columns, as Spark's executors hand them over, into batches of clean columns.

Never imports Spark: this is what runs inside `mapInArrow`, in a process that has this package and pyarrow.
Rules: CONTRACT §4 (clean tables, rejects); docs/spark.md, "Columns".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from pinpipe._outputs import record_batches
from pinpipe._profiles import BUILT_IN, profile
from pinpipe._records import Reader, Reject
from pinpipe.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow

    from pinpipe._profiles import Profile

PATH = "path"
SOURCE = "_source"
REJECT = "_reject"
CENSUS = "_census"
#: The columns of rejects as Spark's DDL.
REJECTS = "reason STRING, data BINARY, data_bytes BIGINT, source STRING"
#: What is counted beside the hits of the rules.
COUNTS = ("records", "rejected", "dropped")


class Job(NamedTuple):
    """What an executor is told, in plain values. profile: a built-in one's name, or a rule document. column: that of
    the records, or of the files' paths; None where the columns are the raw ones. census: whether a last row has it."""

    kind: str
    profile: str
    column: str | None
    census: bool

    def opened_profile(self) -> Profile:
        """The profile, made anew where it is needed."""
        return profile(self.profile if self.profile in BUILT_IN else json.loads(self.profile))


def told_profile(chosen: Profile) -> str:
    """A profile as text that another process makes it from."""
    if chosen.name in BUILT_IN:
        return chosen.name
    document = chosen._document
    return document if isinstance(document, str) else document.decode()


def counted(chosen: Profile, kind: str) -> list[str]:
    """The names of what is counted, in the order of the census' values: COUNTS, then the rules that can be hit."""
    return [*COUNTS, *(rule.id for rule in chosen.rules(kind) if rule.effect != "off")]


def run(batches: Iterator[pyarrow.RecordBatch], job: Job) -> Iterator[pyarrow.RecordBatch]:
    """The clean rows of a partition's batches, each followed by its rejects; at the end a row with the census."""
    chosen = job.opened_profile()
    reader = Reader(job.kind, "clean", "auto", "none", profile=chosen)
    output = _Output(reader, job)
    for batch in batches:
        if job.column == PATH:
            yield from _run_files(reader, output, batch)
            continue
        first = reader.num_records
        yield from output.rows(_read(reader, batch, job.column))
        if reader.rejects:
            yield output.rejects(reader.rejects, _sources(reader.rejects, batch, first))
    if job.census:
        yield output.census(counted(chosen, job.kind))


def _sources(rejects: list[Reject], batch: pyarrow.RecordBatch, first: int) -> list[str | None]:
    """Where the rejects of a batch lie, whose first record has the number `first`."""
    if SOURCE not in batch.schema.names:
        return [None] * len(rejects)
    sources = batch.column(SOURCE)
    return [sources[reject.index - first].as_py() for reject in rejects]


def _read(reader: Reader, batch: pyarrow.RecordBatch, column: str | None) -> Iterator[Any]:
    import pyarrow as pa

    if column is None:
        if SOURCE in batch.schema.names:
            batch = batch.drop_columns([SOURCE])
        yield from reader.read_arrow(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    else:
        yield from reader.read_column(pa.RecordBatch.from_arrays([batch.column(column)], [column]))
    yield from reader.rest()


def _run_files(reader: Reader, output: _Output, batch: pyarrow.RecordBatch) -> Iterator[pyarrow.RecordBatch]:
    """The rows of files, small ones together, and their rejects."""
    rejects: list[Reject] = []
    sources: list[str | None] = []

    def read() -> Iterator[Any]:
        for path in batch.column(PATH).to_pylist():
            yield from reader.read_path(local_path(path))
            sources.extend([path] * len(reader.rejects))
            rejects.extend(reader.rejects)
            reader.rejects.clear()
        yield from reader.rest()

    yield from output.rows(read())
    if rejects:
        yield output.rejects(rejects, sources)


def local_path(path: str) -> str:
    """A file as this machine sees it: of Spark's forms those of files, and of volumes on Databricks."""
    scheme, colon, rest = path.partition(":")
    if not colon or path.startswith("/"):
        return path
    rest = "/" + rest.lstrip("/")
    if scheme == "file" or (scheme == "dbfs" and rest.startswith("/Volumes/")):
        return unquote(rest)
    raise InvalidArgumentError(
        f"path '{path[:200]}': only files and volumes are read by their paths; read others as text"
    )


class _Output:
    """Batches of the output: the clean columns, `_reject` and, where it is asked for, `_census`."""

    def __init__(self, reader: Reader, job: Job) -> None:
        import pyarrow as pa

        self._reader = reader
        self._reject = pa.struct(
            [("reason", pa.utf8()), ("data", pa.binary()), ("data_bytes", pa.int64()), ("source", pa.utf8())]
        )
        clean = [field.with_nullable(True) for field in reader.schema.arrow()]
        extra = [pa.field(REJECT, self._reject)]
        if job.census:
            extra.append(pa.field(CENSUS, pa.list_(pa.int64())))
        self._schema = pa.schema([*clean, *extra])

    def _batch(self, given: dict[str, Any], count: int) -> pyarrow.RecordBatch:
        """Columns that are not given are null."""
        import pyarrow as pa

        columns = [given[f.name] if f.name in given else pa.nulls(count, f.type) for f in self._schema]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def rows(self, batches: Iterator[Any]) -> Iterator[pyarrow.RecordBatch]:
        for batch in record_batches(self._reader.schema, batches):
            yield self._batch(dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows)

    def rejects(self, rejects: list[Reject], sources: list[str | None]) -> pyarrow.RecordBatch:
        """Rows that have nothing but the reject; lets them go."""
        import pyarrow as pa

        values = [
            {
                "reason": reject.reason,
                "data": reject.data,
                "data_bytes": reject.data_bytes,
                "source": source,
            }
            for reject, source in zip(rejects, sources, strict=True)
        ]
        rejects.clear()
        return self._batch({REJECT: pa.array(values, self._reject)}, len(values))

    def census(self, names: list[str]) -> pyarrow.RecordBatch:
        """One row that has nothing but the counts."""
        import pyarrow as pa

        reader = self._reader
        hits = reader.census()
        counts = {"records": reader.num_records, "rejected": reader.num_rejected, "dropped": reader.dropped}
        values = [counts[name] if name in counts else hits[name] for name in names]
        return self._batch({CENSUS: pa.array([values], pa.list_(pa.int64()))}, 1)
