"""Turns bytes, files, payloads, rows and Arrow data into tables of clean or raw columns, and tables into text.

Never drops, reorders or de-duplicates a readable record unless asked; never loses an unreadable one.
Rules: CONTRACT §4; all work on the data is done by the C core, this module only carries it.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from pinpipe import native
from pinpipe._inputs import (
    ARROW_MAGIC,
    ArrowStreamExportable,
    Input,
    file_error,
    is_bytes_like,
    is_objects,
    open_arrow_file,
    open_for_reading,
)
from pinpipe._schema import SHAPES, Schema, choose, kind_index
from pinpipe.errors import FileError, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._expectations import Expect, Expectation
    from pinpipe._profiles import Profile
    from pinpipe._statistics import Statistics
    from pinpipe._watch import Watch
    from pinpipe.s3 import Client, Source

INPUT_FORMATS = {
    "auto": native.PINPIPE_FORMAT_AUTO,
    "ndjson": native.PINPIPE_FORMAT_NDJSON,
    "json": native.PINPIPE_FORMAT_JSON,
    "csv": native.PINPIPE_FORMAT_CSV,
    "kafka-rest": native.PINPIPE_FORMAT_KAFKA_REST,
    "kinesis": native.PINPIPE_FORMAT_KINESIS,
    "connect": native.PINPIPE_FORMAT_CONNECT,
    "records": native.PINPIPE_FORMAT_RECORDS,
    "filestream": native.PINPIPE_FORMAT_FILESTREAM,
    "arrow": native.PINPIPE_FORMAT_AUTO,  # pyarrow reads the file, the core its columns
}
OUTPUT_FORMATS = {"ndjson": native.PINPIPE_FORMAT_NDJSON, "csv": native.PINPIPE_FORMAT_CSV}
DEDUPES = {
    "none": native.PINPIPE_DEDUPE_NONE,
    "ind": native.PINPIPE_DEDUPE_IND,
    "row": native.PINPIPE_DEDUPE_ROW,
}
CHUNK_BYTES = 1 << 20
PIECE_BYTES = 1 << 18  # of a file that is read by name: two of them and a batch stay in a core's second cache
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class DirtyValue:
    """A value that a rule met, how often, and by how much that may be too high; `value_bytes` is its whole length."""

    rule: str
    value: str
    count: int
    surplus: int
    value_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be read: its index and byte offset in the input, the reason, and its bytes (the first
    64 KiB of `data_bytes`). `source` is the input's s3://bucket/key where it was an object, the record's
    kinesis://stream/shard/sequence number where a consumer read it, else empty."""

    index: int
    byte_offset: int
    reason: str
    data: bytes
    data_bytes: int
    source: str = ""


class Table:
    """Immutable columns of one record type with the report of how they were made.

    Any Arrow consumer reads it, any number of times: pyarrow.table(t), polars.DataFrame(t), duckdb.sql("from t").
    """

    def __init__(self, handle: Any, reader: Reader) -> None:
        """Made by `clean` and `decode` only."""
        self._handle = handle
        self.schema = reader.schema
        self.census: Counter[str] = reader.census()
        self.rejects: list[Reject] = reader.rejects
        self.num_records: int = reader.num_records
        self.dirty_values: list[DirtyValue] = reader.dirty_values()
        self.dropped: int = reader.dropped
        self.duplicates: int = reader.duplicates
        self.conflicts: int = reader.conflicts
        self.statistics: Statistics | None = reader.watch.statistics() if reader.watch else None
        self.expectations: list[Expectation] = reader.watch.results() if reader.watch else []

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return int(native.pinpipe_table_rows(self._handle))

    @property
    def num_columns(self) -> int:
        """Columns of the table."""
        return len(self.schema.columns)

    @property
    def column_names(self) -> list[str]:
        """The columns' names in order."""
        return self.schema.names

    def __len__(self) -> int:
        """Rows of the table."""
        return self.num_rows

    def __arrow_c_schema__(self) -> object:
        """The Arrow PyCapsule interface."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule interface; a fresh stream each time. Another schema is not made: cast the result."""
        return native.table_capsule(self._handle)

    def batches(self) -> Iterator[Any]:
        """The core's batches, for encoding."""
        for index in range(native.pinpipe_table_batches(self._handle)):
            yield native.pinpipe_table_at(self._handle, index)

    def to_pylist(self) -> list[dict[str, Any]]:
        """One dict a row; timestamps are aware datetimes in UTC."""
        rows: list[dict[str, Any]] = []
        columns = self.schema.columns
        for batch in self.batches():
            lists = native.batch_lists(batch)
            for i, column in enumerate(columns):
                if column.type.startswith("timestamp"):
                    lists[i] = [
                        None if us is None else EPOCH + datetime.timedelta(microseconds=us) for us in lists[i]
                    ]
            rows.extend(
                dict(zip(self.column_names, values, strict=True)) for values in zip(*lists, strict=True)
            )
        return rows

    def __repr__(self) -> str:
        """Says what it is and what happened."""
        return (
            f"<pinpipe.Table {self.schema.kind} ({self.schema.shape}): {self.num_rows} rows, "
            f"{len(self.rejects)} rejects, {sum(self.census.values())} rule hits>"
        )


