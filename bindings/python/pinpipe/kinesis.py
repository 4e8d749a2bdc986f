"""Turns calls on Kinesis streams into signed requests of the C core, and their answers into records.

Never waits beyond a call's timeout; every call has one, retries included.
Rules: docs/kinesis.md; CONTRACT §3.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from pinpipe import native
from pinpipe._kafka_batch import Column, Values, bytes_columns, column_ends, column_part
from pinpipe._kinesis_consumer import (
    Batch,
    Consumer,
    Position,
    Received,
    Routed,
    ShardState,
    chosen,
    service_options,
)
from pinpipe._kinesis_group import GroupConsumer, Lease
from pinpipe._kinesis_reports import Metrics, Report, Reports, ShardMetrics
from pinpipe._waiting import STEP_MS, Handle, ProducerHandle, beside, in_steps, milliseconds, steps
from pinpipe.errors import DeadlineError, InvalidArgumentError, NetworkError, NotFoundError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

__all__ = [
    "Batch",
    "Client",
    "Column",
    "Consumer",
    "Gateway",
    "GroupConsumer",
    "Lease",
    "Metrics",
    "Page",
    "Place",
    "Position",
    "Producer",
    "Received",
    "Record",
    "Report",
    "Reports",
    "Routed",
    "Shard",
    "ShardMetrics",
    "ShardState",
    "Stream",
]

Buffer = bytes | bytearray | memoryview | str
Result = TypeVar("Result")
_ORDERINGS = {
    "none": native.KINESIS_ORDER_NONE,
    "key": native.KINESIS_ORDER_KEY,
    "strict": native.KINESIS_ORDER_STRICT,
}
_RESOURCES = {"records": native.KINESIS_GATEWAY_RECORDS, "record": native.KINESIS_GATEWAY_RECORD}
_NO_GATEWAY = (None, 0, 0, None, 0)
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


class Gateway:
    """An API Gateway that stands before Kinesis as its proxy, for `Producer(stream, gateway=…)`.

    No answer of a gateway tells what was stored: `Client.gateway_fault` looks.
    """

    SCHEME = "apigw+"

    def __init__(
        self,
        endpoint: str,
        *,
        form: Literal["aws-tutorial", "solutions-construct"] = "aws-tutorial",
        resource: Literal["records", "record"] = "records",
        api_key: str | None = None,
        iam: bool = False,
    ) -> None:
        """Names a gateway; opens nothing.

        endpoint: the invoke URL with its stage. form: whose resources and field names its mapping templates have.
        resource: records = many a request, data is text; record = one a request, data is a JSON value. api_key: a
        secret. iam: requests are signed for execute-api by the producer's credentials, else nobody signs them.
        """
        forms: dict[str, int] = {}
        while name := native.pinpipe_kinesis_gateway_form_name(len(forms)):
            forms[name] = len(forms)
        auth = native.KINESIS_GATEWAY_AUTH_IAM if iam else native.KINESIS_GATEWAY_AUTH_NONE
        self._options = (
            endpoint.removeprefix(self.SCHEME),
            chosen("form", form, forms),
            chosen("resource", resource, _RESOURCES),
            api_key,
            auth,
        )


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
        service = service_options(credentials, endpoint, region, ca_file, wire)
        self._timeout = timeout
        super().__init__(
            beside(
                lambda: native.kinesis_new(
                    *service,
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

    def register_consumer(self, stream_arn: str, name: str, *, timeout: float | None = None) -> str:
        """Registers a consumer with enhanced fan-out, or finds it, and waits until it can be used; returns its ARN.

        It costs by the hour until `deregister_consumer`.
        """
        found: bytes = self._call(native.pinpipe_kinesis_fan_out_put, stream_arn, name, timeout=timeout)
        return found.decode()

    def deregister_consumer(self, arn: str, *, timeout: float | None = None) -> None:
        """Takes a registered consumer away."""
        self._call(native.pinpipe_kinesis_fan_out_delete, arn, timeout=timeout)

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

    def gateway_fault(
        self, stream: str, place: Place, sent: Buffer, *, timeout: float | None = None
    ) -> str | None:
        """What a gateway's mapping template made of the record `sent`, and what to change; None: nothing known.

        place: where its report says that it was written. Raises NotFoundError where nothing is there any more.
        """
        where = self.iterator(stream, place.shard, at=place.sequence_number, timeout=timeout)
        records = self.get(where, records=1, timeout=timeout).records
        if not records or records[0].sequence_number != place.sequence_number:
            raise NotFoundError(f"record {place.sequence_number}: it is not in shard {place.shard}")
        said = native.pinpipe_kinesis_gateway_fault_text(sent, records[0].data)
        return None if said is None else str(said)


def _record(key: str, data: bytes, sequence_number: str, arrival_us: int | None) -> Record:
    arrival = None if arrival_us is None else _EPOCH + timedelta(microseconds=arrival_us)
    return Record(key, data, sequence_number, arrival)


class Producer(ProducerHandle):
    """Writes records of one stream: many in a request, those that failed again, within the limits of its shards.

    It goes on while no thread is in one of its calls, by a thread of its own, unless its credentials are a callback:
    then a program that writes seldom calls `poll`. As a context manager it flushes at a clean end. Threads may share
    it. In a forked child every call raises `ForkedError`.
    """

    def __init__(
        self,
        stream: str,
        endpoint: str | None = None,
        *,
        region: str | None = None,
        credentials: Credentials | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        wire: Literal["json", "cbor"] = "json",
        timeout: float = 60.0,
        ordering: Literal["none", "key", "strict"] = "none",
        reports: bool = False,
        memory_bytes: int = 64 << 20,
        linger: float = 0.1,
        request_records: int = 500,
        request_bytes: int = 5 << 20,
        delivery_timeout: float = 120.0,
        aggregate_bytes: int | None = None,
        in_flight: int = 4,
        gateway: Gateway | None = None,
    ) -> None:
        """Opens a producer: asks for the stream's limits and shards, within `timeout` seconds.

        stream: a name or an ARN. endpoint, region, credentials, ca_file, wire: as `Client`. ordering: key = records
        of a key arrive in the order of writing; strict = the same by the service's own rule, one record a request.
        reports: each record's fate is kept until `reports` takes it. memory_bytes: what waits, with 128 bytes a
        record. linger: how long a record waits for others. aggregate_bytes: records are packed as the Kinesis
        Producer Library does, so many bytes at most (its own default is 51200); None = they are not. gateway: what
        takes the records in place of Kinesis; nothing is asked at first then, and credentials sign only where it wants
        IAM.
        """
        service = service_options(credentials, endpoint, region, ca_file, wire)
        order = chosen("ordering", ordering, _ORDERINGS)
        super().__init__(
            beside(
                lambda: native.kinesis_producer_new(
                    stream,
                    *service,
                    milliseconds(timeout),
                    order,
                    native.KINESIS_REPORTS_ALL if reports else native.KINESIS_REPORTS_NONE,
                    memory_bytes,
                    milliseconds(linger) or -1,
                    request_records,
                    request_bytes,
                    milliseconds(delivery_timeout),
                    aggregate_bytes or 0,
                    in_flight,
                    *(gateway._options if gateway else _NO_GATEWAY),
                )
            )
        )

    def write(
        self,
        data: Buffer,
        partition_key: str,
        *,
        hash_key: str | None = None,
        tag: int = 0,
        timeout: float = 30.0,
    ) -> None:
        """Queues a record (a str as UTF-8); waits up to `timeout` seconds for room.

        hash_key: decimal, in place of the partition key's MD5. tag: comes back in the report. Raises DeadlineError (the
        queue stayed full), InvalidArgumentError, LimitError (the record is too large).
        """

        def attempt(step_ms: int) -> None:
            with self._alone() as handle:
                native.kinesis_producer_write(handle, data, partition_key, hash_key, tag, step_ms)

        # Nearly every record finds room at once: no step is counted before one has failed.
        try:
            attempt(min(milliseconds(timeout), STEP_MS))
        except DeadlineError:
            left = timeout - STEP_MS / 1000
            if left <= 0:
                raise
            in_steps(attempt, left)

    def write_batch(
        self,
        data: Values,
        partition_keys: Values,
        *,
        hash_keys: Values | None = None,
        tag: int = 0,
        timeout: float = 30.0,
    ) -> int:
        """Queues many records of columns: Arrow arrays, chunked or not, `Column` or lists; without an object a record.

        Returns how many were taken: fewer than there are where the queue was full for `timeout` seconds. tag: that of
        the first record; each next one has one more. Raises as `write`; the error names the record's tag, and those
        before it are queued.
        """
        columns = [bytes_columns("data", data), bytes_columns("partition_keys", partition_keys)]
        columns += [bytes_columns("hash_keys", hash_keys)] if hash_keys is not None else []
        ends = [column_ends(column) for column in columns]
        count = ends[0][-1] if ends[0] else 0
        if any((each[-1] if each else 0) != count for each in ends):
            raise InvalidArgumentError(f"partition_keys or hash_keys: not as many entries as {count} of data")
        deadline = time.monotonic() + milliseconds(timeout) / 1000
        done = 0
        for first, end in itertools.pairwise(sorted({0, *itertools.chain.from_iterable(ends)})):
            parts = [column_part(column, first, end - first, 0)[1] for column in columns]
            done += self._write_part([*parts, None][:3], end - first, tag + done, deadline)
            if done < end:
                break
        return done

    def _write_part(self, parts: list[Any], count: int, tag: int, deadline: float) -> int:
        done = 0
        for step_ms, _ in steps(max(0.0, deadline - time.monotonic())):
            with self._alone() as handle:
                done += native.kinesis_producer_write_columns(handle, *parts, done, tag, step_ms)
            if done == count:
                break
        return done

    def flush(self, timeout: float = 30.0) -> None:
        """Waits until every record is delivered or has failed.

        Raises DeadlineError with records still waiting, else the error of the first record that failed since the last
        flush, with their number.
        """
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    native.pinpipe_kinesis_producer_flush(handle, step_ms)
                return
            except (DeadlineError, NetworkError):
                if last or self.waiting == 0:
                    raise

    def poll(self, timeout: float = 0.0) -> None:
        """Moves what is under way, until a record has ended or `timeout` seconds have passed."""
        for step_ms, _ in steps(timeout):
            with self._alone() as handle:
                if native.pinpipe_kinesis_producer_poll(handle, step_ms) != native.STATUS_AGAIN:
                    return

    def reports(self) -> list[Report]:
        """The fates of records that ended since the last call, each once; needs `reports=True`."""
        with self._alone() as handle:
            found = native.kinesis_producer_reports(handle)
        return [
            Report(tag, native.pinpipe_status_name(status) if status else None, *rest)
            for tag, status, *rest in found
        ]

    def report_arrays(self) -> Reports:
        """As `reports`, in arrays."""
        with self._alone() as handle:
            tags, latencies, errors, attempts, *texts = native.kinesis_producer_report_arrays(handle)
        shards, shard_ends, numbers, number_ends = texts
        return Reports(
            memoryview(tags).cast("q"),
            memoryview(errors).cast("i"),
            memoryview(attempts).cast("i"),
            memoryview(latencies).cast("q"),
            Column(shards, memoryview(shard_ends).cast("q")),
            Column(numbers, memoryview(number_ends).cast("q")),
        )

    @property
    def counters(self) -> dict[str, int]:
        """What the producer counts: written, delivered, failed, throttled, requests, …"""
        found: dict[str, int] = {}
        with self._alone() as handle:
            while name := native.pinpipe_kinesis_counter_name(len(found)):
                found[name] = int(native.pinpipe_kinesis_producer_count(handle, len(found)))
        return found

    @property
    def metrics(self) -> Metrics:
        """Which shard throttles, and which errors came."""
        with self._alone() as handle:
            shards = native.kinesis_producer_shards(handle)
            codes = native.kinesis_producer_codes(handle)
        return Metrics({shard: ShardMetrics(*counts) for shard, *counts in shards}, dict(codes))

    def _count(self, counter: int) -> int:
        with self._alone() as handle:
            return int(native.pinpipe_kinesis_producer_count(handle, counter))

    @property
    def written(self) -> int:
        """Records taken so far."""
        return self._count(native.KINESIS_WRITTEN)

    @property
    def delivered(self) -> int:
        """Records that the service has acknowledged."""
        return self._count(native.KINESIS_DELIVERED)

    @property
    def failed(self) -> int:
        """Records that were given up."""
        return self._count(native.KINESIS_FAILED)

    @property
    def waiting(self) -> int:
        """Records whose fate is not known."""
        return self.written - self.delivered - self.failed
