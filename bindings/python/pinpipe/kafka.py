"""Turns records into Kafka's topics and back, by librdkafka in the C core.

Never waits beyond a call's timeout; never lets a record's failed delivery pass unnoticed.
Rules: docs/kafka.md; settings are librdkafka's (CONFIGURATION.md), passed through over safe defaults.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pinpipe import native
from pinpipe._credentials import Credentials, shared_default
from pinpipe._inputs import ArrowStreamExportable, file_error
from pinpipe._kafka_batch import Column, Delivery, Failure, Headers, Numbers, Values, delivery_handles
from pinpipe._kafka_records import CleanBatch, RecordReject, Records, clean
from pinpipe._kafka_statistics import Statistics, statistics_of
from pinpipe._records import Table, decode
from pinpipe._rest import RestProducer, RestResult
from pinpipe._sign import msk_token
from pinpipe._waiting import STEP_MS, Handle, ProducerHandle, beside, in_steps, milliseconds, steps
from pinpipe.errors import DeadlineError, InvalidArgumentError, NetworkError

if TYPE_CHECKING:
    from pinpipe._profiles import Profile

__all__ = [
    "Admin",
    "CleanBatch",
    "Column",
    "Consumer",
    "Delivery",
    "Failure",
    "Message",
    "MockCluster",
    "Partition",
    "Producer",
    "RecordReject",
    "Records",
    "RestProducer",
    "RestResult",
    "Settings",
    "Statistics",
    "TopicDescription",
    "msk_token",
]

Settings = Mapping[str, str | int | float | bool]
_Path = str | os.PathLike[str]
_PROPERTIES_BYTES_MAX = 65536
Buffer = bytes | bytearray | memoryview | str


class Message(NamedTuple):
    """A record that was read. A key or value of None is Kafka's null; timestamp_ms is -1 where there is none.

    headers are in the order in which they were written; a name may come more than once.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Partition(NamedTuple):
    """A partition of a topic: the broker that leads it (-1 = none now), its replicas, and those in sync."""

    partition: int
    leader: int
    replicas: int
    in_sync: int


@dataclasses.dataclass(frozen=True, slots=True)
class TopicDescription:
    """What a cluster knows of a topic."""

    name: str
    partitions: list[Partition]
    configs: dict[str, str | None]
    """Every setting; None = the broker does not tell its value."""
    changed: set[str]
    """The settings that are not the broker's default."""


def native_settings(
    settings: Settings | None,
    *,
    properties: _Path | None = None,
    iam: Credentials | bool | None = None,
    region: str | None = None,
) -> Any:
    """The C core's copy of the settings; None where there are none."""
    if not settings and properties is None and not iam:
        if region is not None:
            raise InvalidArgumentError(f"region '{region}': it is for IAM login, which was not asked for")
        return None
    config = native.pinpipe_kafka_config_new()
    if properties is not None:
        native.pinpipe_kafka_config_decode(config, _properties_text(os.fspath(properties)))
    for name, value in (settings or {}).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        native.pinpipe_kafka_config_set(config, name, text)
    if iam:
        native.kafka_config_iam_set(config, _provider(iam, properties), region)
    elif region is not None:
        native.kafka_config_iam_set(config, None, region)
    return config


def _provider(iam: Credentials | bool, properties: _Path | None) -> Any:
    """Whose key signs; None = the default chain, with the role that properties may name."""
    if isinstance(iam, Credentials):
        return iam._provider
    return None if properties is not None else shared_default()._provider


def _properties_text(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_PROPERTIES_BYTES_MAX + 1)
    except OSError as error:
        raise file_error(path, error) from error


