"""Turns columns of records into batches that a producer writes, and what became of each record into arrays.

Never makes an object a record of Arrow data or buffers, and never copies bytes that nobody can change.
Rules: docs/kafka.md, "Batches"; the Arrow PyCapsule interface.
"""

from __future__ import annotations

import array
import dataclasses
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, runtime_checkable

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


@runtime_checkable
class ArrowChunks(Protocol):
    """A chunked Arrow array by the PyCapsule interface: pyarrow.ChunkedArray, polars.Series."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


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
Values = Column | ArrowArrayExportable | ArrowChunks | Sequence[Bytes]
Numbers = ArrowArrayExportable | ArrowChunks | Sequence[int]
Headers = (
    ArrowArrayExportable | ArrowChunks | Sequence[Mapping[str, Bytes] | Iterable[tuple[str, Bytes]] | None]
)


def _refused(name: str, given: object, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{name}: {type(given).__name__} is not {wanted}")


def _chunks(name: str, data: Any, numbers: str = "") -> list[Any]:
    """A column for each chunk of Arrow data; one that is not chunked has one."""
    try:
        if isinstance(data, ArrowArrayExportable):
            return [native.kafka_column_arrow(*data.__arrow_c_array__(), numbers)]
        pairs = native.kafka_stream_arrays(data.__arrow_c_stream__())
        return [native.kafka_column_arrow(*pair, numbers) for pair in pairs]
    except ValueError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def _is_arrow(data: object) -> bool:
    return isinstance(data, ArrowArrayExportable | ArrowChunks)


def bytes_columns(name: str, data: Values) -> list[Any]:
    """The columns of values or keys, one for each chunk."""
    return _chunks(name, data) if _is_arrow(data) else [_bytes_column(name, data)]


def _bytes_column(name: str, data: object) -> Any:
    if isinstance(data, Column):
        width = WIDTHS.get(memoryview(data.offsets).format)
        if width is None:
            raise InvalidArgumentError(f"{name}: offsets are int32 or int64")
        try:
            return native.kafka_column_buffers(data.data, data.offsets, data.validity, width)
        except ValueError as error:
            raise InvalidArgumentError(f"{name}: {error}") from None
    if isinstance(data, (bytes, bytearray, memoryview, str)) or not isinstance(data, Sequence):
        raise _refused(name, data, "a column of bytes: an Arrow array, kafka.Column or a list")
    try:
        return native.kafka_column_list(data if isinstance(data, list) else list(data))
    except TypeError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def number_columns(name: str, data: Any, code: str) -> list[Any]:
    """The columns of timestamps (code "q") or partitions ("i"), one for each chunk."""
    width = WIDTHS[code]
    if _is_arrow(data):
        return _chunks(name, data, code)
    try:
        view = memoryview(data)
    except TypeError:
        view = memoryview(array.array(code, data))
    if WIDTHS.get(view.format) != width:
        raise InvalidArgumentError(f"{name}: items of format '{view.format}' are not int{8 * width}")
    return [native.kafka_column_buffers(view, None, None, width)]


class _Headers(NamedTuple):
    """Which entries of names and values belong to a record."""

    lists: Any
    names: Any
    values: Any


def header_columns(data: Headers) -> list[_Headers]:
    """Lists, names and values of headers, for each chunk."""
    if _is_arrow(data):
        try:
            return [
                _Headers(lists, native.kafka_column_child(lists, 0), native.kafka_column_child(lists, 1))
                for lists in _chunks("headers", data)
            ]
        except ValueError as error:
            raise InvalidArgumentError(f"headers: {error}") from None
    names: list[str] = []
    values: list[Bytes] = []
    ends = array.array("q", [0])
    for record in cast(Iterable[Any], data):
        for name, value in record.items() if isinstance(record, Mapping) else record or ():
            names.append(name)
            values.append(value)
        ends.append(len(names))
    lists = native.kafka_column_buffers(bytes(len(names)), ends, None, 8)
    return [_Headers(lists, _bytes_column("header names", names), _bytes_column("header values", values))]


def column_ends(columns: list[Any]) -> list[int]:
    """Where each chunk ends."""
    return list(itertools.accumulate(native.kafka_column_count(column) for column in columns))


def column_part(columns: list[Any], first: int, count: int, width: int) -> tuple[int, Any]:
    """The chunk that has these entries, and the entries as a column."""
    start = 0
    for index, end in enumerate(column_ends(columns)):
        if first < end:
            whole = first == start and first + count == end
            column = columns[index]
            return index, column if whole else native.kafka_column_slice(column, first - start, count, width)
        start = end
    return len(columns) - 1, columns[-1]  # nothing is left: the whole is empty


def delivery_handles(
    topic: str,
    values: Values,
    keys: Values | None,
    headers: Headers | None,
    timestamps: Numbers | None,
    partitions: Numbers | None,
) -> tuple[list[Any], list[Any]]:
    """The C core's batches of the columns, one between any two ends of chunks; and the columns.

    The columns must live until all is queued.
    """
    triples = [] if headers is None else header_columns(headers)
    columns = {
        "values": bytes_columns("values", values),
        "keys": [] if keys is None else bytes_columns("keys", keys),
        "timestamps": [] if timestamps is None else number_columns("timestamps", timestamps, "q"),
        "partitions": [] if partitions is None else number_columns("partitions", partitions, "i"),
        "headers": [triple.lists for triple in triples],
    }
    given = {"keys": keys, "timestamps": timestamps, "partitions": partitions, "headers": headers}
    columns["values"] = columns["values"] or [native.kafka_column_list([])]
    count = column_ends(columns["values"])[-1]
    for name, column in columns.items():
        entries = sum(native.kafka_column_count(chunk) for chunk in column)
        if given.get(name) is not None and entries != count:
            raise InvalidArgumentError(f"{name}: {entries} entries for {count} values")
    ends = sorted({end for column in columns.values() for end in column_ends(column)} | {count})
    handles, held = [], []
    for first, end in itertools.pairwise([0, *(end for end in ends if end)] if count else [0, 0]):
        parts: list[Any] = []
        for name, width in (("values", 0), ("keys", 0), ("timestamps", 8), ("partitions", 4)):
            parts.append(column_part(columns[name], first, end - first, width)[1] if columns[name] else None)
        lists = names = texts = None
        if triples:
            index, lists = column_part(columns["headers"], first, end - first, 0)
            _, names, texts = triples[index]
        parts += [lists, names, texts]
        held.append((*parts, columns, triples))
        handles.append(native.kafka_delivery_new(topic, *parts, held[-1]))
    return handles, held


class Delivery:
    """A batch of records and what became of each of them.

    The arrays have an entry a record and are a copy of the moment: of `wait`'s end, they are final.
    """

    def __init__(self, producer: Producer, handles: Sequence[Any], held: Sequence[Any] = ()) -> None:
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
