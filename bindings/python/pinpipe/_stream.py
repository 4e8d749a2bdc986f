"""Turns a Kinesis stream into a Delta table of clean rows, each record's row once.

Never commits rows without the positions that they were read to; never loses a record that cannot be read.
Rules: docs/stream.md; CONTRACT §2 (`pinpipe stream`).
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pinpipe import kinesis
from pinpipe._delta import DeltaTarget, Mode, Written, folder_url, is_delta_table
from pinpipe._kinesis_consumer import Position, Start, places_of
from pinpipe._objects import Objects, open_objects
from pinpipe._outputs import DELTA_SCHEMES, import_extra
from pinpipe._records import Reject, Table, chosen_profile
from pinpipe._schema import KINDS, Schema
from pinpipe._stream_source import READ_BYTES, SharedSource, Source, TableMember
from pinpipe.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow

    from pinpipe import s3
    from pinpipe._credentials import Credentials
    from pinpipe._delta import Storage
    from pinpipe._profiles import Profile

READ_TIMEOUT_S = 0.5
COMMIT_BYTES = READ_BYTES  # of rows and rejects in memory: then a commit is due, however few they are


@dataclass
class StreamSummary:
    """What a run did so far; `until` functions see it grow.

    read = written + equal + updated + duplicates + rejected + dropped (left out by a rule of the profile) of what is
    committed. written: rows that are new in the table; equal, updated: by `merge`, rows whose `ind` was there with the
    same or with other content; duplicates: records of a commit that a later one of it replaced; conflicts: those of
    other content. commits; lost: commits that another writer of a shard was faster with, whose records it has
    written. behind_s: how old the end of what was read is, None before the first answer. census: as of `clean`.
    """

    stream: str
    table: str
    read: int = 0
    written: int = 0
    equal: int = 0
    updated: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    dropped: int = 0
    commits: int = 0
    lost: int = 0
    behind_s: float | None = None
    census: Counter[str] = field(default_factory=Counter)


class _Held:
    """What was read and is not committed."""

    def __init__(self, schema: Schema) -> None:
        self._empty: pyarrow.Table = schema.arrow().empty_table()
        self.tables: list[Table] = []
        self.rows: list[pyarrow.Table] = []
        self.records = 0
        self.size_bytes = 0
        self.since = time.monotonic()
        self.positions: dict[str, Position] = {}

    def add(self, table: Table, positions: Mapping[str, Position]) -> None:
        import pyarrow as pa

        self.positions.update(positions)
        if not self.records:
            self.since = time.monotonic()
        if table.num_records:
            self.tables.append(table)
            self.rows.append(pa.RecordBatchReader.from_stream(table).read_all())
            self.records += table.num_records
            self.size_bytes += self.rows[-1].nbytes + sum(len(reject.data) for reject in table.rejects)

    def is_due(self, limits: _Limits) -> bool:
        if self.records >= limits.records or self.size_bytes >= COMMIT_BYTES:
            return True
        return bool(self.records) and self.left_s(limits) <= 0

    def left_s(self, limits: _Limits) -> float:
        """Until a commit is due."""
        return limits.interval_s - (time.monotonic() - self.since)

    def all_rows(self) -> pyarrow.Table:
        import pyarrow as pa

        return pa.concat_tables([self._empty, *self.rows])


def stream(
    stream: str,
    to: str,
    *,
    record: str | None = None,
    mode: Mode = "append",
    checkpoint: str | None = None,
    rejects: str | None = None,
    start: Start = "earliest",
    available_now: bool = False,
    until: Callable[[StreamSummary], bool] | None = None,
    profile: str | os.PathLike[str] | Mapping[str, Any] | Profile = "course",
    commit_records: int = 10_000,
    commit_interval: float = 5.0,
    compact_commits: int = 100,
    group: str | None = None,
    leases: str | None = None,
    lease: float = 10.0,
    region: str | None = None,
    endpoint: str | None = None,
    credentials: Credentials | None = None,
) -> StreamSummary:
    """Reads a stream into a Delta table until `until(summary)` is true, or without end; each record's row once.

    stream: a name or an ARN. to: delta+file:///dir or delta+s3://bucket/prefix; it is made where it is missing. record:
    pin, geo or user; else what the stream's name ends in. mode: append, or merge = one row for each `ind`, the
    latest. checkpoint: file:///….json or s3://…, else in the table's folder; rejects: a folder in either, else beside
    the table. start: earliest, latest or a time, for a shard that the table has no position of. available_now: ends
    where the stream ended at the start. profile: as `clean`. commit_records, commit_interval: a commit is made when
    so many records or seconds have come together. compact_commits: small files are put together after so many.
    group, leases: processes of one group share the stream's shards by leases in file:///folder (of one host) or
    s3://bucket/prefix; lease: seconds after which a silent process's shards are others'. region, endpoint, credentials:
    of Kinesis, as `kinesis.Client`; S3's come from the environment.

    Processes may share a stream and a table without a group: of two that read the same shard the slower one's commit
    is given up.
    """
    kind = _kind(stream, record)
    if mode not in ("append", "merge"):
        raise InvalidArgumentError(f"mode '{mode}': it is append or merge")
    if commit_records < 1 or compact_commits < 1 or commit_interval < 0:
        raise InvalidArgumentError(
            "commit_records and compact_commits are at least 1, commit_interval at least 0"
        )
    if (group is None) != (leases is None):
        raise InvalidArgumentError("group and leases: one needs the other")
    import_extra("pyarrow", "the stream path")
    schema = Schema(kind, "clean")
    places = _Places(to, checkpoint, rejects)
    at: dict[str, Any] = {"endpoint": endpoint, "region": region, "credentials": credentials}
    client = kinesis.Client(**at)
    target = DeltaTarget(to, schema, client.describe_stream(stream).arn or stream, mode, places.checkpoint)
    at["memory_bytes"] = READ_BYTES
    rules = chosen_profile(profile) or "course"
    run = _Run(target, schema, places.rejects, StreamSummary(stream, to))
    limits = _Limits(commit_records, commit_interval, compact_commits)
    if group is not None:
        # A table that is made anew has leases of its own: what the old one had to its end is not in it.
        store = f"{str(leases).rstrip('/')}/{target.table_id}"
        with TableMember(stream, group, store, start=start, lease=lease, **at) as member:
            run.go(SharedSource(member, kind, rules, start), limits, available_now, until)
    else:
        begin = _begin(start, target.load([shard.id for shard in client.shards(stream)]))
        with kinesis.Consumer(stream, start=begin, **at) as consumer:
            run.go(Source(consumer, kind, rules, start), limits, available_now, until)
    return run.summary


def _kind(stream: str, record: str | None) -> str:
    kind = record or stream.rpartition("-")[2]
    if kind not in KINDS:
        raise InvalidArgumentError(
            f"record '{kind[:40]}' is none of {', '.join(KINDS)}, and the stream's name ends in none"
        )
    return kind


def positions(
    client: kinesis.Client,
    stream: str,
    to: str,
    *,
    record: str | None,
    checkpoint: str | None,
    storage: Storage | None,
) -> dict[str, Position]:
    """Where a table stands in each shard of its stream; TRIM_HORIZON where it has read none of it. Makes no table."""
    places = _Places(to, checkpoint, None, storage.client if storage else None)
    schema = Schema(_kind(stream, record), "clean")
    name = client.describe_stream(stream).arn or stream
    shards = [shard.id for shard in client.shards(stream)]
    known: dict[str, Position] = {}
    if is_delta_table(to, storage):
        known = DeltaTarget(to, schema, name, "append", places.checkpoint, storage).load(shards)
    return {shard: known.get(shard, "TRIM_HORIZON") for shard in shards}


def _begin(start: Start, positions: Mapping[str, Position]) -> Start:
    """Where a consumer begins: as it was asked for, but where the table stands there."""
    if not positions:
        return start
    return {**(places_of(start) or {}), **positions}


class _Places:
    """Where the checkpoint and the rejects of a table lie."""

    def __init__(
        self, to: str, checkpoint: str | None, rejects: str | None, client: s3.Client | None = None
    ) -> None:
        if not to.startswith(DELTA_SCHEMES) or to in DELTA_SCHEMES:
            raise InvalidArgumentError(
                f"table '{to[:60]}' is neither delta+file:///dir nor delta+s3://bucket/prefix"
            )
        self.checkpoint: tuple[Objects, str] | None = None
        if checkpoint is not None:
            folder, _, name = checkpoint.rpartition("/")
            if not name:
                raise InvalidArgumentError(f"checkpoint '{folder[:60]}/' names no object")
            self.checkpoint = (open_objects(folder, client), name)
        self.rejects = open_objects(rejects or f"{folder_url(to)}.rejects", client)


@dataclass(frozen=True)
class _Limits:
    records: int
    interval_s: float
    compact_commits: int


class _Run:
    """One reader and one writer, until the end."""

    def __init__(self, target: DeltaTarget, schema: Schema, rejects: Objects, summary: StreamSummary) -> None:
        self._target = target
        self._schema = schema
        self._rejects = rejects
        self.summary = summary

    def go(
        self,
        source: Source,
        limits: _Limits,
        available_now: bool,
        until: Callable[[StreamSummary], bool] | None,
    ) -> None:
        held = _Held(self._schema)
        ended = False
        source.settle(self._target)
        while not ended:
            wait_s = min(READ_TIMEOUT_S, max(0.0, held.left_s(limits))) if held.records else READ_TIMEOUT_S
            held.add(*source.read(limits.records - held.records, wait_s))
            self.summary.behind_s = source.behind_s
            ended = available_now and source.has_ended()
            ended = ended or (until is not None and until(self.summary))
            if ended or held.is_due(limits) or source.is_urgent(self._target):
                ended = self._commit(source, held, limits) and ended
                held = _Held(self._schema)
                source.settle(self._target)
        self._target.save_checkpoint(now=True)

    def _commit(self, source: Source, held: _Held, limits: _Limits) -> bool:
        """Writes rejects, rows and positions; False where another writer was faster and the reader went back."""
        positions = source.positions | held.positions  # one whose lease was lost is in the latter alone
        moved = {
            name: place for name, place in positions.items() if self._target.positions.get(name) != place
        }
        if not moved:
            return True
        rows, dropped = self._rows(held)
        written = self._target.commit(rows, moved, rejects=self._put_rejects(held))
        if written is None:
            self.summary.lost += 1
            source.go_back(moved, self._target.load(source.shards))
            return False
        self._count(held, written, dropped)
        if self.summary.commits % limits.compact_commits == 0:
            self._target.compact()
        self._target.save_checkpoint()
        return True

    def _rows(self, held: _Held) -> tuple[pyarrow.Table, list[Any]]:
        """All rows, for a merge the last of each `ind`; and the rows that another one replaced, each with that one."""
        import pyarrow as pa

        rows = held.all_rows()
        if self._target.mode == "append" or not rows.num_rows:
            return rows, []
        numbered = pa.table({"ind": rows["ind"], "row": pa.array(range(rows.num_rows), pa.int64())})
        kept = numbered.group_by("ind").aggregate([("row", "max")]).sort_by("row_max")["row_max"]
        latest = rows.take(kept)
        if latest.num_rows == rows.num_rows:
            return latest, []
        by_key = dict(zip(latest["ind"].to_pylist(), range(latest.num_rows), strict=True))
        gone = sorted(set(range(rows.num_rows)) - set(kept.to_pylist()))
        replaced = rows.take(gone).to_pylist()
        beside = latest.take([by_key[row["ind"]] for row in replaced]).to_pylist()
        return latest, list(zip(replaced, beside, strict=True))

    def _put_rejects(self, held: _Held) -> list[str]:
        """Stores the records that could not be read, an object a shard, under the names of its first and last.

        The same stretch has the same name and the same bytes, whoever reads it.
        """
        found: dict[str, list[tuple[str, Reject]]] = {}
        for table in held.tables:
            for reject in table.rejects:
                shard, sequence, *_ = reject.source.removeprefix(f"kinesis://{self.summary.stream}/").split(
                    "/"
                )
                found.setdefault(shard, []).append((sequence, reject))
        names = []
        for shard, each in found.items():
            names.append(f"{shard}-{each[0][0]}-{each[-1][0]}.ndjson")
            self._rejects.put(names[-1], b"".join(_reject_lines(self.summary.stream, shard, each)))
        return names

    def _count(self, held: _Held, written: Written, replaced: list[Any]) -> None:
        summary = self.summary
        for table in held.tables:
            summary.read += table.num_records
            summary.rejected += len(table.rejects)
            summary.dropped += table.dropped
            summary.census.update(table.census)
        summary.written += written.inserted
        summary.equal += written.equal
        summary.updated += written.updated
        summary.duplicates += len(replaced)
        summary.conflicts += written.updated + sum(row != beside for row, beside in replaced)
        summary.commits += 1


def _reject_lines(stream: str, shard: str, rejects: list[tuple[str, Reject]]) -> Iterator[bytes]:
    for sequence, reject in rejects:
        line = {
            "stream": stream,
            "shardId": shard,
            "sequenceNumber": sequence,
            "reason": reject.reason,
            "data_bytes": reject.data_bytes,
            "data_b64": base64.b64encode(reject.data).decode(),
        }
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
