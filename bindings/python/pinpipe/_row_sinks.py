"""Turns the emulator's rows, as JSON bytes by topic, into records of Kafka or Kinesis, files' lines or lists in memory.

Never reorders the rows of a topic; a row counts as stored only after flush().
Rules: CONTRACT §2 (kafka://, kafka-rest+https://, kinesis://, apigw+https://, file:///, memory:); topics are
`<user id>.pin|geo|user`, streams `streaming-<user id>-pin|geo|user` (domain §1, §3.4).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import unquote

from pinpipe._schema import KINDS
from pinpipe.errors import DataError, Error, FileError, InvalidArgumentError, LimitError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials
    from pinpipe.kafka import Producer, RestProducer
    from pinpipe.kinesis import Producer as StreamProducer

MEMORY_MAX_BYTES = 256 << 20
WRITE_TIMEOUT_S = 30.0
FLUSH_TIMEOUT_S = 30.0
# A gateway's API key; never in a URL, which is printed and kept.
API_KEY_VARIABLE = "PINPIPE_API_KEY"
REST_ATTEMPTS = 8

KNOWN = (
    "kafka://brokers, kafka-rest+http(s)://host/stage, kinesis://region, apigw+http(s)://host/stage, file:///dir, "
    "memory:name"
)

# What a sink may be given as: a URL, or a function that takes (kind, row as JSON).
Target = str | Callable[[str, bytes], object]

_USER_ID = re.compile(r"[A-Za-z0-9._-]{1,200}\Z")
_TAIL_BYTES = 1 << 20


class RowSink:
    """Takes rows. Use it as a context manager, from one thread at a time.

    name: the target without secrets, for messages and for finding a run's state again.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, kind: str, payload: bytes) -> None:
        """Takes one row of `kind` ("pin", "geo", "user") as JSON."""
        raise NotImplementedError

    def flush(self) -> None:
        """Returns when every row taken so far is stored; raises pinpipe.Error where one could not be."""

    def close(self) -> None:
        """Lets go of files and connections; what was not flushed may be lost."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def topics_of(user_id: str) -> dict[str, str]:
    """Kind -> topic. Raises InvalidArgumentError for a user id that cannot begin a topic."""
    if not _USER_ID.match(user_id):
        raise InvalidArgumentError(
            f"user id {user_id[:60]!r}: only A-Z a-z 0-9 . _ - are allowed, 1 to 200 of them"
        )
    return {kind: f"{user_id}.{kind}" for kind in KINDS}


def streams_of(user_id: str) -> dict[str, str]:
    """Kind -> stream. Raises InvalidArgumentError for a user id that cannot stand in one."""
    topics_of(user_id)
    return {kind: f"streaming-{user_id}-{kind}" for kind in KINDS}


def open_sinks(target: Target | RowSink | Sequence[Target | RowSink], user_id: str = "demo") -> RowSink:
    """Opens one target, or several that each take every row; a sink that was open already stays so."""
    if isinstance(target, RowSink):
        return target
    if isinstance(target, str) or callable(target):
        return open_sink(target, user_id)
    return _EachSink(target, user_id)


def open_sink(target: Target, user_id: str = "demo") -> RowSink:
    """Opens one of the targets in `KNOWN`, or calls a function.

    The user id begins the topics' names, and stands in the streams'.

    Raises InvalidArgumentError for another URL or a user id that cannot begin a topic.
    """
    topics_of(user_id)
    if not isinstance(target, str):
        return _FunctionSink(target)
    for schemes, opened in _SCHEMES.items():
        scheme = next((scheme for scheme in schemes if target.startswith(scheme)), None)
        if scheme and (len(target) > len(scheme) or scheme == "file:///"):
            return opened(target, user_id)
    scheme = target.partition(":")[0]
    raise InvalidArgumentError(f"target {scheme}: is none of {KNOWN}")


def memory_rows(name: str) -> dict[str, list[bytes]]:
    """What the sink memory:`name` holds, as topic -> rows; an unknown name is empty."""
    return _MEMORY.setdefault(name, {})


class _FunctionSink(RowSink):
    def __init__(self, function: Callable[[str, bytes], object]) -> None:
        super().__init__("function")
        self._function = function

    def put(self, kind: str, payload: bytes) -> None:
        self._function(kind, payload)


_MEMORY: dict[str, dict[str, list[bytes]]] = {}


class _MemorySink(RowSink):
    def __init__(self, url: str, user_id: str) -> None:
        super().__init__(url)
        held, topics = memory_rows(url.removeprefix("memory:")), topics_of(user_id)
        self._rows = {kind: held.setdefault(topic, []) for kind, topic in topics.items()}
        self._left_bytes = MEMORY_MAX_BYTES - sum(len(row) for rows in held.values() for row in rows)

    def put(self, kind: str, payload: bytes) -> None:
        self._left_bytes -= len(payload)
        if self._left_bytes < 0:
            raise LimitError(f"{self.name} is full: {MEMORY_MAX_BYTES >> 20} MiB of rows")
        self._rows[kind].append(payload)


class _FileSink(RowSink):
    """One NDJSON file per topic, `<topic>.ndjson`, appended."""

    def __init__(self, url: str, user_id: str) -> None:
        super().__init__(url)
        folder = Path(unquote(url.removeprefix("file://")))
        self._files: dict[str, BinaryIO] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for kind, topic in topics_of(user_id).items():
                self._files[kind] = _open_whole_lines(folder / f"{topic}.ndjson")
        except OSError as error:
            self.close()
            raise FileError(f"{folder}: {error.strerror}", native_code=error.errno or 0) from error

    def put(self, kind: str, payload: bytes) -> None:
        try:
            self._files[kind].write(payload + b"\n")
        except OSError as error:
            raise self._failure(kind, error) from error

    def flush(self) -> None:
        for kind, file in self._files.items():
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise self._failure(kind, error) from error

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _failure(self, kind: str, error: OSError) -> Error:
        return FileError(f"{self._files[kind].name}: {error.strerror}", native_code=error.errno or 0)


def _open_whole_lines(path: Path) -> BinaryIO:
    """Opens a file for appending after its last whole line: a killed run may have left a part of one."""
    file = path.open("ab+")
    size = file.seek(0, os.SEEK_END)
    while size > 0:
        start = max(0, size - _TAIL_BYTES)
        file.seek(start)
        last = file.read(size - start).rfind(b"\n")
        if last >= 0:
            size = start + last + 1
            break
        size = start
    file.truncate(size)
    file.seek(0, os.SEEK_END)
    return file


class _TopicSink(RowSink):
    """Records without a key, by a producer of topics whose bounded queue makes put() wait."""

    def __init__(self, url: str, topics: dict[str, str], producer: Producer | RestProducer) -> None:
        super().__init__(url)
        self._topics = topics
        self._producer = producer

    def put(self, kind: str, payload: bytes) -> None:
        self._producer.write(self._topics[kind], payload, timeout=WRITE_TIMEOUT_S)

    def flush(self) -> None:
        self._producer.flush(FLUSH_TIMEOUT_S)

    def close(self) -> None:
        self._producer.close()


def _options_of(url: str, allowed: dict[str, tuple[str, ...]]) -> tuple[str, dict[str, str]]:
    """The URL without its query, and what that says; no values = any one."""
    endpoint, _, query = url.partition("?")
    told: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        values = allowed.get(name)
        if values is None or not value or (values and value not in values):
            known = " or ".join(f"?{name}={'|'.join(values) or '…'}" for name, values in allowed.items())
            raise InvalidArgumentError(f"target {endpoint}: ?{part[:40]} is not {known}")
        told[name] = value
    return endpoint, told


def _kafka_sink(url: str, user_id: str) -> RowSink:
    from pinpipe.kafka import Producer

    return _TopicSink(url, topics_of(user_id), Producer(url.removeprefix("kafka://").rstrip("/")))


def _rest_sink(url: str, user_id: str) -> RowSink:
    """Requests of a topic go one after the other, retried."""
    from pinpipe.kafka import RestProducer

    endpoint, told = _options_of(url, {"auth": ("iam",)})
    producer = RestProducer(
        endpoint, api_key=os.environ.get(API_KEY_VARIABLE), iam=bool(told), attempts=REST_ATTEMPTS
    )
    return _TopicSink(url, topics_of(user_id), producer)


class StreamSink(RowSink):
    """Rows into the streams `streaming-<user id>-<kind>`, which exist; a row's number is its partition key."""

    def __init__(self, name: str, user_id: str, producer: Callable[[str], StreamProducer]) -> None:
        super().__init__(name)
        self._streams = streams_of(user_id)
        self._producers = {kind: producer(stream) for kind, stream in self._streams.items()}

    def put(self, kind: str, payload: bytes) -> None:
        producer = self._producers[kind]
        producer.write(payload, str(producer.written), timeout=WRITE_TIMEOUT_S)

    def flush(self) -> None:
        for producer in self._producers.values():
            producer.flush(FLUSH_TIMEOUT_S)

    @property
    def delivered(self) -> dict[str, int]:
        """Kind -> rows that the stream has acknowledged."""
        return {kind: producer.delivered for kind, producer in self._producers.items()}

    def close(self) -> None:
        for producer in self._producers.values():
            producer.close()


