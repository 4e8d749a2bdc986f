"""Turns Kafka topics into objects of a store, by the C core's object sink.

Never commits an offset whose record is not stored.
Rules: docs/sink.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pinpipe import native
from pinpipe._waiting import STEP_MS, Handle, milliseconds, steps
from pinpipe.errors import ConflictError, Error, NetworkError
from pinpipe.kafka import Settings, native_settings

if TYPE_CHECKING:
    from pinpipe import s3 as s3_module
    from pinpipe._credentials import Credentials

CONNECT_TIMEOUT_S = 10.0


class Sink(Handle):
    """One member of the sink's group. As a context manager it flushes at a clean end.

    `topics/<topic>/partition=<n>/<topic>+<n>+<start offset, 10 digits>.json` holds one value a line, byte for byte;
    values that would break a line, and empty ones, go to `rejects/…`.
    """

    def __init__(
        self,
        brokers: str,
        topics: str,
        to: str,
        *,
        group: str = "pinpipe-sink",
        settings: Settings | None = None,
        properties: str | os.PathLike[str] | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
        s3: s3_module.Client | None = None,
        flush_records: int = 0,
        flush_bytes: int = 0,
        idle_ms: int = 0,
        max_buffered_bytes: int = 0,
        store_timeout: float = 0.0,
    ) -> None:
        """Opens the sink; waits for nothing but the first key of IAM login.

        topics: a regular expression for whole names. to: file:///folder or s3://bucket/prefix. settings, properties,
        iam, region: of the brokers' login, as `kafka.Producer`. s3: the client of an
        s3 target; without it one is made from the environment. flush_records (10,000), flush_bytes (8 MiB), idle_ms
        (10,000): a file is stored when it reaches one of them. max_buffered_bytes (64 MiB): of all files together.
        store_timeout (30 s): of one attempt to store, and how long attempts are repeated before poll raises.
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
                flush_records,
                flush_bytes,
                idle_ms,
                max_buffered_bytes,
                milliseconds(store_timeout),
            )
        )

    @contextmanager
    def _with_store(self) -> Iterator[Any]:
        with ExitStack() as stack:
            if self._s3 is not None:
                stack.enter_context(self._s3._alone())
            yield stack.enter_context(self._alone())

    def poll(self, timeout: float = 0.2) -> bool:
        """One step: waits for records, stores what is due, commits. True when there was something to do.

        A call waits 0.2 s at most, whatever `timeout`, and lets an attempt to store end. Raises what Kafka or the
        store refuse; nothing is lost by it, and the call may be repeated.
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
