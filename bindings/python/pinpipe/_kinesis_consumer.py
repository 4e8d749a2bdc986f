"""Turns a Kinesis stream's shards into batches: Arrow columns, clean tables, and places from which to go on.

Never makes an object a record unless it is asked for one; never keeps a place itself.
Rules: docs/kinesis.md, "Consumer"; the Arrow PyCapsule interface; CONTRACT §4 for clean tables.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pinpipe import native
from pinpipe._records import EPOCH, Reader, Reject, Table, chosen_profile, read_table
from pinpipe._schema import KINDS
from pinpipe._waiting import Handle, beside, milliseconds, steps
from pinpipe.errors import Error, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials
    from pinpipe._profiles import Profile

    Rules = str | os.PathLike[str] | Mapping[str, Any] | Profile

REJECT_BYTES = 64 << 10  # of a record that a reject keeps
WIRES = {"json": native.KINESIS_JSON, "cbor": native.KINESIS_CBOR}
STRAYS = {"strict": native.KINESIS_STRAYS_DROP, "keep": native.KINESIS_STRAYS_KEEP}
STATES = ("free", "waiting", "reading", "stuck", "ended")
TYPES = {
    "TRIM_HORIZON": native.KINESIS_TRIM_HORIZON,
    "LATEST": native.KINESIS_LATEST,
    "AT_SEQUENCE_NUMBER": native.KINESIS_AT_SEQUENCE,
    "AFTER_SEQUENCE_NUMBER": native.KINESIS_AFTER_SEQUENCE,
    "AT_TIMESTAMP": native.KINESIS_AT_TIMESTAMP,
    "SHARD_END": native.KINESIS_SHARD_END,
}
NAMES = {code: name for name, code in TYPES.items()}
WHOLE = {"earliest": "TRIM_HORIZON", "trim_horizon": "TRIM_HORIZON", "latest": "LATEST"}

Position = tuple[str, int] | str
"""(sequence number, number in its aggregate; -1 = all of it) of the last record that is behind, or one of SHARD_END,
TRIM_HORIZON, LATEST, AT_TIMESTAMP:milliseconds, AT_SEQUENCE_NUMBER:number where none is. Survives JSON."""
Start = str | datetime | Mapping[str, Any]


def chosen(name: str, given: str, known: Mapping[str, int]) -> int:
    """What an option's word means to the core."""
    if given not in known:
        raise InvalidArgumentError(f"{name} '{given}': it is one of {', '.join(known)}")
    return known[given]


def service_options(
    credentials: Credentials | None,
    endpoint: str | None,
    region: str | None,
    ca_file: str | os.PathLike[str] | None,
    wire: str,
) -> tuple[Any, str | None, str | None, str | None, int]:
    """How the service is reached, as every handle of the core is told."""
    provider = credentials._provider if credentials else None
    certificates = os.fspath(ca_file) if ca_file else None
    return provider, endpoint, region, certificates, chosen("wire", wire, WIRES)


class Received(NamedTuple):
    """A record that was read. arrival: about when the service took it. stray: its hash key is not the shard's."""

    partition_key: str
    data: bytes
    shard: str
    sequence_number: str
    arrival: datetime | None
    hash_key: str | None
    sub_sequence: int | None
    stray: bool


class ShardState(NamedTuple):
    """A shard that a consumer knows. state: free (nobody took it), waiting (for its parents), reading, stuck, ended."""

    id: str
    parent: str | None
    adjacent_parent: str | None
    first_hash: str
    last_hash: str
    state: str
    position: Position
    behind_ms: int | None
    records: int
    error: str | None


class Routed(NamedTuple):
    """A clean table of every record type, and what belongs to none: its key names no type. Each table has its own
    rejects beside these."""

    tables: dict[str, Table]
    rejects: list[Reject]


class _Place(NamedTuple):
    start: int
    sequence_number: str = ""
    sub_sequence: int = -1
    time_ms: int = 0


def _position(start: int, sequence_number: str, sub_sequence: int, time_ms: int) -> Position:
    if start == native.KINESIS_AFTER_SEQUENCE:
        return sequence_number, sub_sequence
    name = NAMES[start]
    if start == native.KINESIS_AT_TIMESTAMP:
        return f"{name}:{time_ms}"
    return f"{name}:{sequence_number}" if start == native.KINESIS_AT_SEQUENCE else name


