"""Turns a Kinesis stream into Spark's rows and Spark's rows into records, as a Python data source of Spark 4.

Never hands out a micro-batch that its offsets do not name record by record: asked again, they give the same records.
Rules: docs/spark.md, "Kinesis"; columns and options are those of Databricks' `kinesis` source.
"""

from __future__ import annotations

import bisect
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import datasource

from pinpipe._kinesis_consumer import Consumer, Position, Tip, position_of
from pinpipe._spark_sinks import KinesisTarget, Writer, columns_of, options_of, stream_writer
from pinpipe.errors import DataError, DeadlineError, InvalidArgumentError

try:
    from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxRows, SupportsTriggerAvailableNow
except ImportError:  # before Spark 4.2
    ReadAllAvailable = ReadMaxRows = None
    SupportsTriggerAvailableNow = object

if TYPE_CHECKING:
    import pyarrow

    from pinpipe import kinesis
    from pinpipe._credentials import Credentials

FORMAT = "pinpipe_kinesis"
COLUMNS = (
    "partitionKey STRING, data BINARY, stream STRING, shardId STRING, sequenceNumber STRING,"
    " approximateArrivalTimestamp TIMESTAMP"
)
#: What is read at once while it is looked how far a batch goes, and what an executor hands on at once.
PIECE_RECORDS = 10_000
READ_TIMEOUT_S = 0.5
STALL_S = 60.0

#: Options: their names, and what they are where they are not given. An empty text is "not given".
_READ_OPTIONS = {
    "streamName": "",
    "streamARN": "",
    "region": "",
    "endpoint": "",
    "endpointUrl": "",
    "awsAccessKey": "",
    "awsSecretKey": "",
    "awsSessionToken": "",
    "initialPosition": "latest",
    "maxRecordsPerFetch": "10000",
    "maxRecordsPerTrigger": "",
    "maxFetchDuration": "10s",
    "minFetchPeriod": "1s",
    "shardFetchInterval": "60s",
    "failOnDataLoss": "true",
}
_WRITE_OPTIONS = {
    **{name: _READ_OPTIONS[name] for name in list(_READ_OPTIONS)[:8]},
    "ordering": "none",
    "aggregateBytes": "",
}
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class _Options:
    """What a stream's options say; picklable, its clients are made where they are used."""

    told: dict[str, str]

    @property
    def stream(self) -> str:
        """The stream, a name or an ARN."""
        found = self.told["streamName"] or self.told["streamARN"]
        if not found:
            raise InvalidArgumentError(f"{FORMAT}: option streamName is missing")
        return found

    def credentials(self) -> Credentials | None:
        """The key of the options; None: the surroundings have one."""
        from pinpipe._credentials import Credentials

        key, secret = self.told["awsAccessKey"], self.told["awsSecretKey"]
        if bool(key) != bool(secret):
            raise InvalidArgumentError(f"{FORMAT}: awsAccessKey and awsSecretKey belong together")
        return Credentials.static(key, secret, self.told["awsSessionToken"] or None) if key else None

    def place(self) -> dict[str, Any]:
        """Endpoint, region and credentials, as every client takes them."""
        return {
            "endpoint": self.told["endpoint"] or self.told["endpointUrl"] or None,
            "region": self.told["region"] or None,
            "credentials": self.credentials(),
        }

    def count(self, name: str) -> int:
        """A number. Raises InvalidArgumentError."""
        if not self.told[name].isdecimal() or int(self.told[name]) < 1:
            raise InvalidArgumentError(f"{FORMAT}: {name} '{self.told[name]}' is no number above 0")
        return int(self.told[name])

    def seconds(self, name: str) -> float:
        """A time such as 400ms. Raises InvalidArgumentError."""
        found = re.fullmatch(r"(\d+)\s*(ms|s|m|h)", self.told[name].strip())
        if not found:
            raise InvalidArgumentError(
                f"{FORMAT}: {name} '{self.told[name]}' is no time such as 400ms or 10s"
            )
        return int(found[1]) * _UNITS_S[found[2]]

    @property
    def is_loss_an_error(self) -> bool:
        """Whether records that are gone before they were read end the query."""
        return self.told["failOnDataLoss"].lower() != "false"

    def client(self) -> kinesis.Client:
        """A client of the region."""
        from pinpipe import kinesis

        return kinesis.Client(**self.place())

    def consumer(self, start: Mapping[str, Position], shards: list[str] | None = None) -> Consumer:
        """A reader of all shards, or of some, from their places on."""
        return Consumer(
            self.stream,
            start=start,
            shards=shards,
            fetch_records=self.count("maxRecordsPerFetch"),
            idle=self.seconds("minFetchPeriod"),
            audit_every=self.seconds("shardFetchInterval"),
            **self.place(),
        )