class KinesisSink(StreamSink):
    """By Kinesis itself."""

    def __init__(
        self, url: str, user_id: str, *, endpoint: str | None = None, credentials: Credentials | None = None
    ) -> None:
        """endpoint, credentials: as `kinesis.Producer` finds them where they are not given."""
        from pinpipe.kinesis import Producer

        region = url.removeprefix("kinesis://").rstrip("/")
        # Sent at once while fewer than `in_flight` requests are under way: nobody polls between two rows.
        super().__init__(
            url,
            user_id,
            lambda stream: Producer(stream, endpoint, region=region, credentials=credentials, linger=0),
        )


class GatewaySink(StreamSink):
    """By an API Gateway before Kinesis. With `verify=<region>` the first row of each stream is read back."""

    def __init__(self, url: str, user_id: str) -> None:
        from pinpipe.kinesis import Gateway, Producer

        allowed = {
            "auth": ("iam",),
            "form": ("aws-tutorial", "solutions-construct"),
            "resource": ("record", "records"),
            "verify": (),
        }
        endpoint, told = _options_of(url, allowed)
        gateway = Gateway(
            endpoint,
            form="solutions-construct" if told.get("form") == "solutions-construct" else "aws-tutorial",
            resource="record" if told.get("resource") == "record" else "records",
            api_key=os.environ.get(API_KEY_VARIABLE),
            iam="auth" in told,
        )
        self._region = told.get("verify")
        self._verified: set[str] = set()
        super().__init__(
            endpoint,
            user_id,
            lambda stream: Producer(stream, gateway=gateway, linger=0, reports=self._region is not None),
        )

    def put(self, kind: str, payload: bytes) -> None:
        super().put(kind, payload)
        if self._region is None:
            return
        if kind not in self._verified:
            self._verify(kind, payload, self._region)
            self._verified.add(kind)
        self._producers[kind].reports()

    def _verify(self, kind: str, payload: bytes, region: str) -> None:
        from pinpipe.kinesis import Client, Place

        producer, stream = self._producers[kind], self._streams[kind]
        producer.flush(FLUSH_TIMEOUT_S)
        (report,) = producer.reports()
        place = Place(report.shard or "", report.sequence_number or "")
        fault = Client(region=region).gateway_fault(stream, place, payload)
        if fault:
            raise DataError(f"stream '{stream}': the gateway stored {fault}", service="kinesis")


class _EachSink(RowSink):
    """Gives every row to each of several sinks: the same rows to the batch layer and to the stream layer."""

    def __init__(self, targets: Sequence[Target | RowSink], user_id: str) -> None:
        if not targets:
            raise InvalidArgumentError("no target is given")
        self._sinks: list[RowSink] = []
        with ExitStack() as stack:
            for target in targets:
                sink = open_sinks(target, user_id)
                self._sinks.append(sink if sink is target else stack.enter_context(sink))
            self._opened = stack.pop_all()
        super().__init__(" ".join(sink.name for sink in self._sinks))

    def put(self, kind: str, payload: bytes) -> None:
        for sink in self._sinks:
            sink.put(kind, payload)

    def flush(self) -> None:
        for sink in self._sinks:
            sink.flush()

    def close(self) -> None:
        self._opened.close()


_SCHEMES: dict[tuple[str, ...], Callable[[str, str], RowSink]] = {
    ("kafka://",): _kafka_sink,
    ("kafka-rest+http://", "kafka-rest+https://"): _rest_sink,
    ("kinesis://",): KinesisSink,
    ("apigw+http://", "apigw+https://"): GatewaySink,
    ("file:///",): _FileSink,
    ("memory:",): _MemorySink,
}