def _time_ms(value: Any) -> int:
    """Milliseconds since 1970 of a datetime, of ISO text or of the number itself."""
    if isinstance(value, (int, float)) or (isinstance(value, str) and value.isdigit()):
        return int(value)
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidArgumentError(f"start: '{value}' is no time") from None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def _typed(kind: str, at: Any) -> _Place:
    code = TYPES.get(kind)
    if code is None:
        raise InvalidArgumentError(f"start: '{kind}' is none of {', '.join(TYPES)}")
    if code == native.KINESIS_AT_TIMESTAMP:
        return _Place(code, time_ms=_time_ms(at))
    if code in (native.KINESIS_AT_SEQUENCE, native.KINESIS_AFTER_SEQUENCE):
        return _Place(code, str(at))
    return _Place(code)


def _place(given: Any) -> _Place:
    """A shard's place: a position, or a dict as Spark's readers write it."""
    if isinstance(given, Mapping):
        return _typed(str(given.get("iteratorType")), given.get("iteratorPosition"))
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return _Place(native.KINESIS_AFTER_SEQUENCE, str(given[0]), int(given[1]))
    if isinstance(given, str):
        kind, _, at = given.partition(":")
        return _typed(kind, at)
    raise InvalidArgumentError(f"start: {given!r} is no place in a shard")


def places_of(start: Start) -> Mapping[str, Any] | None:
    """The places by shard of a start, given as such or as Spark's text; None: it is one for all shards."""
    if isinstance(start, str) and start.lstrip().startswith("{"):
        try:
            return dict(json.loads(start))
        except ValueError as error:
            raise InvalidArgumentError(f"start: {error}") from None
    return start if isinstance(start, Mapping) else None


def position_of(given: Any) -> Position:
    """A shard's place in any of its forms, as consumers tell it."""
    return _position(*_place(given))


def _start(start: Start) -> tuple[_Place, dict[str, _Place]]:
    """Where shards begin, and the places of those that have one of their own."""
    places = places_of(start)
    if places is not None:
        named = {str(shard): _place(at) for shard, at in places.items() if shard != "metadata"}
        return _Place(native.KINESIS_TRIM_HORIZON), named
    if isinstance(start, datetime):
        return _Place(native.KINESIS_AT_TIMESTAMP, time_ms=_time_ms(start)), {}
    if not isinstance(start, str) or start.lower() not in WHOLE:
        raise InvalidArgumentError(
            f"start '{start}': it is one of {', '.join(WHOLE)}, a time, or places by shard"
        )
    return _Place(TYPES[WHOLE[start.lower()]]), {}


def _shard_state(*parts: Any) -> ShardState:
    told, state, place, rest = parts[:5], parts[5], parts[6], parts[7:]
    return ShardState._make([*told, STATES[state], _position(*place[1:]), *rest])


