"""Turns the C core's gateway into an HTTP server of as many threads as are asked for, on one address.

Never answers that a record is stored before a broker, or Kinesis, has acknowledged it; never ends with a request
unanswered.
Rules: docs/gateway.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pinpipe import native
from pinpipe._waiting import STEP_MS, Handle, milliseconds, steps
from pinpipe.errors import Error, InvalidArgumentError
from pinpipe.kafka import Settings, native_settings

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

_FAILURES = {"told": native.GATEWAY_FAILURE_TOLD, "masked": native.GATEWAY_FAILURE_MASKED}
_KINESIS = "kinesis://"
WORKERS_MAX = 64


class Gateway(Handle):
    """One server of one thread: whoever calls `poll`. It listens from its making on."""

    def __init__(
        self,
        listen: str,
        brokers: str | None = None,
        *,
        settings: Settings | None = None,
        properties: str | os.PathLike[str] | None = None,
        iam: Credentials | bool | None = None,
        region: str | None = None,
        stages: Sequence[str] = (),
        failures: Literal["told", "masked"] = "told",
        body_max_bytes: int = 0,
        records_max: int = 0,
        connections_max: int = 0,
        answer_timeout: float = 0.0,
        api_key: str | None = None,
        allow_origin: str | None = None,
        kinesis: str | None = None,
        streams: Sequence[str] = (),
        endpoint: str | None = None,
        credentials: Credentials | None = None,
        consumers_max: int = 0,
        consumer_timeout: float = 0.0,
        iam_keys: str | None = None,
        iam_region: str | None = None,
        tls: tuple[str, str] | None = None,
    ) -> None:
        """Listens on "host:port" (port 0 = any that is free); writes to "host:port,host:port", to Kinesis or to both.

        settings, properties, iam, region: as of `pinpipe.kafka.Producer`. stages: first segments of paths that are
        taken off, none = any one. failures: "masked" answers 200 where no record was stored, as kafka-rest does.
        kinesis: "kinesis://region", which /streams leads to (no region = the surroundings'); streams: those that may be
        named, none = any; endpoint, credentials: as of `pinpipe.kinesis.Client`.
        api_key: what requests must have as x-api-key. allow_origin: what browsers are told, such as "*".
        consumers_max: instances behind /consumers, below 0 = no such path; consumer_timeout: after which one leaves.
        iam_keys: lines of "id,secret[,token]" that requests must be signed with, for iam_region or any. tls: PEM of
        certificate and key. Limits: 0 = the default, docs/gateway.md has them.
        """
        if failures not in _FAILURES:
            raise InvalidArgumentError(f"failures '{failures}': it is told or masked")
        region_of_streams = kinesis.removeprefix(_KINESIS).rstrip("/") if kinesis else None
        if kinesis and not kinesis.startswith(_KINESIS):
            raise InvalidArgumentError(f"kinesis '{kinesis}': it is kinesis://region")
        if not brokers and not kinesis:
            raise InvalidArgumentError("the gateway leads nowhere: brokers or kinesis are needed")
        super().__init__(
            native.gateway_open(
                *(listen, brokers),
                native_settings(settings, properties=properties, iam=iam, region=region),
                ",".join(stages),
                _FAILURES[failures],
                body_max_bytes,
                records_max,
                connections_max,
                milliseconds(answer_timeout),
                api_key,
                allow_origin,
                kinesis is not None,
                credentials._provider if credentials else None,
                endpoint,
                region_of_streams,
                ",".join(streams),
                consumers_max,
                milliseconds(consumer_timeout),
                iam_keys,
                iam_region,
                *(tls or (None, None)),
            )
        )
        self.address: str = native.pinpipe_gateway_address(self._native)

    def poll(self) -> None:
        """Serves for 0.2 s, or until a signal comes."""
        with self._alone() as handle:
            native.pinpipe_gateway_poll(handle, STEP_MS)

    def renew(self, tls: tuple[str, str]) -> None:
        """Takes connections with another certificate and key (PEM) from now on.

        Open connections keep theirs and end with their next answer. Where it raises, nothing has changed.
        """
        with self._alone() as handle:
            native.pinpipe_gateway_certificate_set(handle, *tls)

    def drain(self, timeout: float = 30.0) -> None:
        """Takes no connection any more and answers what is under way; raises where that takes longer."""
        for step_ms, last in steps(timeout):
            try:
                with self._alone() as handle:
                    native.pinpipe_gateway_drain(handle, step_ms)
                return
            except Error as error:
                if last or not error.retryable:
                    raise

    @property
    def counters(self) -> dict[str, int]:
        """What was done: connections, requests, records, stored, …; docs/gateway.md explains each."""
        with self._alone() as handle:
            return dict(native.gateway_counters(handle))


def serve(
    gateways: Sequence[Gateway],
    stop: threading.Event,
    between: Callable[[Gateway], None] = lambda gateway: None,
) -> None:
    """Serves until `stop` is set or one of the gateways fails, then drains; a thread each, one of them this one.

    between: what each thread calls after a poll.
    """
    failures: list[BaseException] = []

    def work(gateway: Gateway) -> None:
        try:
            while not stop.is_set():
                gateway.poll()
                between(gateway)
            gateway.drain()
        except BaseException as failure:
            failures.append(failure)
            stop.set()

    threads = [
        threading.Thread(target=work, args=(gateway,), name="pinpipe-gateway") for gateway in gateways[1:]
    ]
    for thread in threads:
        thread.start()
    work(gateways[0])
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
