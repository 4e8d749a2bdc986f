"""Turns what a consumer has read into columns: lists, arrays, Arrow data without a copy, clean tables.

Never makes an object a record unless it is asked for one.
Rules: docs/kafka.md, "Batches"; the Arrow PyCapsule interface; CONTRACT §4 for clean tables.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from pinpipe import native
from pinpipe._records import Reader, Table, chosen_profile, read_table

PIECE_RECORDS = 256  # made at once, so that their memory is used again and stays in the first cache


class Records:
    """Records of one read: columns of topic, partition, offset, timestamp, key and value.

    Arrow consumers take it without a copy (pyarrow.record_batch, polars.DataFrame, duckdb), any number of times.
    """

    def __init__(self, handle: Any, spare: list[Any]) -> None:
        """Made by `Consumer.consume_batch`. spare: where the core's memory goes for the next read."""
        self._handle = handle
        self._spare = spare
        self.num_records = int(native.kafka_records_count(handle))
        self.revoked: list[tuple[str, int]] = native.kafka_records_revoked(handle)
        """Partitions that belong to the consumer no longer; their records came before."""
        self.next_offsets: dict[tuple[str, int], int] = native.kafka_records_next(handle)
        """What `Consumer.commit` takes once all of this is done."""

    def __del__(self) -> None:
        """Lets the next read have the memory, while it is in the caches; what Arrow data shares is not touched."""
        if not self._spare:
            self._spare.append(self._handle)

    def __len__(self) -> int:
        """How many records."""
        return self.num_records

    def values(self) -> Iterator[bytes | None]:
        """The values, one by one; None is Kafka's null."""
        return self._entries(0)

    def keys(self) -> Iterator[bytes | None]:
        """The keys, one by one; None is Kafka's null."""
        return self._entries(1)

    def _entries(self, which: int) -> Iterator[bytes | None]:
        firsts = range(0, self.num_records, PIECE_RECORDS)
        pieces = (native.kafka_records_list(self._handle, which, first, PIECE_RECORDS) for first in firsts)
        return itertools.chain.from_iterable(pieces)

    @property
    def topic_names(self) -> list[str]:
        """The topics that `topics` counts."""
        found: list[str] = native.kafka_records_topics(self._handle)
        return found

    @property
    def topics(self) -> memoryview:
        """int32: the record's topic, an index of `topic_names`."""
        return memoryview(native.kafka_records_numbers(self._handle, 0)).cast("i")

    @property
    def partitions(self) -> memoryview:
        """int32."""
        return memoryview(native.kafka_records_numbers(self._handle, 1)).cast("i")

    @property
    def offsets(self) -> memoryview:
        """int64."""
        return memoryview(native.kafka_records_numbers(self._handle, 2)).cast("q")

    @property
    def timestamps_ms(self) -> memoryview:
        """int64: milliseconds since 1970 in UTC; -1 = none."""
        return memoryview(native.kafka_records_numbers(self._handle, 3)).cast("q")

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The Arrow PyCapsule interface: a struct array that shares these columns."""
        schema, array = native.kafka_records_capsules(self._handle)
        return schema, array

    def __repr__(self) -> str:
        """Says what it is."""
        return f"<pinpipe.kafka.Records: {self.num_records} records of {', '.join(self.topic_names) or 'no topic'}>"


@dataclasses.dataclass(frozen=True, slots=True)
class RecordReject:
    """A record that could not be read: where it lies, the reason, and its value (the first 64 KiB of `data_bytes`)."""

    topic: str
    partition: int
    offset: int
    reason: str
    data: bytes
    data_bytes: int


class CleanBatch:
    """The clean rows of one read, what could not be read, and what to commit once both are kept."""

    def __init__(self, table: Table, records: Records) -> None:
        """Made by `Consumer.clean_batch`."""
        self.table = table
        """The clean rows, with the census; its rejects' index counts the records of this read."""
        self.records = records
        """The records that were read."""
        self.next_offsets = records.next_offsets
        """What `Consumer.commit` takes."""
        self.revoked = records.revoked
        """Partitions that belong to the consumer no longer; their records came before."""

    @property
    def rejects(self) -> list[RecordReject]:
        """What could not be read, by place."""
        if not self.table.rejects:
            return []
        names, topics = self.records.topic_names, self.records.topics
        partitions, offsets = self.records.partitions, self.records.offsets
        return [
            RecordReject(
                names[topics[one.index]],
                partitions[one.index],
                offsets[one.index],
                one.reason,
                one.data,
                one.data_bytes,
            )
            for one in self.table.rejects
        ]


def clean(kind: str, records: Records, profile: Any = "course", max_record_bytes: int = 0) -> CleanBatch:
    """The clean rows of records."""
    reader = Reader(kind, "clean", "auto", "none", max_record_bytes, profile=chosen_profile(profile))
    return CleanBatch(read_table(reader, reader.read_topics(records._handle)), records)
