"""Turns calls on Kinesis streams into signed requests of the C core, and their answers into records.

Never waits beyond a call's timeout; every call has one, retries included.
Rules: docs/kinesis.md; CONTRACT §3.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from pinpipe import native
from pinpipe._waiting import Handle, beside, milliseconds
from pinpipe.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

__all__ = ["Client", "Page", "Place", "Record", "Shard", "Stream"]

Buffer = bytes | bytearray | memoryview | str
Result = TypeVar("Result")
_WIRES = {"json": native.KINESIS_JSON, "cbor": native.KINESIS_CBOR}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stream(NamedTuple):
    """What the service says of a stream; None where it says nothing. record_max_bytes counts data and key."""

    name: str
    arn: str
    state: str
    mode: str | None
    open_shards: int | None
    retention_hours: int | None
    record_max_bytes: int


class Shard(NamedTuple):
    """A shard: which hash keys it takes, first to last, and what it came from. Open while last_sequence is None."""

    id: str
    parent: str | None
    adjacent_parent: str | None
    first_hash: str
    last_hash: str
    first_sequence: str
    last_sequence: str | None


class Place(NamedTuple):
    """Where a record was written."""

    shard: str
    sequence_number: str


class Record(NamedTuple):
    """A record that was read. arrival: about when the service took it."""

    partition_key: str
    data: bytes
    sequence_number: str
    arrival: datetime | None


class Page(NamedTuple):
    """One answer: its records, the iterator of the next one (None: the shard has ended), ms behind the tip."""

    records: list[Record]
    iterator: str | None
    behind_ms: int | None


class Client(Handle):
    """A client of one region's Kinesis with its kept-alive connections.

    Threads may share it, one call is under way at a time. In a forked child every call raises `ForkedError`. A
    `stream` is a name or an ARN. Every call raises DeadlineError, NetworkError, AuthError, NotFoundError (no such
    stream or shard), ThrottledError, ServiceError, RefusedError with the service's own code and text.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        region: str | None = None,
        credentials: Credentials | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        wire: Literal["json", "cbor"] = "json",
        connect_timeout: float | None = None,
        timeout: float = 60.0,
        attempts: int | None = None,
    ) -> None:
        """Makes a client; waits for nothing but the first key.

        endpoint: a URL, else AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the profile's, Amazon's own for the
        region. region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's; `us-east-1` at an endpoint that is not
        Amazon's. credentials: else the default chain. wire: cbor saves a quarter of the bytes; Amazon's SDKs use
        it, few doubles have it. connect_timeout: 3.1 s an attempt. timeout: of a call without one of its own.
        attempts: 3.
        """
        if wire not in _WIRES:
            raise InvalidArgumentError(f"wire '{wire}': it is one of {', '.join(_WIRES)}")
        self._timeout = timeout
        provider = credentials._provider if credentials else None
        super().__init__(
            beside(
                lambda: native.kinesis_new(
                    provider,
                    endpoint,
                    region,
                    os.fspath(ca_file) if ca_file else None,
                    _WIRES[wire],
                    milliseconds(connect_timeout or 0),
                    milliseconds(timeout),
                    attempts or 0,
                )
            )
        )

    def _wait(self, timeout: float | None) -> int:
        return max(1, milliseconds(self._timeout if timeout is None else timeout))

    def _call(self, call: Callable[..., Result], *arguments: object, timeout: float | None) -> Result:
        wait_ms = self._wait(timeout)

        def run() -> Result:
            with self._alone() as handle:
                return call(handle, *arguments, wait_ms)

        return beside(run)

    def create_stream(self, stream: str, shards: int | None = 1, *, timeout: float | None = None) -> None:
        """Creates a stream, on demand where `shards` is None, and waits until it can be used.

        Raises ConflictError where it exists.
        """
        if shards is not None and shards < 1:
            raise InvalidArgumentError(f"shards: {shards} are less than 1")
        self._call(native.pinpipe_kinesis_stream_put, stream, shards or 0, timeout=timeout)

    def delete_stream(self, stream: str, *, timeout: float | None = None) -> None:
        """Deletes a stream and waits until it is gone."""
        self._call(native.pinpipe_kinesis_stream_delete, stream, timeout=timeout)

    def describe_stream(self, stream: str, *, timeout: float | None = None) -> Stream:
        """What the service says of a stream."""
        return Stream(*self._call(native.pinpipe_kinesis_stream_get, stream, timeout=timeout))

    def streams(self, *, timeout: float | None = None) -> list[str]:
        """The names of all streams of the account in this region."""

        def call(handle: object, wait_ms: int) -> list[str]:
            native.pinpipe_kinesis_streams_list(handle, wait_ms)
            return list(native.kinesis_stream_names(handle))

        return self._call(call, timeout=timeout)

    def shards(self, stream: str, *, timeout: float | None = None) -> list[Shard]:
        """All shards of a stream, closed ones too."""

        def call(handle: object, wait_ms: int) -> list[Shard]:
            native.pinpipe_kinesis_shards_list(handle, stream, wait_ms)
            return [Shard(*parts) for parts in native.kinesis_shards(handle)]

        return self._call(call, timeout=timeout)

    def split_shard(self, stream: str, shard: str, hash_key: str, *, timeout: float | None = None) -> None:
        """Splits a shard where the second child's `hash_key` begins; waits until the stream can be used."""
        self._call(native.kinesis_shard_split, stream, shard, hash_key, timeout=timeout)

    def merge_shards(self, stream: str, shard: str, adjacent: str, *, timeout: float | None = None) -> None:
        """Merges two neighbours; waits until the stream can be used."""
        self._call(native.kinesis_shards_merge, stream, shard, adjacent, timeout=timeout)

    def set_shards(self, stream: str, shards: int, *, timeout: float | None = None) -> None:
        """Changes how many open shards a stream has; waits until it can be used."""
        self._call(native.pinpipe_kinesis_shards_set, stream, shards, timeout=timeout)

    def put(
        self,
        stream: str,
        data: Buffer,
        partition_key: str,
        *,
        hash_key: str | None = None,
        timeout: float | None = None,
    ) -> Place:
        """Writes one record (a str as UTF-8). hash_key: decimal, in place of the partition key's MD5.

        A retry after a lost answer may write it twice. Raises LimitError beyond 10 MiB.
        """
        return Place(
            *self._call(native.kinesis_record_put, stream, data, partition_key, hash_key, timeout=timeout)
        )

    def iterator(
        self,
        stream: str,
        shard: str,
        *,
        after: str | None = None,
        at: str | datetime | Literal["latest"] | None = None,
        timeout: float | None = None,
    ) -> str:
        """Where reading a shard begins; good for five minutes.

        after: a sequence number. at: a sequence number, a time, or "latest" for what is written from now on. None of
        them: the shard's oldest record.
        """
        if after is not None and at is not None:
            raise InvalidArgumentError("start: one of `after` and `at`")
        start, sequence, time_ms = native.KINESIS_TRIM_HORIZON, after, 0
        if after is not None:
            start = native.KINESIS_AFTER_SEQUENCE
        elif isinstance(at, datetime):
            start, time_ms = native.KINESIS_AT_TIMESTAMP, (at - _EPOCH) // timedelta(milliseconds=1)
        elif at == "latest":
            start = native.KINESIS_LATEST
        elif at is not None:
            start, sequence = native.KINESIS_AT_SEQUENCE, at
        found: bytes = self._call(
            native.kinesis_iterator_get, stream, shard, start, sequence, time_ms, timeout=timeout
        )
        return found.decode()

    def get(self, iterator: str, *, records: int = 10_000, timeout: float | None = None) -> Page:
        """What follows an iterator; no records are normal. Raises ConflictError where it has expired."""

        def call(handle: object, wait_ms: int) -> Page:
            batch = native.pinpipe_kinesis_batch_new()
            native.pinpipe_kinesis_records_get(batch, handle, iterator, records, wait_ms)
            found = [_record(*parts) for parts in native.kinesis_batch_items(batch)]
            behind = native.pinpipe_kinesis_batch_behind_ms(batch)
            return Page(
                found, native.pinpipe_kinesis_batch_iterator(batch) or None, behind if behind >= 0 else None
            )

        return self._call(call, timeout=timeout)


def _record(key: str, data: bytes, sequence_number: str, arrival_us: int | None) -> Record:
    arrival = None if arrival_us is None else _EPOCH + timedelta(microseconds=arrival_us)
    return Record(key, data, sequence_number, arrival)