class Reader:
    """Carries input through one decoder; yields the core's batch each time it is full and at the end.

    Whoever takes a yielded batch empties it before asking for the next: a table by moving the rows, a writer by
    `clear`.
    """

    def __init__(
        self,
        kind: str,
        shape: str,
        input_format: str,
        dedupe: str,
        max_record_bytes: int = 0,
        keep_rejects: bool = True,
        profile: Profile | None = None,
    ) -> None:
        self.schema = Schema(kind, shape)
        self.profile = profile
        self._profile = profile._handle if profile else None
        self.rules = profile.rules(kind) if profile else self.schema.rules
        record, shape_code = kind_index(kind), SHAPES[shape]
        self._format = choose("input format", input_format, INPUT_FORMATS)
        self._max_record_bytes = max_record_bytes
        self._decoder = native.decoder_new(
            record, shape_code, self._format, max_record_bytes, 0, self._profile
        )
        self._batch = native.pinpipe_batch_new(record, shape_code)
        self._report = native.pinpipe_report_new(record, shape_code)
        self._dedup = native.pinpipe_dedup_new(choose("de-duplication", dedupe, DEDUPES))
        self._keep_rejects = keep_rejects
        self._input_format = input_format
        self._buffers: tuple[tuple[bytearray], ...] = ()
        self.rejects: list[Reject] = []
        self.watch: Watch | None = None

    @property
    def num_records(self) -> int:
        """Records read, rejected ones too."""
        return int(native.pinpipe_report_records(self._report))

    @property
    def num_rejected(self) -> int:
        """Records that could not be read."""
        return int(native.pinpipe_report_rejected(self._report))

    @property
    def dropped(self) -> int:
        """Rows that a rule of the profile left out."""
        return int(native.pinpipe_report_dropped(self._report))

    @property
    def duplicates(self) -> int:
        """Rows that an earlier row stands for."""
        return int(native.pinpipe_dedup_duplicates(self._dedup))

    @property
    def conflicts(self) -> int:
        """Duplicates whose content differs from the row that stayed."""
        return int(native.pinpipe_dedup_conflicts(self._dedup))

    def census(self) -> Counter[str]:
        """Hits by rule id; rules without a hit are left out (a Counter answers 0 for them)."""
        hits = ((rule.id, native.pinpipe_report_hits(self._report, i)) for i, rule in enumerate(self.rules))
        return Counter({rule_id: count for rule_id, count in hits if count})

    def dirty_values(self) -> list[DirtyValue]:
        """The most frequent values that rules met, by count; of markers and empty texts the count is the census's."""
        census = self.census()
        fixed = (rule for rule in self.rules if rule.match == "exact" or rule.id.endswith(".empty"))
        values = [
            DirtyValue(rule.id, rule.text, census[rule.id], 0, len(rule.text.encode()))
            for rule in fixed
            if census[rule.id]
        ]
        seen = native.report_values(self._report)
        values += [DirtyValue(self.rules[index].id, *rest) for index, *rest in seen]
        return sorted(values, key=lambda value: (-value.count, value.rule, value.value))

    def take_rejects_ndjson(self) -> bytes:
        """The rejects since the last call as NDJSON; lets them go."""
        if not native.pinpipe_report_reject_count(self._report):
            return b""
        text = cast(bytes, native.pinpipe_report_encode_rejects(self._report))
        native.pinpipe_report_clear_rejects(self._report)
        return text

    def twin(self, shape: str) -> Reader:
        """A reader of the same input into another shape, which keeps no rejects."""
        return Reader(self.schema.kind, shape, self._input_format, "none", self._max_record_bytes, False)

    def clear_rejects(self) -> None:
        """Lets the rejects go."""
        native.pinpipe_report_clear_rejects(self._report)

    def _deduped(self) -> Any:
        native.pinpipe_dedup_clean(self._dedup, self._batch)
        if self.watch:
            self.watch.leave(self._batch)
        return self._batch

    def _take_rejects(self) -> None:
        if self._keep_rejects and native.pinpipe_report_reject_count(self._report):
            self.rejects.extend(Reject(*row) for row in native.report_rejects(self._report))
            native.pinpipe_report_clear_rejects(self._report)

    def feed(self, data: Any) -> Iterator[Any]:
        """Reads a piece of bytes."""
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else memoryview(data)
        if self.watch:
            self.watch.piece(view)
        at = 0
        while at < len(view):
            at += native.pinpipe_decoder_feed(self._decoder, self._batch, view[at:], self._report)
            self._take_rejects()
            if at < len(view):
                yield self._deduped()

    def finish(self) -> Iterator[Any]:
        """Ends one input; what it left behind comes with the last batch."""
        if self.watch:
            self.watch.end()
        while native.pinpipe_decoder_finish(self._decoder, self._batch, self._report) == native.PINPIPE_AGAIN:
            yield self._deduped()
        self._take_rejects()

    def rest(self) -> Iterator[Any]:
        """The last batch."""
        if native.pinpipe_batch_rows(self._batch):
            yield self._deduped()

    def read_whole(self, handle: Any, data: Any, threads: int) -> None:
        """Reads a whole input to the end of a table, shared by threads."""
        record, shape = kind_index(self.schema.kind), SHAPES[self.schema.shape]
        native.table_decode(
            handle,
            record,
            shape,
            self._format,
            self._max_record_bytes,
            self._profile,
            data,
            threads,
            self._report,
        )
        self._take_rejects()
        if self.watch:
            self.watch.piece(data)
            self.watch.end()
            for index in range(native.pinpipe_table_batches(handle)):
                self.watch.leave(native.pinpipe_table_at(handle, index))

    def is_arrow_file(self, file: IO[bytes]) -> bool:
        """True when an open binary file is to be read as Arrow IPC: asked for, or known by its first bytes."""
        if self._input_format != "auto" or not file.seekable():
            return self._input_format == "arrow"
        start = file.tell()
        head = file.read(len(ARROW_MAGIC))
        file.seek(start)
        return head == ARROW_MAGIC

    def read_file(self, file: IO[bytes]) -> Iterator[Any]:
        """Reads an open binary file to its end."""
        if self.is_arrow_file(file):
            yield from self.read_arrow(open_arrow_file(file))
            return
        while piece := file.read(CHUNK_BYTES):
            yield from self.feed(piece)
        yield from self.finish()

    def is_arrow(self, data: bytes | bytearray | memoryview) -> bool:
        """The same for bytes."""
        head = bytes(memoryview(data).cast("B")[: len(ARROW_MAGIC)])
        return self._input_format == "arrow" or (self._input_format == "auto" and head == ARROW_MAGIC)

    def _read_bytes(self, data: bytes | bytearray | memoryview) -> Iterator[Any]:
        yield from self.feed(data)
        yield from self.finish()

    def read_path(self, path: str, fed: Callable[[int], None] = lambda size: None) -> Iterator[Any]:
        """Reads a file by name, small ones in one call of the core; `fed` is told the bytes of each piece."""
        if self._input_format == "arrow":
            with open_for_reading(path) as file:
                yield from self.read_file(file)
            return
        self._buffers = self._buffers or ((bytearray(PIECE_BYTES),), (bytearray(PIECE_BYTES),))
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                size = os.readv(descriptor, self._buffers[0])
                if self.is_arrow(memoryview(self._buffers[0][0])[:size]):
                    with open(descriptor, "rb", buffering=0, closefd=False) as file:
                        file.seek(0)
                        yield from self.read_arrow(open_arrow_file(file))
                else:
                    yield from self._read_descriptor(descriptor, size, fed)
            finally:
                os.close(descriptor)
        except FileError:
            raise
        except OSError as error:
            raise file_error(path, error) from None

    def _read_descriptor(self, descriptor: int, size: int, fed: Callable[[int], None]) -> Iterator[Any]:
        """The rest of a file, whose first piece is in the first buffer."""
        held, ahead = self._buffers
        while more := os.readv(descriptor, ahead) if size else 0:
            yield from self.feed(memoryview(held[0])[:size])
            fed(size)
            held, ahead, size = ahead, held, more
        yield from self._feed_last(memoryview(held[0])[:size])
        fed(size)

    def _feed_last(self, piece: memoryview) -> Iterator[Any]:
        """The last piece of a file and its end, in one call of the core where nobody watches."""
        if self.watch:
            yield from self.feed(piece)
            yield from self.finish()
            return
        taken = native.decoder_feed_last(self._decoder, self._batch, piece, self._report)
        if taken >= 0:
            yield self._deduped()
            yield from self.feed(piece[taken:])
            yield from self.finish()
        elif taken < -1:
            self._take_rejects()

    def read_payloads(self, payloads: Sequence[bytes | str]) -> Iterator[Any]:
        """Reads a list of payloads, one record each."""
        at, held = 0, payloads if isinstance(payloads, list) else list(payloads)
        if self.watch:
            self.watch.payloads(held)
        while at < len(held):
            at = native.decoder_feed_list(self._decoder, self._batch, held, at, self._report)
            self._take_rejects()
            if at < len(held):
                yield self._deduped()

    def _read_consumed(self, records: Any, count: int, decode: Callable[..., int]) -> Iterator[Any]:
        at = 0
        while at < count:
            at += decode(self._decoder, self._batch, records, at, self._report)
            self._take_rejects()
            if at < count:
                yield self._deduped()
        yield from self.rest()

    def read_topics(self, records: Any) -> Iterator[Any]:
        """Reads the values of records that were consumed from topics (the core's), one record each."""
        return self._read_consumed(records, native.kafka_records_count(records), native.kafka_records_decode)

    def read_stream(self, records: Any, routing: int = native.KINESIS_ROUTE_ALL) -> Iterator[Any]:
        """Reads the data of records that were consumed from a stream (the core's), one record each; all, or those whose
        partition key names this type."""

        def decode(decoder: Any, batch: Any, held: Any, at: int, report: Any) -> int:
            return int(native.kinesis_records_decode(decoder, batch, held, at, routing, report))

        return self._read_consumed(records, native.pinpipe_kinesis_records_count(records), decode)

    def read_column(self, data: ArrowStreamExportable) -> Iterator[Any]:
        """Reads the first column of any Arrow object, text or binary, one record each; null is an empty record."""
        source = native.arrow_input_open(data.__arrow_c_stream__())
        while native.arrow_input_next(source):
            at = 0
            while at < native.arrow_input_rows(source):
                at += native.decoder_feed_column(self._decoder, self._batch, source, at, self._report)
                self._take_rejects()
                if at < native.arrow_input_rows(source):
                    yield self._deduped()

    def read_arrow(self, data: ArrowStreamExportable) -> Iterator[Any]:
        """Reads any Arrow object in the raw shape."""
        source = native.arrow_input_open(data.__arrow_c_stream__())
        while native.arrow_input_next(source):
            if self.watch:
                self.watch.arrow(source)
            yield from self.read_array(source)

    def read_array(self, source: Any) -> Iterator[Any]:
        """Reads the array that an Arrow stream stands at."""
        at = 0
        while at < native.arrow_input_rows(source):
            at += native.decoder_feed_arrow(self._decoder, self._batch, source, at, self._report)
            self._take_rejects()
            if at < native.arrow_input_rows(source):
                yield self._deduped()

    def read_objects(
        self, url: str, client: Client | None = None, count: Callable[[int], None] = lambda objects: None
    ) -> Iterator[Any]:
        """Reads the objects of s3://bucket/prefix/, each an input of its own, in the order of their keys.

        client: else one from the environment. count: told the objects read so far, at every batch.
        """
        from pinpipe.s3 import Source

        with Source(url, client) as source:
            if self.watch:
                self.watch.objects(source)
            while source.decode(self._decoder, self._batch, self._report):
                self._take_rejects()
                count(source.objects)
                yield self._deduped()
            self._take_rejects()
            count(source.objects)

    def watch_objects(self, source: Source, statistics: Any) -> None:
        """Lets this reader's decoder see the objects that another one reads; the core's statistics count its rows."""
        source.watch(self._decoder, self._batch, self._report, statistics)

    def read(self, data: Input, client: Client | None = None) -> Iterator[Any]:
        """Reads any input."""
        if is_objects(data):
            yield from self.read_objects(str(data), client)
        elif isinstance(data, (str, os.PathLike)):
            yield from self.read_path(os.fspath(data))
        elif isinstance(data, ArrowStreamExportable):
            yield from self.read_arrow(data)
        elif isinstance(data, (bytes, bytearray, memoryview)):
            yield from self.read_file(io.BytesIO(data)) if self.is_arrow(data) else self._read_bytes(data)
        elif hasattr(data, "read"):
            yield from self.read_file(cast(IO[bytes], data))
        elif isinstance(data, Sequence):
            yield from self.read_payloads(cast(Sequence[bytes | str], data))
        else:
            raise InvalidArgumentError(f"records cannot be read from {type(data).__name__}")
        yield from self.rest()


