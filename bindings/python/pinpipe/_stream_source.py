"""Turns the shards of a Kinesis stream into clean rows, with the place of each shard after them.

Never reads a child before its parents' end, and never gives out a record twice unless it is asked to go back.
Rules: docs/stream.md; Kinesis' own: five reads a second of a shard, an empty answer is normal.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pinpipe import kinesis
from pinpipe._delta import Position
from pinpipe._records import Reader, Table, read_table
from pinpipe.errors import ConflictError

if TYPE_CHECKING:
    from pinpipe._profiles import Profile

#: Where a shard without a position begins.
Start = str | datetime

READ_INTERVAL_S = 0.25
LIST_INTERVAL_S = 10.0
_UNKNOWN_MS = (
    10**12
)  # a double that does not tell how far behind it is: not at the end as long as records come


@dataclasses.dataclass
class _Shard:
    info: kinesis.Shard
    position: Position | None
    iterator: str | None = None
    next_read: float = 0.0
    read_until: float | None = None
    was_read: bool = False

    @property
    def ended(self) -> bool:
        return self.position == "SHARD_END"


class StreamSource:
    """The shards of one stream, read one after the other."""

    def __init__(self, client: kinesis.Client, stream: str, start: Start, profile: Profile | None) -> None:
        """start: "earliest", "latest" or a time, for shards of which no position is known."""
        self._client = client
        self._stream = stream
        self._start = start
        self._profile = profile
        self._shards: dict[str, _Shard] = {}
        self._began = datetime.now(UTC)
        self._listed = 0.0
        self._turn = 0
        self.stream_arn = client.describe_stream(stream).arn or stream
        self._list()

    @property
    def shards(self) -> list[str]:
        """Every shard that the stream still has."""
        return list(self._shards)

    @property
    def positions(self) -> dict[str, Position]:
        """Shard -> after which record it goes on."""
        return {name: shard.position for name, shard in self._shards.items() if shard.position is not None}

    @property
    def read_until(self) -> dict[str, float | None]:
        """Shard -> the moment (monotonic) that it is read up to, of those that can be read now; None = not yet read."""
        return {shard.info.id: shard.read_until for shard in self._open_shards()}

    def has_ended(self, moment: float | None) -> bool:
        """Whether every shard has ended, or is read up to a moment."""
        times = self.read_until.values()
        return all(moment is not None and at is not None and at >= moment for at in times)

    def seek(self, positions: Mapping[str, Position]) -> None:
        """Goes on from these positions; a shard without one begins anew."""
        for name, shard in self._shards.items():
            shard.position = positions.get(name)
            shard.iterator = shard.read_until = None

    def _list(self) -> None:
        self._listed = time.monotonic()
        for info in self._client.shards(self._stream):
            self._shards.setdefault(info.id, _Shard(info, None))

    def _open_shards(self) -> list[_Shard]:
        return [shard for shard in self._shards.values() if not shard.ended and self._may_begin(shard.info)]

    def _may_begin(self, info: kinesis.Shard) -> bool:
        parents: Iterable[str | None] = (info.parent, info.adjacent_parent)
        return all(self._shards[name].ended for name in parents if name in self._shards)

    def clean_batch(self, kind: str, max_records: int, timeout: float) -> Table:
        """What the next shard that has something gives; an empty table where none has within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            if time.monotonic() - self._listed > LIST_INTERVAL_S:
                self._list()
            shards = self._open_shards()
            for turn in range(len(shards)):
                shard = shards[(self._turn + turn) % len(shards)]
                if shard.next_read > time.monotonic():
                    continue
                records = self._read(shard, max_records)
                if records or shard.ended:
                    self._turn += turn + 1
                    return self._table(kind, shard.info.id, records)
            left = deadline - time.monotonic()
            if left <= 0:
                return self._table(kind, "", [])
            ready = min((shard.next_read for shard in shards), default=deadline)
            time.sleep(max(0.0, min(left, ready - time.monotonic(), READ_INTERVAL_S)))

    def _read(self, shard: _Shard, max_records: int) -> list[kinesis.Record]:
        if shard.iterator is None:
            shard.iterator = self._iterator(shard)
        asked = time.monotonic()
        shard.next_read = asked + READ_INTERVAL_S
        try:
            page = self._client.get(shard.iterator, records=min(max_records, 10_000))
        except ConflictError:  # the iterator has expired
            shard.iterator = None
            return []
        shard.iterator = page.iterator
        behind_ms = page.behind_ms if page.behind_ms is not None else _UNKNOWN_MS * bool(page.records)
        shard.read_until = asked - behind_ms / 1000
        if page.records:
            shard.position = (page.records[-1].sequence_number, 0)
        if page.iterator is None:
            shard.position = "SHARD_END"
            self._list()
        return page.records

    def _iterator(self, shard: _Shard) -> str:
        name = shard.info.id
        if isinstance(shard.position, tuple):
            return self._client.iterator(self._stream, name, after=shard.position[0])
        is_child = any(parent in self._shards for parent in (shard.info.parent, shard.info.adjacent_parent))
        if self._start == "earliest" or is_child:
            return self._client.iterator(self._stream, name)
        if self._start == "latest" and shard.was_read:  # what came since must not be passed over
            return self._client.iterator(self._stream, name, at=self._began)
        shard.was_read = True
        return self._client.iterator(self._stream, name, at=self._start)

    def _table(self, kind: str, shard: str, records: list[kinesis.Record]) -> Table:
        reader = Reader(kind, "clean", "ndjson", "none", profile=self._profile)
        table = read_table(reader, reader.read([record.data for record in records]))
        table.rejects = [
            dataclasses.replace(
                reject,
                source=json.dumps([self._stream, shard, records[reject.index].sequence_number]),
            )
            for reject in table.rejects
        ]
        return table