def _text(position: Any) -> str:
    """A place as an offset has it: "sequence number/number in its aggregate", or the word of a Position."""
    return position if isinstance(position, str) else f"{position[0]}/{position[1]}"


def _position(text: str) -> Position:
    number, slash, within = text.partition("/")
    return (number, int(within)) if slash else text


def _initial(told: str, shards: list[str]) -> dict[str, str]:
    """Where each shard begins, as initialPosition says: a word, {"at_timestamp": time}, or places by shard."""
    word = told.strip().lower()
    if word == "latest":  # by a time, so that a query which read nothing yet goes on from here
        return dict.fromkeys(shards, f"AT_TIMESTAMP:{int(time.time() * 1000)}")
    if word in ("earliest", "trim_horizon"):
        return dict.fromkeys(shards, "TRIM_HORIZON")
    try:
        places = json.loads(told)
    except ValueError:
        places = None
    if not isinstance(places, dict) or "format" in places:
        raise InvalidArgumentError(
            f"{FORMAT}: initialPosition '{told[:100]}' is none of latest, earliest, trim_horizon,"
            ' {"at_timestamp": "2024-01-31T12:00:00Z"}, {"<shard>": {"iteratorType": …, "iteratorPosition": …}}'
        )
    if "at_timestamp" in places:
        at = position_of({"iteratorType": "AT_TIMESTAMP", "iteratorPosition": places["at_timestamp"]})
        return dict.fromkeys(shards, _text(at))
    return {shard: _text(position_of(places.get(shard, "TRIM_HORIZON"))) for shard in shards}


@dataclass(frozen=True)
class ShardRange(datasource.InputPartition):  # type: ignore[misc]
    """The records of a shard behind `start` up to `end`, places as offsets have them."""

    shard: str
    start: str
    end: str


class _Planner:
    """Looks how far the next micro-batch goes, by reading: only a record that was seen can end one exactly."""

    def __init__(self, options: _Options) -> None:
        self._options = options
        self._consumer: Consumer | None = None
        self._tip: Tip | None = None
        self._stands: dict[str, str] = {}
        self._until_tip = False
        self._is_done = False

    def initial(self) -> dict[str, str]:
        """Every shard's beginning."""
        shards = [shard.id for shard in self._options.client().shards(self._options.stream)]
        return _initial(self._options.told["initialPosition"], shards)

    def set_target(self) -> None:
        """From here on only what is in the stream now, in any number of batches."""
        self._until_tip = True
        self._is_done = False
        self.close()

    def next(self, start: Mapping[str, str], max_records: int | None) -> dict[str, str]:
        """The end of the batch behind `start`; the same places where there is nothing more."""
        if self._is_done:
            return dict(start)
        consumer, tip = self._stand(start)
        end, left = dict(start), max_records
        deadline = time.monotonic() + self._options.seconds("maxFetchDuration")
        while left is None or left > 0:
            asked = PIECE_RECORDS if left is None else min(PIECE_RECORDS, left)
            tip.look()
            batch = consumer.consume_batch(asked, READ_TIMEOUT_S)
            end.update({shard: _text(place) for shard, place in batch.positions.items()})
            left = None if left is None else left - len(batch)
            if self._until_tip:
                if len(batch) < asked and tip.is_reached():
                    self._is_done = True
                    break
            elif not len(batch) or time.monotonic() > deadline:
                break
        self._stands = end
        return dict(end)

    def _stand(self, start: Mapping[str, str]) -> tuple[Consumer, Tip]:
        if self._consumer is None or self._tip is None or self._stands != dict(start):
            self.close()
            known = {shard.id for shard in self._options.client().shards(self._options.stream)}
            gone = [shard for shard in start.keys() - known if start[shard] != "SHARD_END"]
            if gone and self._options.is_loss_an_error:
                raise DataError(
                    f"stream '{self._options.stream}': shard {gone[0]} is gone and was not read to its end"
                )
            places = {shard: _position(text) for shard, text in start.items() if shard in known}
            self._consumer = self._options.consumer(places)
            self._tip = Tip(self._consumer)
            self._stands = dict(start)
        return self._consumer, self._tip

    def close(self) -> None:
        """Lets the consumer go."""
        if self._consumer:
            self._consumer.close()
        self._consumer = self._tip = None


