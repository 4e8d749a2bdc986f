"""Turns the program's commands into functions: each does one step of the pipeline and returns what it counted.

Never prints, never ends on a signal, never returns rows: what it made lies where it was told to.
Rules: docs/airflow.md, "Jobs"; CONTRACT §2 (the commands of the same names).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pinpipe import _query, kinesis
from pinpipe._cleaning import Cleaning, default_rejects_path
from pinpipe._delta import Storage
from pinpipe._expectations import raise_fatal
from pinpipe._inputs import OBJECTS_SCHEME
from pinpipe._objects import open_objects
from pinpipe._outputs import replaced_file
from pinpipe._sink import Sink, UntilIdle
from pinpipe.errors import FileError, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

__all__ = [
    "QUESTIONS",
    "Answers",
    "Cleaned",
    "Lag",
    "Sink",
    "Storage",
    "Stored",
    "answer",
    "clean",
    "lag",
    "put",
    "store",
]

QUESTIONS = _query.QUESTIONS
EMPTY_ANSWERS = 100  # Kinesis answers without records while it searches; then its own word on the lag stands


@dataclass(frozen=True)
class Cleaned:
    """What cleaning did; records = cleaned + duplicates + dropped + rejected. rejects: where they lie, None = none."""

    kind: str
    output: str
    records: int
    cleaned: int
    duplicates: int
    conflicts: int
    dropped: int
    rejected: int
    rejects: str | None
    census: dict[str, int]


@dataclass(frozen=True)
class Stored:
    """What a sink did: its counters (docs/sink.md), and by "topic/partition" up to which offset all is stored."""

    to: str
    counters: dict[str, int]
    offsets: dict[str, int]


@dataclass(frozen=True)
class Answers:
    """How many rows each question's answer has, and where answers and page lie; None = not asked for."""

    rows: dict[str, int]
    answers: str | None
    report: str | None


@dataclass(frozen=True)
class Lag:
    """How old the oldest record of a stream is that a table lacks, and when it came; 0 and None where it lacks none.

    shards: seconds of each shard that has not ended.
    """

    seconds: float
    since: datetime | None
    shards: dict[str, float]


def _make_folder_of(path: str) -> None:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make '{folder}': {error.strerror}", native_code=error.errno or 0) from None


@contextmanager
def _local(url: str) -> Iterator[str]:
    """A path to write to; what is there at the end goes to `url` where that is an object's."""
    if not url.startswith(OBJECTS_SCHEME):
        path = url.removeprefix("file://")
        _make_folder_of(path)
        yield path
        return
    bucket, _, key = url.removeprefix(OBJECTS_SCHEME).partition("/")
    if not key:
        raise InvalidArgumentError(f"'{url[:60]}' names no object")
    from pinpipe import s3

    with tempfile.TemporaryDirectory(prefix="pinpipe-") as folder:
        path = os.path.join(folder, "object")
        yield path
        if os.path.exists(path):
            s3.Client().upload(bucket, key, path)


def put(url: str, data: bytes) -> None:
    """Makes or replaces one file or object: a path, file:///dir/name or s3://bucket/key (by the environment's key)."""
    folder, _, name = url.rpartition("/")
    if url.startswith((OBJECTS_SCHEME, "file:///")):
        open_objects(folder).put(name, data)
        return
    _make_folder_of(url)
    with replaced_file(url) as file:
        file.write(data)


def clean(
    kind: str,
    inputs: str | Sequence[str],
    output: str,
    *,
    input_format: str = "auto",
    dedupe: str = "none",
    profile: str = "course",
    rejects: str | None = None,
    census: str | None = None,
    expect: str | None = None,
) -> Cleaned:
    """Cleans files and objects of raw records into a file or a Delta table, whatever their size.

    inputs: paths, or s3://bucket/prefix/. output: .ndjson .csv .arrow .parquet, delta+file:///dir,
    delta+s3://bucket/prefix. rejects, census: a path or s3://bucket/key; rejects that are not named lie beside a local
    output. The rest as `pinpipe.clean`. Raises ExpectationError when a fatal expectation failed, after all is written.
    """
    named = [inputs] if isinstance(inputs, str) else list(inputs)
    cleaning = Cleaning(
        kind,
        input_format=input_format,
        dedupe=dedupe,
        profile=profile,
        statistics=census is not None,
        expect=expect,
    )
    if "://" not in output:
        _make_folder_of(output)
    place = rejects or default_rejects_path(output)
    with _local(place) as path:
        cleaning.run(named, output, path)
    if census is not None:
        with _local(census) as path:
            cleaning.write_census(path)
    raise_fatal(cleaning.expectations)
    flow = cleaning.flow
    hits = dict(cleaning.reader.census())
    return Cleaned(kind, output, **flow, rejects=place if flow["rejected"] else None, census=hits)