class Producer(ProducerHandle):
    """Writes records: idempotent, partitioned as Java's clients do, with a bounded queue.

    As a context manager it flushes at a clean end. Threads may share it. In a forked child every call raises
    `ForkedError`.
    """

    def __init__(
        self,
        brokers: str,
        *,
        settings: Settings | None = None,
        properties: _Path | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
    ) -> None:
        """Opens a producer on "host:port,host:port"; waits for nothing but the first key of IAM login.

        properties: a Java client.properties, under `settings`. iam: whose key logs in to MSK; True = the default
        chain's. region: the cluster's, where its brokers' names do not tell it.
        """
        config = native_settings(settings, properties=properties, iam=iam, region=region)
        super().__init__(native.pinpipe_kafka_producer_new(brokers, config))
        self.dropped = 0
        """Records that `close` gave up."""

    def write(
        self,
        topic: str,
        value: Buffer | None,
        key: Buffer | None = None,
        *,
        timestamp_ms: int = 0,
        timeout: float = 30.0,
    ) -> None:
        """Queues a record; waits up to `timeout` seconds for room, and for the topic at its first record.

        value, key: None is Kafka's null. timestamp_ms: since 1970; 0 = now. Raises DeadlineError (the queue stayed
        full), NetworkError, AuthError, NotFoundError (no such topic), LimitError (the record is too large).
        """

        def attempt(step_ms: int) -> None:
            with self._alone() as handle:
                native.kafka_producer_write(handle, topic, value, key, timestamp_ms, step_ms)

        # Nearly every record finds room at once: no step is counted before one has failed.
        try:
            attempt(min(milliseconds(timeout), STEP_MS))
        except (DeadlineError, NetworkError):
            left = timeout - STEP_MS / 1000
            if left <= 0:
                raise
            in_steps(attempt, left)

    def batch(
        self,
        topic: str,
        values: Values,
        keys: Values | None = None,
        *,
        headers: Headers | None = None,
        timestamps: Numbers | None = None,
        partitions: Numbers | None = None,
    ) -> Delivery:
        """Makes a batch of records without writing it: `Delivery.write` does.

        values, keys: Arrow data of binary or text, `Column`, or a list of bytes; null is Kafka's null. Columns that
        nobody can change are sent from where they are and held until their last record's report. headers: an Arrow
        list of structs (name, value) or a list of mappings. timestamps: milliseconds since 1970, 0 = now.
        partitions: -1 = by the key. Arrow data may be chunked, each column in its own way.
        """
        handles, held = delivery_handles(topic, values, keys, headers, timestamps, partitions)
        return Delivery(self, handles, held)

    def produce_batch(
        self,
        topic: str,
        values: Values,
        keys: Values | None = None,
        *,
        headers: Headers | None = None,
        timestamps: Numbers | None = None,
        partitions: Numbers | None = None,
        timeout: float = 30.0,
    ) -> Delivery:
        """Queues a batch of records; the result tells of each by `Delivery.wait`. Arguments as `batch`.

        timeout: seconds to wait for room in the queue; 0 = a full queue is an error at once. Raises as
        `Delivery.write`; to go on after a deadline, use `batch`.
        """
        delivery = self.batch(
            topic, values, keys, headers=headers, timestamps=timestamps, partitions=partitions
        )
        delivery.write(timeout)
        return delivery

    def produce_table(
        self,
        topic: str,
        table: Table | ArrowStreamExportable,
        *,
        record: str = "pin",
        key: str | None = None,
        timeout: float = 30.0,
    ) -> Delivery:
        """Queues every row as a JSON object, written by the C core; the result tells of each row by `Delivery.wait`.

        table: a `Table`, or Arrow data in the raw shape of `record`. key: a column of text or integers whose value is
        the record's key. timeout: as `produce_batch`, for each 16,384 rows.
        """
        rows = table if isinstance(table, Table) else decode(record, table)
        names = rows.column_names
        if key is not None and key not in names:
            raise InvalidArgumentError(f"key '{key}': the columns are {', '.join(names)}")
        column = -1 if key is None else names.index(key)
        delivery = Delivery(self, [])
        for batch in rows.batches():
            delivery.add(native.kafka_delivery_encode(topic, batch, column), timeout)
        return delivery

    def flush(self, timeout: float = 30.0) -> None:
        """Waits until every record is delivered.

        Raises DeadlineError or NetworkError with records still queued, else the error of the first record whose
        delivery failed for good since the last flush.
        """
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    native.pinpipe_kafka_producer_flush(handle, step_ms)
                return
            except (DeadlineError, NetworkError):
                if last or self.waiting == 0:
                    raise

    def poll(self) -> None:
        """Takes in the delivery reports that have come; write and flush do it too."""
        with self._alone() as handle:
            native.pinpipe_kafka_producer_poll(handle)

    @property
    def written(self) -> int:
        """Records taken so far."""
        with self._alone() as handle:
            return int(native.pinpipe_kafka_producer_written_count(handle))

    @property
    def delivered(self) -> int:
        """Records that a broker has acknowledged."""
        with self._alone() as handle:
            return int(native.pinpipe_kafka_producer_delivered_count(handle))

    @property
    def failed(self) -> int:
        """Records whose delivery failed for good."""
        with self._alone() as handle:
            return int(native.pinpipe_kafka_producer_failed_count(handle))

    @property
    def waiting(self) -> int:
        """Records whose delivery report has not come."""
        return self.written - self.delivered - self.failed

    @property
    def recoveries(self) -> int:
        """Times that the producer went on in a new handle after a fatal error of idempotence."""
        with self._alone() as handle:
            return int(native.pinpipe_kafka_producer_recovery_count(handle))

    def statistics(self) -> Statistics | None:
        """The last count; None where none came. The calls that wait and `poll` take it in."""
        with self._alone() as handle:
            return statistics_of(native.kafka_producer_statistics(handle))

    def clear(self) -> int:
        """Gives up what waits, within about a second; every record gets its report. Returns how many.

        What was on its way to a broker may be stored all the same.
        """
        with self._alone() as handle:
            return int(native.pinpipe_kafka_producer_clear(handle))

    def close(self) -> None:
        """Gives up what waits and frees the producer, within about 3 s; `dropped` says how many records that were."""
        if self._native is not None and os.getpid() == self._owner:
            self.dropped = self.clear()
        super().close()