class Batch:
    """Records of one read: the columns of the Databricks source, and the places behind them.

    Arrow consumers take it (pyarrow.record_batch, polars.DataFrame, duckdb), any number of times.
    """

    def __init__(self, handle: Any, spare: list[Any], extras: bool) -> None:
        """Made by `Consumer.consume_batch`. spare: where the core's memory goes for the next read."""
        self._handle = handle
        self._spare = spare
        self._columns = native.KINESIS_COLUMNS_ALL if extras else native.KINESIS_COLUMNS_SOURCE
        self.num_records = int(native.pinpipe_kinesis_records_count(handle))
        self.positions: dict[str, Position] = {
            shard: _position(*rest) for shard, *rest in native.kinesis_records_positions(handle)
        }
        """Where each shard of this batch goes on; SHARD_END where its end was found."""

    def __del__(self) -> None:
        """Lets the next read have the memory."""
        if not self._spare:
            self._spare.append(self._handle)

    def __len__(self) -> int:
        """How many records."""
        return self.num_records

    @property
    def stream(self) -> str:
        """The stream, as it was named."""
        return str(native.pinpipe_kinesis_records_stream(self._handle))

    def records(self) -> list[Received]:
        """The records as objects."""
        found = native.kinesis_records_items(self._handle)
        return [
            Received(
                key, data, shard, number, None if us is None else EPOCH + timedelta(microseconds=us), *rest
            )
            for key, data, shard, number, us, *rest in found
        ]

    def clean(self, kind: str, *, profile: Rules = "course") -> Table:
        """The clean rows of the records' data. A reject's source is kinesis://stream/shard/sequence number.

        kind: pin, geo or user. profile: as `pinpipe.clean`.
        """
        return self._clean(kind, native.KINESIS_ROUTE_ALL, profile)

    def clean_by_key(self, *, profile: Rules = "course") -> Routed:
        """The clean rows of one stream for all types: partition keys end in -pin, -geo or -user."""
        tables = {kind: self._clean(kind, native.KINESIS_ROUTE_KEY, profile) for kind in KINDS}
        names = ", ".join(f"-{kind}" for kind in KINDS)
        rejects = [
            Reject(
                index,
                0,
                f"partition key '{key[:64]}': it ends in none of {names}",
                data[:REJECT_BYTES],
                len(data),
                source,
            )
            for index, key, data, source in native.kinesis_records_unrouted(self._handle)
        ]
        return Routed(tables, rejects)

    def _clean(self, kind: str, routing: int, profile: Rules) -> Table:
        reader = Reader(kind, "clean", "auto", "none", profile=chosen_profile(profile))
        return read_table(reader, reader.read_stream(self._handle, routing))

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The Arrow PyCapsule interface: a struct array of the columns."""
        schema, array = native.kinesis_records_capsules(self._handle, self._columns)
        return schema, array

    def __repr__(self) -> str:
        """Says what it is."""
        return f"<pinpipe.kinesis.Batch: {self.num_records} records of {self.stream}>"


class Consumer(Handle):
    """Reads the shards of one stream, parents before their children, at the pace that they take.

    It moves while a thread is in one of its calls. Threads may share it. In a forked child every call raises
    `ForkedError`. It keeps no place: `positions` goes where the records go, and back into `start`.
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
        start: Start = "earliest",
        shards: Iterable[str] | None = None,
        deaggregate: Literal["strict", "keep"] = "strict",
        memory_bytes: int = 64 << 20,
        fetch_records: int = 10_000,
        idle: float = 1.0,
        stuck_after: float = 60.0,
        audit_every: float = 60.0,
        in_flight: int | None = None,
        fan_out: str | None = None,
    ) -> None:
        """Opens a consumer: asks for the stream's shards, within `timeout` seconds.

        stream, endpoint, region, credentials, ca_file, wire: as `Client`. start: "earliest", "latest", a time, or
        places by shard: `positions` of another consumer, or Spark's {shard: {"iteratorType", "iteratorPosition"}} as
        dict or text; shards without a place are then read from their beginning. shards: only these, and not their
        children; an empty list waits for `take`. deaggregate: what becomes of an aggregate that was packed for other
        shards: strict drops it, as Amazon's library does, keep hands it out with a flag. memory_bytes: of answers that
        wait. idle: from an answer at a shard's tip to the next call. stuck_after: without an answer.
        in_flight: at once, 8 requests or 100 subscriptions. fan_out: ARN of a registered consumer, see
        `Client.register_consumer`: shards are subscribed to, each with 2 MiB a second that nobody else has.
        """
        service = service_options(credentials, endpoint, region, ca_file, wire)
        strays = chosen("deaggregate", deaggregate, STRAYS)
        whole, places = _start(start)
        super().__init__(
            beside(
                lambda: native.kinesis_consumer_new(
                    stream,
                    *service,
                    milliseconds(timeout),
                    native.KINESIS_READ_ALL if shards is None else native.KINESIS_READ_TAKEN,
                    whole.start,
                    whole.time_ms,
                    strays,
                    memory_bytes,
                    fetch_records,
                    max(1, milliseconds(idle)),
                    milliseconds(stuck_after),
                    milliseconds(audit_every),
                    in_flight or 0,
                    fan_out,
                )
            )
        )
        self._spare: list[Any] = []
        for shard in places if shards is None else shards:
            self._take(shard, places.get(shard, whole))

    def _take(self, shard: str, place: _Place) -> None:
        with self._alone() as handle:
            native.kinesis_consumer_shard_take(handle, shard, *place)

    def take(self, shard: str, position: Position | Mapping[str, Any] = "TRIM_HORIZON") -> None:
        """Reads a shard from a place on. What was fetched of it before is forgotten."""
        self._take(shard, _place(position))

    def release(self, shard: str) -> None:
        """Stops reading a shard, and forgets what was fetched of it. Raises NotFoundError where it is not known."""
        with self._alone() as handle:
            native.pinpipe_kinesis_consumer_shard_release(handle, shard)

    def consume_batch(
        self,
        max_records: int = 10_000,
        timeout: float = 1.0,
        *,
        max_bytes: int = 8 << 20,
        extras: bool = False,
    ) -> Batch:
        """Reads records: waits for the first, or the end of a shard, up to `timeout` seconds, then takes what has come.

        max_records, max_bytes: where a batch ends. extras: columns beyond the six of the Databricks source,
        explicitHashKey, subSequenceNumber, stray. Empty after the timeout. Raises what the shards' requests failed
        with where none of them succeeds: NetworkError, AuthError, NotFoundError, ServiceError, RefusedError.
        """
        try:
            records = self._spare.pop()
        except IndexError:
            records = native.pinpipe_kinesis_records_new()
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    status = native.kinesis_consumer_read(records, handle, max_records, max_bytes, step_ms)
                    if status != native.STATUS_AGAIN:
                        break
            except Error as error:
                if last or not error.retryable:
                    raise
        return Batch(records, self._spare, extras)

    def clean_batch(
        self,
        kind: str,
        max_records: int = 10_000,
        timeout: float = 1.0,
        *,
        max_bytes: int = 8 << 20,
        profile: Rules = "course",
    ) -> Table:
        """Reads records as `consume_batch` and cleans their data, as `Batch.clean`."""
        return self.consume_batch(max_records, timeout, max_bytes=max_bytes).clean(kind, profile=profile)

    def clean_batches(
        self,
        max_records: int = 10_000,
        timeout: float = 1.0,
        *,
        max_bytes: int = 8 << 20,
        profile: Rules = "course",
    ) -> Routed:
        """The same of one stream for all types, as `Batch.clean_by_key`."""
        return self.consume_batch(max_records, timeout, max_bytes=max_bytes).clean_by_key(profile=profile)

    def look(self, timeout: float = 60.0) -> list[ShardState]:
        """Looks at the stream's shards now, and says what is known of them."""
        wait_ms = max(1, milliseconds(timeout))

        def call() -> None:
            with self._alone() as handle:
                native.pinpipe_kinesis_consumer_shards_list(handle, wait_ms)

        beside(call)
        return self.shards

    @property
    def shards(self) -> list[ShardState]:
        """The shards that are known, sorted by their ids."""
        with self._alone() as handle:
            found = native.kinesis_consumer_shards(handle)
        return [_shard_state(*parts) for parts in found]

    @property
    def positions(self) -> dict[str, Position]:
        """The place behind the last record handed out, of every shard that is read or was."""
        return {shard.id: shard.position for shard in self.shards if shard.state != "free"}

    @property
    def counters(self) -> dict[str, int]:
        """What the consumer counts: records, aggregates, dropped, throttled, expired, stuck, …"""
        found: dict[str, int] = {}
        with self._alone() as handle:
            while name := native.pinpipe_kinesis_consumer_counter_name(len(found)):
                found[name] = int(native.pinpipe_kinesis_consumer_count(handle, len(found)))
        return found