def store(brokers: str, topics: str, to: str, *, idle: float = 10.0, **options: Any) -> Stored:
    """Runs a sink until no record has come for `idle` seconds; everything that was read is stored then.

    Arguments and options are those of `Sink`.
    """
    with Sink(brokers, topics, to, **options) as sink:
        sink.run(UntilIdle(idle))
        sink.flush()
        offsets = {
            f"{topic}/{partition}": offset for (topic, partition), offset in sink.stored_offsets.items()
        }
        return Stored(to, sink.counters, offsets)


def answer(
    tables: Mapping[str, object],
    *,
    questions: Sequence[str] = QUESTIONS,
    reading: Mapping[str, str] | None = None,
    dedupe: str = "ind",
    answers: str | None = None,
    report: str | None = None,
    census: Mapping[str, Mapping[str, int]] | None = None,
) -> Answers:
    """Answers questions from the tables "pin", "geo" and "user" (as `pinpipe.query`), and writes answers and a page.

    reading: show, ties, median, over, years. answers: where a JSON object goes, question -> rows; report: where an
    HTML page goes; both a path, file:///… or s3://bucket/key. census: kind -> rule -> hits, for the page.
    """
    found = _query.answer(tuple(questions), tables, _query.Reading(**(reading or {})), dedupe)
    rows = {question: table.to_pylist() for question, table in found.items()}
    if answers is not None:
        put(
            answers, json.dumps(rows, ensure_ascii=False, default=str, separators=(",", ":")).encode() + b"\n"
        )
    if report is not None:
        from pinpipe._report import render_report
        from pinpipe._versions import versions

        put(report, render_report({"versions": versions()}, rows, census or {}).encode())
    return Answers({question: len(each) for question, each in rows.items()}, answers, report)


def lag(
    stream: str,
    table: str,
    *,
    record: str | None = None,
    checkpoint: str | None = None,
    region: str | None = None,
    endpoint: str | None = None,
    credentials: Credentials | None = None,
    storage: Storage | None = None,
) -> Lag:
    """How far a table that `pinpipe.stream` writes is behind its stream; arguments are those of `pinpipe.stream`.

    storage: of a table in S3, else by the environment. A shard that the table has no position of counts from its
    oldest record.
    """
    from pinpipe import _stream

    client = kinesis.Client(endpoint, region=region, credentials=credentials)
    positions = _stream.positions(
        client, stream, table, record=record, checkpoint=checkpoint, storage=storage
    )
    now = datetime.now(UTC)
    firsts = {
        shard: _first_behind(client, stream, shard, position, now)
        for shard, position in positions.items()
        if position != "SHARD_END"
    }
    behind = {
        shard: max(0.001, (now - since).total_seconds()) if since else 0.0 for shard, since in firsts.items()
    }
    since = min((each for each in firsts.values() if each), default=None)
    return Lag(max(behind.values(), default=0.0), since, behind)


def _first_behind(
    client: kinesis.Client, stream: str, shard: str, position: Any, now: datetime
) -> datetime | None:
    """When the first record behind a position came; None where there is none."""
    after, at = None, None
    if isinstance(position, (tuple, list)):
        # A place inside of an aggregate lies in a record that is not all read.
        after, at = (position[0], None) if position[1] < 0 else (None, position[0])
    elif position.startswith("AT_TIMESTAMP:"):
        at = datetime.fromtimestamp(int(position.partition(":")[2]) / 1000, UTC)
    iterator: str | None = client.iterator(stream, shard, after=after, at=at)
    behind_ms = 0
    for _ in range(EMPTY_ANSWERS):
        if iterator is None:
            return None
        page = client.get(iterator, records=1)
        if page.records:
            return page.records[0].arrival or now
        behind_ms, iterator = page.behind_ms or 0, page.iterator
        if not behind_ms:
            return None
    return now - timedelta(milliseconds=behind_ms)