class Consumer(Handle):
    """Reads records as a member of a group; commits only what it is told to.

    Threads may share it. In a forked child every call raises `ForkedError`.
    """

    def __init__(
        self,
        brokers: str,
        group: str,
        topics: str | Iterable[str],
        *,
        settings: Settings | None = None,
        properties: _Path | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
        poll_records: int = 1000,
    ) -> None:
        """Subscribes to topics; joining goes on inside poll.

        topics: names, or one regular expression that begins with `^`. poll_records: most messages of one poll.
        properties, iam, region: as `Producer`.
        """
        names = topics if isinstance(topics, str) else ",".join(topics)
        config = native_settings(settings, properties=properties, iam=iam, region=region)
        super().__init__(native.kafka_consumer_new(brokers, group, names, poll_records, config))
        self._batch = native.kafka_batch_new()
        self._spare: list[Any] = []
        self.revoked: list[tuple[str, int]] = []
        """Partitions that the last poll found to belong to this consumer no longer; its messages came before."""

    def poll(self, timeout: float = 1.0) -> list[Message]:
        """Returns messages as soon as there are some; an empty list after `timeout` seconds or a revocation.

        Raises NetworkError where no broker could be reached, AuthError, NotFoundError where a named topic does not
        exist.
        """
        self.revoked = []
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    if native.kafka_consumer_poll(self._batch, handle, step_ms) == native.STATUS_AGAIN:
                        continue
                    self.revoked = native.kafka_batch_revoked(self._batch)
                    return [Message(*parts) for parts in native.kafka_batch_messages(self._batch)]
            except NetworkError:
                if last:
                    raise
        return []

    def consume_batch(
        self, max_records: int = 100_000, max_bytes: int = 2 << 20, timeout: float = 1.0
    ) -> Records:
        """Reads records into columns: waits for the first up to `timeout` seconds, then takes what has come.

        max_records, max_bytes: where a batch ends. Empty after the timeout or a revocation. Raises as `poll`.
        """
        try:
            records = self._spare.pop()
        except IndexError:
            records = native.pinpipe_kafka_records_new()
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    if (
                        native.kafka_consumer_read(records, handle, max_records, max_bytes, step_ms)
                        != native.STATUS_AGAIN
                    ):
                        break
            except NetworkError:
                if last:
                    raise
        found = Records(records, self._spare)
        self.revoked = found.revoked
        return found

    def clean_batch(
        self,
        kind: str,
        max_records: int = 100_000,
        max_bytes: int = 2 << 20,
        timeout: float = 1.0,
        *,
        profile: str | _Path | Mapping[str, Any] | Profile = "course",
    ) -> CleanBatch:
        """Reads records as `consume_batch` and cleans their values: rows, rejects by place, what to commit.

        kind: pin, geo or user. profile: as `pinpipe.clean`.
        """
        return clean(kind, self.consume_batch(max_records, max_bytes, timeout), profile)

    @property
    def generation(self) -> int:
        """How often the group has told this member its partitions; 0 while it waits to be told.

        Only where it is not 0 do polls without messages mean that there is nothing to read.
        """
        with self._alone() as handle:
            return int(native.pinpipe_kafka_consumer_generation(handle))

    def commit(self, offsets: Mapping[tuple[str, int], int], timeout: float = 10.0) -> None:
        """Commits the next offset to read of each (topic, partition).

        Raises ConflictError where a partition is another consumer's by now; after a DeadlineError the outcome is
        unknown.
        """
        places = [(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        timeout_ms = milliseconds(timeout)

        def call() -> None:
            with self._alone() as handle:
                native.pinpipe_kafka_consumer_commit(handle, places, timeout_ms)

        beside(call)

    def committed(
        self, partitions: Iterable[tuple[str, int]], timeout: float = 10.0
    ) -> dict[tuple[str, int], int | None]:
        """The group's committed offset of each (topic, partition); None where there is none.

        A broker answers a consumer that is joining its group when it has joined.
        """
        asked = list(partitions)
        places = [(topic, partition, -1) for topic, partition in asked]
        timeout_ms = milliseconds(timeout)

        def call() -> list[int]:
            with self._alone() as handle:
                found: list[int] = native.pinpipe_kafka_consumer_committed(places, handle, timeout_ms)
                return found

        return {
            place: (offset if offset >= 0 else None)
            for place, offset in zip(asked, beside(call), strict=True)
        }

    def pause(self, partitions: Iterable[tuple[str, int]], timeout: float = 10.0) -> None:
        """Lets no more records of these (topic, partition) come until `resume`, or until the group moves them.

        The consumer stays their owner as long as it is polled. Raises ConflictError where one is not its own.
        """
        places = [(topic, partition, -1) for topic, partition in partitions]
        timeout_ms = milliseconds(timeout)

        def call() -> None:
            with self._alone() as handle:
                native.pinpipe_kafka_consumer_pause(handle, places, timeout_ms)

        beside(call)

    def resume(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Goes on where they were paused: no record is left out, none comes twice. Raises as `pause`."""
        places = [(topic, partition, -1) for topic, partition in partitions]
        with self._alone() as handle:
            native.pinpipe_kafka_consumer_resume(handle, places)

    def statistics(self) -> Statistics | None:
        """The last count; None where none came. Reading takes it in."""
        with self._alone() as handle:
            return statistics_of(native.kafka_consumer_statistics(handle))

    def close(self) -> None:
        """Leaves the group, within 5 s."""
        beside(super().close)
        self._batch = None


class Admin(Handle):
    """Creates, lists, describes and deletes topics."""

    def __init__(
        self,
        brokers: str,
        *,
        settings: Settings | None = None,
        properties: _Path | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
    ) -> None:
        """Opens an admin on "host:port,host:port"; waits for nothing but the first key of IAM login.

        properties, iam, region: as `Producer`.
        """
        config = native_settings(settings, properties=properties, iam=iam, region=region)
        super().__init__(native.pinpipe_kafka_admin_new(brokers, config))

    def create_topic(
        self, name: str, partitions: int = 1, *, replication: int = 1, timeout: float = 30.0
    ) -> None:
        """Creates a topic, and waits until the brokers tell of it.

        Raises ConflictError where it exists, RefusedError with the broker's reason.
        """
        timeout_ms = milliseconds(timeout)

        def call() -> None:
            with self._alone() as handle:
                native.kafka_admin_topic_create(handle, name, partitions, replication, timeout_ms)

        beside(call)

    def topics(self, timeout: float = 30.0) -> dict[str, int]:
        """The cluster's topics, by name, and how many partitions each has."""

        def attempt(step_ms: int) -> dict[str, int]:
            with self._alone() as handle:
                native.pinpipe_kafka_admin_list(handle, step_ms)
                return dict(native.kafka_admin_topics(handle))

        return in_steps(attempt, timeout)

    def describe_topic(self, name: str, timeout: float = 30.0) -> TopicDescription:
        """A topic's partitions and settings. Raises NotFoundError where it does not exist."""
        timeout_ms = milliseconds(timeout)

        def call() -> TopicDescription:
            with self._alone() as handle:
                native.pinpipe_kafka_admin_topic_describe(handle, name, timeout_ms)
                partitions, configs = native.kafka_admin_description(handle)
                return TopicDescription(
                    name,
                    [Partition(*one) for one in partitions],
                    {name: value for name, value, _ in configs},
                    {name for name, _, is_default in configs if not is_default},
                )

        return beside(call)

    def delete_topic(self, name: str, timeout: float = 30.0) -> None:
        """Deletes a topic with its records. Raises NotFoundError, RefusedError with the broker's reason."""
        timeout_ms = milliseconds(timeout)

        def call() -> None:
            with self._alone() as handle:
                native.pinpipe_kafka_admin_topic_delete(handle, name, timeout_ms)

        beside(call)


class MockCluster(Handle):
    """librdkafka's mock cluster in this process: brokers for demos and tests.

    Keeps about the last 5 MiB of each partition, nothing on disk; a group's first member waits 3 s. Topics are made
    here, not by `Admin`; one that is only written to gets 4 partitions.
    """

    def __init__(self, brokers: int = 1) -> None:
        """Starts 1 to 16 brokers on free loopback ports."""
        super().__init__(native.pinpipe_kafka_mock_new(brokers))

    @property
    def brokers(self) -> str:
        """ "host:port,…" for producers and consumers."""
        with self._alone() as handle:
            return str(native.pinpipe_kafka_mock_brokers(handle))

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Creates a topic. Raises ConflictError where it exists."""
        if partitions < 1:
            raise InvalidArgumentError(f"topic '{name}': {partitions} partitions are less than 1")
        with self._alone() as handle:
            native.kafka_mock_topic_create(handle, name, partitions)
