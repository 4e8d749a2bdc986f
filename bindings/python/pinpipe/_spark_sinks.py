"""Turns Spark's rows into records of a Kinesis stream or of topics behind Kafka's REST proxy, as data source writers.

Never lets a task end well with a record that was not delivered: its error fails the task, and Spark writes the rows of
that task again. So delivery is at least once.
Rules: docs/spark.md, "Sinks".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import datasource

from pinpipe.errors import InvalidArgumentError, NotSupportedError

if TYPE_CHECKING:
    import pyarrow

FLUSH_TIMEOUT_S = 120.0
REST_FORMAT = "pinpipe_kafka_rest"
REST_OPTIONS = {"endpoint": "", "topic": "", "apiKey": "", "auth": "", "region": "", "caFile": ""}

_SPARK_OPTIONS = ("checkpointlocation",)  # Spark's own, which a stream's writer is told too

#: Opens a producer as (write a row's values, wait until all are delivered, close).
Opened = tuple[Callable[..., object], Callable[[float], None], Callable[[], None]]


@dataclass
class Delivered(datasource.WriterCommitMessage):  # type: ignore[misc]
    """How many records a task has delivered."""

    records: int


def options_of(given: Mapping[str, str], known: Mapping[str, str], name: str) -> dict[str, str]:
    """Options by their names, in any case as Spark has them. Raises InvalidArgumentError that names the unknown."""
    names = {option.lower(): option for option in known}
    given = {name: value for name, value in given.items() if name.lower() not in _SPARK_OPTIONS}
    unknown = [option for option in given if option.lower() not in names]
    if unknown:
        raise InvalidArgumentError(
            f"{name}: option {', '.join(unknown)} is none of {', '.join(sorted(known))}"
        )
    return {**known, **{names[option.lower()]: value for option, value in given.items()}}


def columns_of(schema: Any, required: Sequence[str], optional: Sequence[str], name: str) -> list[str]:
    """The columns that are written, checked. Raises InvalidArgumentError that names what is missing or not known."""
    found = list(schema.names)
    missing = [column for column in required if column not in found]
    unknown = [column for column in found if column not in (*required, *optional)]
    if missing or unknown:
        wrong = f"is missing {', '.join(missing)}" if missing else f"has {', '.join(unknown)}"
        known = f"{', '.join(required)}; it may have {', '.join(optional)}"
        raise InvalidArgumentError(f"{name}: the frame {wrong}; its columns are {known}")
    return found


def write_batches(
    batches: Iterator[pyarrow.RecordBatch], columns: Sequence[str], opened: Opened
) -> Delivered:
    """Writes every row and waits until all are delivered."""
    write, flush, close = opened
    count = 0
    try:
        for batch in batches:
            values = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*values, strict=True):
                write(**dict(zip(columns, row, strict=True)))
            count += batch.num_rows
        flush(FLUSH_TIMEOUT_S)
    finally:
        close()
    return Delivered(count)


class Writer(datasource.DataSourceArrowWriter):  # type: ignore[misc]
    """Writes the rows of a frame: `open` makes a producer in the executor; it and what it holds are picklable."""

    def __init__(self, columns: Sequence[str], open: Callable[[], Opened]) -> None:
        self._columns = list(columns)
        self._open = open

    def write(self, iterator: Iterator[pyarrow.RecordBatch]) -> Delivered:
        return write_batches(iterator, self._columns, self._open())


def stream_writer(columns: Sequence[str], open: Callable[[], Opened], name: str) -> Any:
    """The same of micro-batches."""
    base: Any = getattr(datasource, "DataSourceStreamArrowWriter", None)
    if base is None:
        raise NotSupportedError(
            f"{name}: writing streams needs Spark 4.1; foreachBatch has batches before that"
        )

    class StreamWriter(base):  # type: ignore[misc]
        def write(self, iterator: Iterator[pyarrow.RecordBatch]) -> Delivered:
            return write_batches(iterator, columns, open())

        def commit(self, messages: Any, batchId: int) -> None:
            """Nothing is left to do: what was delivered stays."""

        def abort(self, messages: Any, batchId: int) -> None:
            """Nothing can be taken back."""

    return StreamWriter()


@dataclass(frozen=True)
class KinesisTarget:
    """A stream as an executor opens it. place: endpoint and region; key: of the options, or None."""

    stream: str
    endpoint: str | None
    region: str | None
    key: tuple[str, str, str | None] | None
    ordering: str
    aggregate_bytes: int | None

    def __call__(self) -> Opened:
        """Opens a producer."""
        from pinpipe import kinesis
        from pinpipe._credentials import Credentials

        producer = kinesis.Producer(
            self.stream,
            self.endpoint,
            region=self.region,
            credentials=Credentials.static(*self.key) if self.key else None,
            ordering=self.ordering,  # type: ignore[arg-type]
            aggregate_bytes=self.aggregate_bytes,
        )

        def write(data: bytes | str | None, partitionKey: str, explicitHashKey: str | None = None) -> None:
            producer.write(data or b"", partitionKey, hash_key=explicitHashKey)

        return write, producer.flush, producer.close


@dataclass(frozen=True)
class _RestTarget:
    told: dict[str, str]

    def __call__(self) -> Opened:
        from pinpipe.kafka import RestProducer

        told = self.told
        producer = RestProducer(
            told["endpoint"],
            api_key=told["apiKey"] or None,
            iam=told["auth"] == "iam",
            region=told["region"] or None,
            ca_file=told["caFile"] or None,
        )

        def write(
            value: bytes | str | None,
            key: bytes | str | None = None,
            topic: str | None = None,
            partition: int | None = None,
        ) -> None:
            producer.write(topic or told["topic"], value, key, partition=partition)

        return write, producer.flush, producer.close


class KafkaRestSink(datasource.DataSource):  # type: ignore[misc]
    """`format("pinpipe_kafka_rest")`: rows as JSON records of topics, by Kafka's REST proxy.

    Columns: value (JSON, string or binary), key (JSON), topic (else the option), partition. Options: endpoint, topic,
    apiKey, auth=iam, region, caFile, as `pinpipe.kafka.RestProducer`.
    """

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return REST_FORMAT

    def _target(self, schema: Any) -> tuple[list[str], _RestTarget]:
        told = options_of(self.options, REST_OPTIONS, REST_FORMAT)
        columns = columns_of(schema, ["value"], ["key", "topic", "partition"], REST_FORMAT)
        if not told["endpoint"] or not (told["topic"] or "topic" in columns):
            raise InvalidArgumentError(
                f"{REST_FORMAT}: an endpoint and a topic, option or column, are needed"
            )
        if told["auth"] not in ("", "iam"):
            raise InvalidArgumentError(f"{REST_FORMAT}: auth '{told['auth']}' is not iam")
        return columns, _RestTarget(told)

    def writer(self, schema: Any, overwrite: bool) -> Writer:
        """Appends; topics cannot be overwritten."""
        if overwrite:
            raise InvalidArgumentError(f"{REST_FORMAT}: topics are appended to: mode('append')")
        return Writer(*self._target(schema))

    def streamWriter(self, schema: Any, overwrite: bool) -> Any:
        """The same of micro-batches."""
        return stream_writer(*self._target(schema), REST_FORMAT)
