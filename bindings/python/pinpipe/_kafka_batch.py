"""Turns columns of records into batches that a producer writes, and what became of each record into arrays.

Never makes an object a record of Arrow data or buffers, and never copies bytes that nobody can change.
Rules: docs/kafka.md, "Batches"; the Arrow PyCapsule interface.
"""

from __future__ import annotations

import array
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from pinpipe import native
from pinpipe._waiting import in_steps
from pinpipe.errors import Error, ForkedError, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe.kafka import Producer

WIDTHS = {"i": 4, "l": array.array("l").itemsize, "q": 8}


@runtime_checkable
class ArrowArrayExportable(Protocol):
    """One Arrow array by the PyCapsule interface: pyarrow.Array, polars.Series of one chunk, nanoarrow."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


class Column(NamedTuple):
    """Bytes of records in Arrow's layout: entry i is data[offsets[i]:offsets[i + 1]].

    data: any buffer. offsets: a buffer of int32 or int64, one entry more than there are records. validity: a bitmap,
    the first record in the lowest bit, whose 0 means Kafka's null.
    """

    data: Any
    offsets: Any
    validity: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not delivered, or may not have been: its place in the batch and the error."""

    index: int
    uncertain: bool
    error: Error


Bytes = bytes | bytearray | memoryview | str | None
Values = Column | ArrowArrayExportable | Sequence[Bytes]
Numbers = ArrowArrayExportable | Sequence[int]
Headers = ArrowArrayExportable | Sequence[Mapping[str, Bytes] | Iterable[tuple[str, Bytes]] | None]