def read_table(reader: Reader, batches: Iterator[Any]) -> Table:
    """A table of what a reader yields."""
    handle = native.pinpipe_table_new(kind_index(reader.schema.kind), SHAPES[reader.schema.shape])
    for batch in batches:
        native.pinpipe_table_append(handle, batch)
    return Table(handle, reader)


def _read_table_by_threads(reader: Reader, data: Input, threads: int) -> Table:
    if isinstance(data, (str, os.PathLike)):
        with open_for_reading(os.fspath(data)) as file:
            whole: Any = file.read()
    else:
        whole = data if isinstance(data, (bytes, bytearray, memoryview)) else cast(IO[bytes], data).read()
    if reader.is_arrow(whole):
        return read_table(reader, reader.read(whole))
    handle = native.pinpipe_table_new(kind_index(reader.schema.kind), SHAPES[reader.schema.shape])
    reader.read_whole(handle, whole, threads)
    return Table(handle, reader)


def chosen_profile(source: str | os.PathLike[str] | Mapping[str, Any] | Profile) -> Profile | None:
    """The profile, or None for the default, whose rules need no second list."""
    if source == "course":
        return None
    from pinpipe._profiles import profile

    return profile(source)


def clean(
    kind: str,
    data: Input,
    *,
    input_format: str = "auto",
    dedupe: str = "none",
    max_record_bytes: int = 0,
    threads: int = 1,
    profile: str | os.PathLike[str] | Mapping[str, Any] | Profile = "course",
    statistics: bool = False,
    expect: Expect | None = None,
    client: Client | None = None,
) -> Table:
    """Cleans records of a type into the table of CONTRACT §4.

    data: bytes-like, a path (str or PathLike), s3://bucket/prefix/ (its objects in the order of their keys; `client`
    is that of the store, else one from the environment), a binary file, a list of payloads with one JSON record each,
    or any Arrow object in the raw shape. input_format: auto, ndjson, json, csv, kafka-rest, kinesis, connect, records,
    filestream or arrow (docs/records.md). dedupe: none, ind or row.
    max_record_bytes: 0 is 16 MiB; a larger record is rejected. threads: 1 to 64 share NDJSON from memory or a file,
    which then is read whole; the table is the same for any number. profile: course, keep, or a rule file
    (docs/profiles.md). statistics: count every column before and after, which decodes the input twice.
    expect: "course", a rule file or its content (docs/census.md); None is what the profile's rule file expects.
    Raises pinpipe.Error; ExpectationError when a fatal expectation failed, after all was read.
    """
    chosen = chosen_profile(profile)
    reader = Reader(kind, "clean", input_format, dedupe, max_record_bytes, profile=chosen)
    expect = chosen.expect if expect is None and chosen else expect
    if statistics or expect is not None:
        from pinpipe._watch import watch

        watch(reader, statistics=statistics, expect=expect)
    if threads != 1 and dedupe == "none" and is_bytes_like(data):
        table = _read_table_by_threads(reader, data, threads)
    else:
        table = read_table(reader, reader.read(data, client))
    if table.expectations:
        from pinpipe._expectations import raise_fatal

        raise_fatal(table.expectations)
    return table


def decode(
    kind: str,
    data: Input,
    *,
    input_format: str = "auto",
    max_record_bytes: int = 0,
    client: Client | None = None,
) -> Table:
    """Reads records of a type into the raw shape: the wire's names, order and values."""
    reader = Reader(kind, "raw", input_format, "none", max_record_bytes)
    return read_table(reader, reader.read(data, client))


def encode(table: Table, output_format: str = "ndjson") -> bytes:
    """Writes a table as text: ndjson, or csv with a header line."""
    code = choose("output format", output_format, OUTPUT_FORMATS)
    if not isinstance(table, Table):
        raise InvalidArgumentError(f"a pinpipe.Table is encoded, not {type(table).__name__}")
    parts = [(table.schema.csv_header() + "\n").encode()] if output_format == "csv" else []
    parts.extend(native.pinpipe_batch_encode(batch, code) for batch in table.batches())
    return b"".join(parts)