class Tip:
    """How far a consumer is from where its shards ended when this was made."""

    def __init__(self, consumer: Consumer) -> None:
        """Begins now."""
        self._consumer = consumer
        self._began = self._looked = time.monotonic()
        self._told: dict[str, tuple[int | None, float]] = {}

    def look(self) -> None:
        """Sees what the last answers said; the next batch has all that they brought, unless it is full."""
        # When an answer came is not told: not before the last look that saw another one.
        for shard in self._consumer.shards:
            if shard.state in ("ended", "free"):
                self._told.pop(shard.id, None)
            elif self._told.get(shard.id, (None, 0.0))[0] != shard.behind_ms or shard.id not in self._told:
                self._told[shard.id] = (shard.behind_ms, self._looked)
        self._looked = time.monotonic()

    def is_reached(self) -> bool:
        """Whether every shard was read to its end, by the last look."""
        return all(
            behind_ms is not None and behind_ms <= (seen - self._began) * 1000
            for behind_ms, seen in self._told.values()
        )

    @property
    def behind_s(self) -> float | None:
        """How old the oldest end of a shard is that was read; None where one was not read yet."""
        told = [behind_ms for behind_ms, _ in self._told.values()]
        return None if None in told else max((ms for ms in told if ms is not None), default=0) / 1000