def _refused(name: str, given: object, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{name}: {type(given).__name__} is not {wanted}")


def _arrow(name: str, data: Any, numbers: str = "") -> Any:
    try:
        return native.kafka_column_arrow(*data.__arrow_c_array__(), numbers)
    except ValueError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def bytes_column(name: str, data: Values) -> Any:
    """A column of values or keys."""
    if isinstance(data, Column):
        width = WIDTHS.get(memoryview(data.offsets).format)
        if width is None:
            raise InvalidArgumentError(f"{name}: offsets are int32 or int64")
        try:
            return native.kafka_column_buffers(data.data, data.offsets, data.validity, width)
        except ValueError as error:
            raise InvalidArgumentError(f"{name}: {error}") from None
    if isinstance(data, ArrowArrayExportable):
        return _arrow(name, data)
    if hasattr(data, "__arrow_c_stream__"):
        raise _refused(name, data, "one Arrow array; a chunked one is made one by combine_chunks()")
    if isinstance(data, (bytes, bytearray, memoryview, str)) or not isinstance(data, Sequence):
        raise _refused(name, data, "a column of bytes: an Arrow array, kafka.Column or a list")
    try:
        return native.kafka_column_list(data if isinstance(data, list) else list(data))
    except TypeError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def number_column(name: str, data: Any, code: str) -> Any:
    """A column of timestamps (code "q") or partitions ("i")."""
    width = WIDTHS[code]
    if isinstance(data, ArrowArrayExportable):
        return _arrow(name, data, code)
    try:
        view = memoryview(data)
    except TypeError:
        view = memoryview(array.array(code, data))
    if WIDTHS.get(view.format) != width:
        raise InvalidArgumentError(f"{name}: items of format '{view.format}' are not int{8 * width}")
    return native.kafka_column_buffers(view, None, None, width)


def header_columns(data: Headers) -> tuple[Any, Any, Any]:
    """Lists, names and values of headers."""
    if isinstance(data, ArrowArrayExportable):
        lists = _arrow("headers", data)
        try:
            return lists, native.kafka_column_child(lists, 0), native.kafka_column_child(lists, 1)
        except ValueError as error:
            raise InvalidArgumentError(f"headers: {error}") from None
    names: list[str] = []
    values: list[Bytes] = []
    ends = array.array("q", [0])
    for record in data:
        for name, value in record.items() if isinstance(record, Mapping) else record or ():
            names.append(name)
            values.append(value)
        ends.append(len(names))
    lists = native.kafka_column_buffers(bytes(len(names)), ends, None, 8)
    return lists, bytes_column("header names", names), bytes_column("header values", values)


def delivery_handle(
    topic: str,
    values: Values,
    keys: Values | None,
    headers: Headers | None,
    timestamps: Numbers | None,
    partitions: Numbers | None,
) -> tuple[Any, tuple[Any, ...]]:
    """The C core's batch of the columns, and the columns: they must live until all is queued."""
    columns = {
        "values": bytes_column("values", values),
        "keys": None if keys is None else bytes_column("keys", keys),
        "timestamps": None if timestamps is None else number_column("timestamps", timestamps, "q"),
        "partitions": None if partitions is None else number_column("partitions", partitions, "i"),
    }
    lists, names, texts = (None, None, None) if headers is None else header_columns(headers)
    count = native.kafka_column_count(columns["values"])
    for name, column in {**columns, "headers": lists}.items():
        if column is not None and native.kafka_column_count(column) != count:
            raise InvalidArgumentError(
                f"{name}: {native.kafka_column_count(column)} entries for {count} values"
            )
    held = (*columns.values(), lists, names, texts)
    return native.kafka_delivery_new(topic, *held, held), held


class Delivery:
    """A batch of records and what became of each of them.

    The arrays have an entry a record and are a copy of the moment: of `wait`'s end, they are final.
    """

    def __init__(self, producer: Producer, handles: Sequence[Any], held: tuple[Any, ...] = ()) -> None:
        """Made by `Producer.batch`, `produce_batch` and `produce_table`."""
        self._producer = producer
        self._handles = list(handles)
        self._held = held

    def add(self, handle: Any, timeout: float) -> None:
        """Makes one more of the core's batches a part of this one and writes it."""
        self._handles.append(handle)
        self._call(native.pinpipe_kafka_producer_write_batch, [handle], timeout)

    def write(self, timeout: float = 30.0) -> None:
        """Queues the records that are not queued yet, in order; waits up to `timeout` seconds for room.

        Raises as `Producer.write`; after a DeadlineError or NetworkError a second call goes on where it stopped. What a
        single record is refused for is that record's result.
        """
        self._call(native.pinpipe_kafka_producer_write_batch, self._handles, timeout)
        self._held = ()

    def wait(self, timeout: float = 30.0) -> Delivery:
        """Waits until every queued record has its result, whatever it is; returns itself.

        Raises DeadlineError or NetworkError with records still on their way: the call may be repeated.
        """
        self._call(native.pinpipe_kafka_producer_wait_batch, self._handles, timeout)
        return self

    def _call(self, call: Any, handles: Sequence[Any], timeout: float) -> None:
        def attempt(step_ms: int) -> None:
            with self._producer._alone() as producer:
                for handle in handles:
                    call(producer, handle, step_ms)

        in_steps(attempt, timeout)

    def _sum(self, count: Any) -> int:
        with self._results():
            return sum(count(handle) for handle in self._handles)

    def _results(self) -> Any:
        if os.getpid() != self._producer._owner:
            raise ForkedError("this batch was written before a fork")
        return self._producer._lock

    def _array(self, read: Any, code: Literal["B", "h", "i", "q"]) -> memoryview:
        with self._results():
            parts: list[bytes] = [read(handle) for handle in self._handles]
        return memoryview(parts[0] if len(parts) == 1 else b"".join(parts)).cast(code)

    def __len__(self) -> int:
        """Records of the batch."""
        return self._sum(native.pinpipe_kafka_delivery_count)

    @property
    def queued(self) -> int:
        """Records that were taken."""
        return self._sum(native.pinpipe_kafka_delivery_queued_count)

    @property
    def delivered(self) -> int:
        """Records that a broker has acknowledged."""
        return self._sum(native.pinpipe_kafka_delivery_delivered_count)

    @property
    def failed(self) -> int:
        """Records that were not delivered for good, uncertain ones too."""
        return self._sum(native.pinpipe_kafka_delivery_failed_count)

    @property
    def waiting(self) -> int:
        """Records without a result."""
        return len(self) - self.delivered - self.failed

    @property
    def outcomes(self) -> memoryview:
        """uint8: 0 waiting, 1 delivered, 2 failed, 3 uncertain (sent, and no answer tells whether it was stored)."""
        return self._array(native.kafka_delivery_outcomes, "B")

    @property
    def partitions(self) -> memoryview:
        """int32: the partition; -1 = not known."""
        return self._array(native.kafka_delivery_partitions, "i")

    @property
    def offsets(self) -> memoryview:
        """int64: the offset of a record that was delivered, else a negative number."""
        return self._array(native.kafka_delivery_offsets, "q")

    @property
    def errors(self) -> memoryview:
        """int16: librdkafka's error code; 0 = none."""
        return self._array(native.kafka_delivery_errors, "h")

    def failures(self, limit: int = 100) -> list[Failure]:
        """The first `limit` records that were not delivered, with their errors."""
        found: list[Failure] = []
        first = 0
        for handle in self._handles:
            with self._results():
                outcomes = native.kafka_delivery_outcomes(handle)
            for index, outcome in enumerate(outcomes):
                if len(found) == limit:
                    return found
                if outcome >= native.OUTCOME_FAILED:
                    try:
                        native.pinpipe_kafka_delivery_at(handle, index)
                    except Error as error:
                        uncertain = outcome == native.OUTCOME_UNCERTAIN
                        found.append(Failure(first + index, uncertain, error))
            first += len(outcomes)
        return found

    def __repr__(self) -> str:
        """Says how far it is."""
        return f"<pinpipe.kafka.Delivery: {self.delivered} of {len(self)} delivered, {self.failed} failed>"
