"""Turns Kafka topics into objects of a store, by the C core's object sink.

Never commits an offset whose record is not stored.
Rules: docs/sink.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast

from pinpipe import native
from pinpipe._inputs import file_error
from pinpipe._waiting import STEP_MS, Handle, milliseconds, steps
from pinpipe.errors import ConflictError, DeadlineError, Error, InvalidArgumentError, NetworkError
from pinpipe.kafka import Settings, native_settings

if TYPE_CHECKING:
    from pinpipe import s3 as s3_module
    from pinpipe._credentials import Credentials

CONNECT_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 600.0

#: Settings of the connector: a mapping, or the path of a connector.properties or of Connect's JSON.
Connector = Mapping[str, object] | str | os.PathLike[str]

_LAYOUTS = ("json", "envelope")
_CONFIG_BYTES_MAX = 1 << 16
_PARTITIONERS = "io.confluent.connect.storage.partitioner."


class Names(TypedDict, total=False):
    """What the connector has names for, by those of this package; the connector's names in `_NAMES`."""

    rotate_interval_ms: int
    rotate_schedule_ms: int
    compression: Literal["none", "gzip", "zstd"]
    compression_level: int
    partitioner: Literal["default", "field", "time", "daily", "hourly"]
    partition_fields: Sequence[str]
    partition_duration_ms: int
    path_format: str
    timezone: str
    timestamp: Literal["wallclock", "record", "record_field"]
    timestamp_field: str
    null_values: Literal["skip", "fail", "reject", "keep"]
    unreadable_values: Literal["skip", "fail", "reject"]
    dead_letter_topic: str
    topics_dir: str


_NAMES = {
    "rotate_interval_ms": "rotate.interval.ms",
    "rotate_schedule_ms": "rotate.schedule.interval.ms",
    "compression": "s3.compression.type",
    "compression_level": "s3.compression.level",
    "partitioner": "partitioner.class",
    "partition_fields": "partition.field.name",
    "partition_duration_ms": "partition.duration.ms",
    "path_format": "path.format",
    "timezone": "timezone",
    "timestamp": "timestamp.extractor",
    "timestamp_field": "timestamp.field",
    "null_values": "behavior.on.null.values",
    "unreadable_values": "errors.tolerance",
    "dead_letter_topic": "errors.deadletterqueue.topic.name",
    "topics_dir": "topics.dir",
}
_VALUES = {
    "default": f"{_PARTITIONERS}DefaultPartitioner",
    "field": f"{_PARTITIONERS}FieldPartitioner",
    "time": f"{_PARTITIONERS}TimeBasedPartitioner",
    "daily": f"{_PARTITIONERS}DailyPartitioner",
    "hourly": f"{_PARTITIONERS}HourlyPartitioner",
    "wallclock": "Wallclock",
    "record": "Record",
    "record_field": "RecordField",
}
_NULLS = {"skip": "ignore"}
_UNREADABLE = {"fail": "none", "reject": "all"}


def _value_of(name: str, value: object) -> str:
    """The connector's text for a value of `Names`."""
    if name == "partition_fields" and not isinstance(value, str):
        return ",".join(cast(Sequence[str], value))
    text = str(value)
    if name in ("partitioner", "timestamp"):
        return _VALUES.get(text, text)
    return {"null_values": _NULLS, "unreadable_values": _UNREADABLE}.get(name, {}).get(text, text)


def _connector_config(connector: Connector | Sequence[Connector], names: Names) -> Any:
    """The C core's set of the connector's settings; None where there are none."""
    one = isinstance(connector, Mapping | str | os.PathLike)
    given = [cast(Connector, connector)] if one else list(cast(Sequence[Connector], connector))
    if not given and not names:
        return None
    config = native.pinpipe_sink_config_new()
    if not given:
        native.pinpipe_sink_config_set(config, "behavior.on.null.values", "default")
        native.pinpipe_sink_config_set(config, "errors.tolerance", "all")
    for settings in given:
        if isinstance(settings, Mapping):
            _settings_set(config, settings)
        else:
            _file_read(config, os.fspath(settings))
    for name, value in names.items():
        native.pinpipe_sink_config_set(config, _NAMES[name], _value_of(name, value))
    return config