def _ranges(start: Mapping[str, str], end: Mapping[str, str]) -> list[ShardRange]:
    places = {shard: start.get(shard, "TRIM_HORIZON") for shard in end}
    return [ShardRange(shard, places[shard], end[shard]) for shard in end if places[shard] != end[shard]]


def _read(options: _Options, part: ShardRange) -> Iterator[pyarrow.RecordBatch]:
    """The records of a range, in order."""
    import pyarrow as pa

    end = _position(part.end)
    place: Position | None = None
    is_seen, reached = False, time.monotonic()
    with options.consumer({part.shard: _position(part.start)}, [part.shard]) as consumer:
        while place not in (end, "SHARD_END"):
            rows = pa.record_batch(consumer.consume_batch(PIECE_RECORDS, READ_TIMEOUT_S, extras=True))
            place = consumer.positions.get(part.shard)
            count = rows.num_rows if end == "SHARD_END" else _count_up_to(rows, end)
            if count:
                reached = time.monotonic()
                is_seen = is_seen or _key(rows, count - 1)[0] == _last_key(end)[0]
                yield _source_columns(rows.slice(0, count))
            if count < rows.num_rows:
                break
            if time.monotonic() - reached > STALL_S:
                raise DeadlineError(
                    f"{_named(options, part)}: nothing came before {part.end} for {STALL_S:.0f} s"
                )
        is_lost = place != end and not is_seen and not consumer.counters["dropped"]
    if is_lost and options.is_loss_an_error:
        raise DataError(f"{_named(options, part)}: record {part.end} is not there any more")


def _named(options: _Options, part: ShardRange) -> str:
    return f"stream '{options.stream}', shard {part.shard}"


def _key(rows: pyarrow.RecordBatch, at: int) -> tuple[int, int]:
    within = rows.column("subSequenceNumber")[at].as_py()
    return int(rows.column("sequenceNumber")[at].as_py()), 0 if within is None else within


def _last_key(end: Position) -> tuple[int, int]:
    """The greatest key of a record that is not behind a place; of a shard's end none is."""
    if isinstance(end, str):
        return 1 << 256, 0
    return int(end[0]), end[1] if end[1] >= 0 else 1 << 62


def _count_up_to(rows: pyarrow.RecordBatch, end: Position) -> int:
    return bisect.bisect_right(range(rows.num_rows), _last_key(end), key=lambda at: _key(rows, at))


