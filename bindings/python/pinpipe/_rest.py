"""Turns records into Kafka's topics by its REST proxy, straight or behind API Gateway.

Never lets a record's failed delivery pass unnoticed; never waits beyond a call's timeout.
Rules: docs/kafka-rest.md; Confluent REST Proxy API Reference, "API v2".
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pinpipe import native
from pinpipe._credentials import Credentials, shared_default
from pinpipe._records import Table, encode
from pinpipe._waiting import STEP_MS, ProducerHandle, in_steps, milliseconds, steps
from pinpipe.errors import DeadlineError, Error, InvalidArgumentError, from_status

Buffer = bytes | bytearray | memoryview | str

SCHEME = "kafka-rest+"
SERVICE = "kafka-rest"
_ORDERS = {"topic": native.KAFKA_REST_ORDER_TOPIC, "none": native.KAFKA_REST_ORDER_NONE}


class RestResult(NamedTuple):
    """What became of one record.

    number: of the record, as `write` returned it. partition, offset: None where it was not written. error: why it was
    not delivered, None where it was. may_repeat: an earlier attempt may have written it, too; with an error, it may
    have been written nevertheless.
    """

    number: int
    partition: int | None
    offset: int | None
    error: Error | None
    may_repeat: bool


def _result(parts: tuple[int, int, str, int, int, int, int]) -> RestResult:
    number, status, text, partition, offset, code, may_repeat = parts
    if status >= 0:
        return RestResult(number, partition, offset, None, bool(may_repeat))
    error = from_status(status, text, SERVICE, code, -1, -1, -1)
    return RestResult(number, None, None, error, bool(may_repeat))


def _limit_ms(name: str, seconds: float | None) -> int:
    if seconds is None:
        return 0
    if not 0.001 <= seconds <= 86_400:
        raise InvalidArgumentError(f"{name}: {seconds} s is not 0.001 to 86,400")
    return int(seconds * 1000)


class RestProducer(ProducerHandle):
    """Writes records as POST <endpoint>/topics/<topic>: kept-alive, in batches, repeated where that helps.

    Delivery is at least once: a record whose answer was lost is sent again, and counted as one that may stand twice.
    As a context manager it flushes at a clean end. Threads may share it. In a forked child every call raises
    `ForkedError`.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        api_key: str | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
        order: Literal["topic", "none"] = "topic",
        batch_records: int | None = None,
        batch_bytes: int | None = None,
        linger: float | None = None,
        in_flight: int | None = None,
        queue_bytes: int | None = None,
        attempts: int | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        connect_timeout: float | None = None,
        request_timeout: float | None = None,
        delivery_timeout: float | None = None,
    ) -> None:
        """Makes a producer; opens no connection.

        endpoint: the invoke URL with its stage, or a proxy's own, "http://host:8082". api_key: the gateway's, a
        secret. iam: whose key signs for execute-api; True = the default chain's. region: the API's, else as its host
        says. order: "topic" = requests of a topic go one after the other; "none" = side by side. batch_records,
        batch_bytes: of a request at most, 100 and 1,000,000. linger: seconds that a request waits for more, 0.005; 0 =
        it does not. in_flight: requests at once, 4. queue_bytes: that wait or are under way, 32 MiB; beyond it `write`
        waits. attempts: of a request that fails as a whole, 3. ca_file: else AWS_CA_BUNDLE, the system's.
        connect_timeout, request_timeout: of an attempt, 3.1 s and 30 s. delivery_timeout: of all attempts, 120 s.
        """
        if order not in _ORDERS:
            raise InvalidArgumentError(f"order '{order}': it is one of {', '.join(_ORDERS)}")
        provider = None
        if iam:
            provider = (iam if isinstance(iam, Credentials) else shared_default())._provider
        elif region is not None:
            raise InvalidArgumentError(f"region '{region}': it is for IAM, which was not asked for")
        super().__init__(
            native.kafka_rest_new(
                endpoint.removeprefix(SCHEME),
                api_key,
                native.KAFKA_REST_AUTH_IAM if iam else native.KAFKA_REST_AUTH_NONE,
                provider,
                region,
                os.fspath(ca_file) if ca_file else None,
                _ORDERS[order],
                in_flight or 0,
                batch_records or 0,
                batch_bytes or 0,
                -1 if linger == 0 else _limit_ms("linger", linger),
                queue_bytes or 0,
                _limit_ms("connect_timeout", connect_timeout),
                _limit_ms("request_timeout", request_timeout),
                _limit_ms("delivery_timeout", delivery_timeout),
                attempts or 0,
            )
        )
        self._taken: dict[int, RestResult] = {}

    def write(
        self,
        topic: str,
        value: Buffer | None,
        key: Buffer | None = None,
        *,
        partition: int | None = None,
        result: bool = False,
        timeout: float = 30.0,
    ) -> int:
        """Queues a record; waits up to `timeout` seconds for room. Returns the record's number, from 0.

        value, key: JSON; None is Kafka's null. result: whether `results` will have it. Raises DataError (no JSON),
        DeadlineError (the queue stayed full), LimitError (the record is larger than a request, or results wait).
        """
        keep = native.KAFKA_REST_KEEP_RESULT if result else native.KAFKA_REST_KEEP_NONE
        place = 0 if partition is None else partition + 1

        def attempt(step_ms: int) -> int:
            with self._alone() as handle:
                return int(native.kafka_rest_write(handle, topic, value, key, place, keep, step_ms))

        # Nearly every record finds room at once: no step is counted before one has failed.
        try:
            return attempt(min(milliseconds(timeout), STEP_MS))
        except DeadlineError:
            left = timeout - STEP_MS / 1000
            if left <= 0:
                raise
            return in_steps(attempt, left)

    def write_lines(
        self, topic: str, lines: Buffer, *, result: bool = False, timeout: float = 30.0
    ) -> list[int]:
        """Queues every line of NDJSON as a record without a key; returns their numbers. Raises as `write`."""
        data = lines.encode() if isinstance(lines, str) else lines
        size = len(memoryview(data).cast("B"))
        keep = native.KAFKA_REST_KEEP_RESULT if result else native.KAFKA_REST_KEEP_NONE
        numbers: list[int] = []
        at = 0
        for step_ms, last in steps(timeout):
            with self._alone() as handle:
                *status, first, taken = native.kafka_rest_lines_write(handle, topic, data, at, keep, step_ms)
                numbers.extend(range(first, native.kafka_rest_counters(handle)["written"]))
            at += taken
            if not status:
                return numbers
            if last:
                break
        raise DeadlineError(
            f"the queue stayed full: {size - at:,} of {size:,} bytes were not taken", service=SERVICE
        )

    def produce_batch(
        self, topic: str, values: Iterable[Buffer], *, timeout: float = 30.0
    ) -> list[RestResult]:
        """Writes records and waits for them; one result for each, in their order.

        Failed records do not raise: their result has the error. Raises DeadlineError with records still waiting.
        """
        numbers = [self.write(topic, value, result=True, timeout=timeout) for value in values]
        return self._delivered(numbers, timeout)

    def produce_table(self, topic: str, table: Table, *, timeout: float = 30.0) -> list[RestResult]:
        """Writes a table's rows as JSON, made in C, and waits for them; otherwise as `produce_batch`."""
        return self._delivered(
            self.write_lines(topic, encode(table, "ndjson"), result=True, timeout=timeout), timeout
        )

    def _delivered(self, numbers: list[int], timeout: float) -> list[RestResult]:
        try:
            self.flush(timeout)
        except DeadlineError:
            if self.waiting:
                raise
        except Error:
            pass  # each record's own result says it
        self._take()
        return [self._taken.pop(number) for number in numbers]

    def _take(self) -> None:
        with self._alone() as handle:
            for parts in native.kafka_rest_results(handle):
                self._taken[parts[0]] = _result(parts)

    def results(self) -> list[RestResult]:
        """Takes the results that have come of records written with `result=True`, by number."""
        self._take()
        return [self._taken.pop(number) for number in sorted(self._taken)]

    def flush(self, timeout: float = 30.0) -> None:
        """Sends what waits and stays until every record has its result.

        Raises DeadlineError with records still waiting, else the error of the first record that failed for good since
        the last flush; its text says what to change.
        """
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    native.pinpipe_kafka_rest_flush(handle, step_ms)
                return
            except DeadlineError:
                if last or self.waiting == 0:
                    raise

    def poll(self) -> None:
        """Moves requests that are under way or due; write and flush do it too."""
        with self._alone() as handle:
            native.pinpipe_kafka_rest_poll(handle)

    @property
    def counters(self) -> dict[str, int]:
        """written, delivered, failed, may_repeat, requests, retries, bytes, as pinpipe/kafka_rest.h has them."""
        with self._alone() as handle:
            return dict(native.kafka_rest_counters(handle))

    @property
    def written(self) -> int:
        """Records taken so far."""
        return self.counters["written"]

    @property
    def delivered(self) -> int:
        """Records that the proxy has confirmed."""
        return self.counters["delivered"]

    @property
    def failed(self) -> int:
        """Records whose delivery failed for good."""
        return self.counters["failed"]

    @property
    def may_repeat(self) -> int:
        """Delivered records that an earlier attempt may have written, too."""
        return self.counters["may_repeat"]

    @property
    def waiting(self) -> int:
        """Records that have no result yet."""
        counters = self.counters
        return counters["written"] - counters["delivered"] - counters["failed"]