def _settings_set(config: Any, settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        native.pinpipe_sink_config_set(config, name, text)


def _file_read(config: Any, path: str) -> None:
    """Connect's JSON, with or without what its REST interface wraps it in, or a properties file."""
    try:
        with open(path, "rb") as file:
            text = file.read(_CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise file_error(path, error) from error
    if not text.lstrip().startswith(b"{"):
        native.pinpipe_sink_config_decode(config, text)
        return
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"'{path}' is no JSON: {error}") from error
    inner = document.get("config", document)
    if not isinstance(inner, dict):
        raise InvalidArgumentError(f"'{path}': its config is no object of settings")
    if "name" in document:
        _settings_set(config, {"name": document["name"]})
    _settings_set(config, inner)


def settings_table() -> list[tuple[str, str, str]]:
    """The connector's names: (name, "supported" | "accepted" | "refused", meaning or what to do instead)."""
    return list(native.sink_settings())


class Sink(Handle):
    """One member of the sink's group. As a context manager it flushes at a clean end.

    `topics/<topic>/<folder>/<topic>+<n>+<start offset, 10 digits>.json` holds one value a line, byte for byte; every
    offset is in one object, whatever ends the sink. Values that are no line go to `rejects/…` or to a topic.
    """

    def __init__(
        self,
        brokers: str | None = None,
        topics: str | None = None,
        to: str | None = None,
        *,
        group: str | None = None,
        settings: Settings | None = None,
        properties: str | os.PathLike[str] | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
        s3: s3_module.Client | None = None,
        connector: Connector | Sequence[Connector] = (),
        flush_records: int = 0,
        flush_bytes: int = 0,
        idle_ms: int = 0,
        max_buffered_bytes: int = 0,
        store_timeout: float = 0.0,
        workers: int = 0,
        layout: Literal["json", "envelope"] = "json",
        **names: Unpack[Names],
    ) -> None:
        """Opens the sink; waits for nothing but the first key of IAM login.

        topics: a regular expression for whole names. to: file:///folder or s3://bucket/prefix. settings, properties,
        iam, region: of the brokers' login, as `kafka.Producer`. s3: the client of an s3 target; without it one is made
        from the environment. connector: settings of a Confluent S3 sink connector, as a mapping, a
        connector.properties or Connect's JSON, or several of them, the last of which wins; what is said beside them
        wins over all, and brokers, topics and `to` may stand in them.
        flush_records (10,000), flush_bytes (8 MiB), idle_ms (10,000): a file is stored when it
        reaches one of them. max_buffered_bytes (64 MiB): of all files together. store_timeout (30 s): of one attempt
        to store, and how long attempts are repeated before poll raises. workers (4): threads that compress and store.
        layout: values as they are, or envelopes around them. names: see `Names`.
        """
        self._s3 = s3
        #: When `run` last began to find no broker (monotonic seconds); None while there is one.
        self.failing_since: float | None = None
        super().__init__(
            native.sink_open(
                brokers,
                topics,
                to,
                group,
                native_settings(settings, properties=properties, iam=iam, region=region),
                s3._handle if s3 else None,
                _connector_config(connector, names),
                flush_records,
                flush_bytes,
                idle_ms,
                max_buffered_bytes,
                milliseconds(store_timeout),
                workers,
                _LAYOUTS.index(layout),
            )
        )

    @contextmanager
    def _with_store(self) -> Iterator[Any]:
        with ExitStack() as stack:
            if self._s3 is not None:
                stack.enter_context(self._s3._alone())
            yield stack.enter_context(self._alone())

    def poll(self, timeout: float = 0.2) -> bool:
        """One step: waits for records, gives what is due to the workers, commits. True when there was something to do.

        A call waits 0.2 s at most, whatever `timeout`. Raises what Kafka or the store refuse; nothing is lost by it,
        and the call may be repeated.
        """
        step_ms = min(milliseconds(timeout), STEP_MS)
        with self._with_store() as handle:
            return bool(native.pinpipe_sink_poll(handle, step_ms) != native.STATUS_AGAIN)

    def flush(self, timeout: float = 30.0) -> None:
        """Stores and commits everything that has been read."""
        for step_ms, last in steps(timeout):
            try:
                with self._with_store() as handle:
                    native.pinpipe_sink_flush(handle, step_ms)
                return
            except Error as error:
                if last or not error.retryable:
                    raise

    def run(self, until: Callable[[Sink], bool] | None = None) -> None:
        """Polls until `until(sink)` is true, without it until an exception ends it; does not flush.

        Brokers that cannot be reached are tried for 10 s.
        """
        while until is None or not until(self):
            try:
                self.poll()
                self.failing_since = None
            except NetworkError as error:
                now = time.monotonic()
                self.failing_since = self.failing_since if self.failing_since is not None else now
                if error.service != "kafka" or now - self.failing_since >= CONNECT_TIMEOUT_S:
                    raise

    @property
    def generation(self) -> int:
        """How often the group has told the sink its partitions; 0 while it waits to be told."""
        with self._alone() as handle:
            return int(native.pinpipe_sink_generation(handle))

    @property
    def counters(self) -> dict[str, int]:
        """What was done: records_read, records_stored, records_rejected, …; docs/sink.md explains each."""
        with self._alone() as handle:
            return dict(native.sink_counters(handle))

    @property
    def stored_offsets(self) -> dict[tuple[str, int], int]:
        """By (topic, partition): every record below this offset is stored. Only partitions of which some are."""
        with self._alone() as handle:
            positions = native.sink_positions(handle)
        return {(topic, partition): stored for topic, partition, stored, *_ in positions if stored >= 0}

    @property
    def committed_offsets(self) -> dict[tuple[str, int], int]:
        """By (topic, partition): the offset that Kafka has confirmed to this sink."""
        with self._alone() as handle:
            positions = native.sink_positions(handle)
        return {(place[0], place[1]): place[3] for place in positions if place[3] >= 0}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flushes after a clean block, then leaves the group."""
        try:
            if error is None and self._native is not None:
                self._flush_last()
        finally:
            self.close()

    def _flush_last(self) -> None:
        try:
            self.flush()
        except ConflictError:
            # The group has moved on: the partitions' next owner reads again what could not be committed.
            return


class UntilIdle:
    """True once no record has come for some seconds to a member of the group, from brokers that answer; for `Sink.run`.

    A sink that waits for its partitions is not idle: behind a member that died the group answers once its session is
    over. Raises DeadlineError where that takes 10 minutes, twice the time that a group gives its members to join.
    """

    def __init__(self, seconds: float) -> None:
        """Counts from now on."""
        self._seconds = seconds
        self._seen = (0, 0)
        self._since = self._joined = time.monotonic()

    def __call__(self, sink: Sink) -> bool:
        """Looks at what the sink has read."""
        now = time.monotonic()
        generation = sink.generation
        seen = (sink.counters["records_read"], generation)
        if generation:
            self._joined = now
        elif now - self._joined >= JOIN_TIMEOUT_S:
            raise DeadlineError(f"the group has given the sink no partitions for {JOIN_TIMEOUT_S:.0f} s")
        if seen != self._seen or not generation or sink.failing_since is not None:
            self._seen, self._since = seen, now
        return now - self._since >= self._seconds