def _source_columns(rows: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    import pyarrow as pa

    types = {"data": pa.binary(), "approximateArrivalTimestamp": pa.timestamp("us", "UTC")}
    names = [part.split()[0] for part in COLUMNS.split(",")]
    schema = pa.schema([(name, types.get(name, pa.utf8())) for name in names])
    return pa.RecordBatch.from_arrays([rows.column(name) for name in names], schema=schema)


class _StreamReader(datasource.DataSourceStreamReader, SupportsTriggerAvailableNow):  # type: ignore[misc]
    """Micro-batches of a stream: offsets are the shards' places."""

    def __init__(self, options: _Options) -> None:
        self._options = options
        self._planner = _Planner(options)
        self._initial: dict[str, str] | None = None
        self._known: dict[str, str] | None = None

    def initialOffset(self) -> dict[str, str]:
        self._initial = self._initial or self._planner.initial()  # Spark before 4.2 asks for it after the end
        return self._initial

    def getDefaultReadLimit(self) -> Any:
        if self._options.told["maxRecordsPerTrigger"]:
            return ReadMaxRows(self._options.count("maxRecordsPerTrigger"))
        return ReadAllAvailable()

    def prepareForTriggerAvailableNow(self) -> None:
        self._planner.set_target()

    def latestOffset(self, start: dict[str, str] | None = None, limit: Any = None) -> dict[str, str]:
        if start is None:  # as before 4.2, where `partitions` is asked first in a query that is restarted
            start = self._known or self.initialOffset()
        if limit is None and self._options.told["maxRecordsPerTrigger"]:  # nor does it hand the limit on
            most: int | None = self._options.count("maxRecordsPerTrigger")
        else:
            most = getattr(limit, "max_rows", None)
        self._known = self._planner.next(start, most)
        return self._known

    def partitions(self, start: dict[str, str], end: dict[str, str]) -> list[ShardRange]:
        self._known = self._known or end
        return _ranges(start, end)

    def read(self, partition: ShardRange) -> Iterator[pyarrow.RecordBatch]:
        return _read(self._options, partition)

    def stop(self) -> None:
        self._planner.close()


class _Reader(datasource.DataSourceReader):  # type: ignore[misc]
    """What is in a stream when the query begins, from initialPosition on."""

    def __init__(self, options: _Options) -> None:
        self._options = options

    def partitions(self) -> list[ShardRange]:
        planner = _Planner(self._options)
        try:
            start = planner.initial()
            planner.set_target()
            return _ranges(start, planner.next(start, None))
        finally:
            planner.close()

    def read(self, partition: ShardRange | None) -> Iterator[pyarrow.RecordBatch]:
        if isinstance(partition, ShardRange):  # Spark has one of its own where there is none
            yield from _read(self._options, partition)


class KinesisSource(datasource.DataSource):  # type: ignore[misc]
    """`spark.dataSource.register(KinesisSource)`, then `format("pinpipe_kinesis")` to read and write, also streams.

    It reads the columns of Databricks' `kinesis` source and writes those named partitionKey and data; docs/spark.md
    has the options.
    """

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return FORMAT

    def schema(self) -> str:
        """The columns that are read."""
        return COLUMNS

    def _options(self, known: Mapping[str, str]) -> _Options:
        found = _Options(options_of(self.options, known, FORMAT))
        _ = found.stream
        return found

    def streamReader(self, schema: Any) -> _StreamReader:
        """Reads micro-batches."""
        return _StreamReader(self._options(_READ_OPTIONS))

    def reader(self, schema: Any) -> _Reader:
        """Reads what is there now."""
        return _Reader(self._options(_READ_OPTIONS))

    def _target(self, schema: Any) -> tuple[list[str], KinesisTarget]:
        options = self._options(_WRITE_OPTIONS)
        columns = columns_of(schema, ["data", "partitionKey"], ["explicitHashKey"], FORMAT)
        told = options.told
        options.credentials()
        return columns, KinesisTarget(
            options.stream,
            told["endpoint"] or told["endpointUrl"] or None,
            told["region"] or None,
            (told["awsAccessKey"], told["awsSecretKey"], told["awsSessionToken"] or None)
            if told["awsAccessKey"]
            else None,
            told["ordering"],
            options.count("aggregateBytes") if told["aggregateBytes"] else None,
        )

    def writer(self, schema: Any, overwrite: bool) -> Writer:
        """Appends; a stream cannot be overwritten."""
        if overwrite:
            raise InvalidArgumentError(f"{FORMAT}: a stream is appended to: mode('append')")
        return Writer(*self._target(schema))

    def streamWriter(self, schema: Any, overwrite: bool) -> Any:
        """The same of micro-batches."""
        return stream_writer(*self._target(schema), FORMAT)
