"""Turns a gateway into one that serves in a thread of the test, and requests into answers.

Never a server beside the process: brokers are the embedded cluster's, Kinesis is a double that says what it is told to.
Rules: docs/gateway.md.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pinpipe
from pinpipe._gateway import Gateway, serve

from tests.doubles.kafka_rest import Server

JSON = {"Content-Type": "application/vnd.kafka.json.v2+json"}
ONE = b'{"records":[{"value":{"index":7528}}]}'
PATIENCE_S = 60.0  # a loaded machine is no failure
CREDENTIALS = pinpipe.Credentials.static("AKIDGATEWAY", "wJalrXUtnFEMIgatewaystreams")
AMZ = {"Content-Type": "application/x-amz-json-1.1"}
STORED = b'{"SequenceNumber":"1","ShardId":"shardId-000000000000"}'


@contextmanager
def serving(brokers: str, **options: Any) -> Iterator[Gateway]:
    """A gateway in a thread; its end drains it."""
    stop = threading.Event()
    failures: list[BaseException] = []
    with Gateway("127.0.0.1:0", brokers, **options) as gateway:

        def work() -> None:
            try:
                serve([gateway], stop)
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield gateway
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert not failures, failures


@contextmanager
def serving_streams(kinesis: Any, **options: Any) -> Iterator[Gateway]:
    """The same before a Kinesis that `kinesis` answers for."""
    options.setdefault("credentials", CREDENTIALS)
    with (
        Server(kinesis) as server,
        serving("", kinesis="kinesis://us-east-1", endpoint=server.endpoint, **options) as gateway,
    ):
        yield gateway


def ask(
    address: str, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()
