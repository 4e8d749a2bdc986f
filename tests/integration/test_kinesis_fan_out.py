"""Turns subscriptions to shards, over HTTP/1.1 and HTTP/2, into what a consumer hands out: each record once, in order.

Never takes a double's silence for AWS': ministack ends a subscription at once, kinesis-local keeps it.
Rules: docs/kinesis.md, "Enhanced fan-out"; recipes: ministack has it over HTTP/1.1, kinesis-local over HTTP/2.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pinpipe
import pytest
from h2_relay import relay
from kinesis_servers import run_kinesis_local
from pinpipe import errors, kinesis
from pinpipe._store import Store
from servers import free_port

from tests.doubles.certificate import make_certificate


@dataclass(frozen=True, slots=True)
class Service:
    """A service with subscriptions, and how its clients reach it."""

    endpoint: str
    options: dict[str, Any]

    def client(self) -> kinesis.Client:
        return kinesis.Client(self.endpoint, timeout=30, **self.options)

    def consumer(self, name: str, **options: Any) -> kinesis.Consumer:
        return kinesis.Consumer(name, self.endpoint, timeout=30, **self.options, **options)


@pytest.fixture(scope="module")
def over_http2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """kinesis-local, behind a relay whose certificate can be checked."""
    folder, port = tmp_path_factory.mktemp("h2"), free_port()
    certificate = make_certificate(folder)
    protocols: set[str] = set()
    with run_kinesis_local(folder / "log", port), relay(certificate, port, protocols) as endpoint:
        credentials = pinpipe.Credentials.static("double", "double")
        yield Service(endpoint, {"credentials": credentials, "ca_file": certificate.file})
    assert protocols == {"h2", "http/1.1"}  # subscriptions by the one, all else by the other


@pytest.fixture(params=["http/1.1", "http/2"])
def service(request: pytest.FixtureRequest) -> Service:
    """Each in turn."""
    if request.param == "http/2":
        found: Service = request.getfixturevalue("over_http2")
        return found
    store: Store = request.getfixturevalue("kinesis_ministack")
    given = store.environment()
    credentials = pinpipe.Credentials.static(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    return Service(store.endpoint, {"credentials": credentials, "region": given["AWS_REGION"]})


@contextmanager
def registered(client: kinesis.Client, shards: int = 2) -> Iterator[tuple[str, str]]:
    """A stream of the test's own, and its consumer's ARN."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    client.create_stream(name, shards)
    arn = client.register_consumer(client.describe_stream(name).arn, "reader")
    try:
        yield name, arn
    finally:
        client.deregister_consumer(arn)
        client.delete_stream(name)


def collect(reader: kinesis.Consumer, count: int) -> list[kinesis.Received]:
    """So many records, and what comes within a second behind them."""
    found: list[kinesis.Received] = []
    until = time.monotonic() + 30
    while len(found) < count and time.monotonic() < until:
        found += reader.consume_batch(timeout=1).records()
    return found + reader.consume_batch(timeout=1).records()


def test_records_come_by_subscription(service: Service) -> None:
    client = service.client()
    with registered(client) as (name, arn):
        assert client.register_consumer(client.describe_stream(name).arn, "reader") == arn
        sent = {f"key-{number}": b"%d" % number for number in range(30)}
        places = {key: client.put(name, data, key) for key, data in sent.items()}
        with service.consumer(name, fan_out=arn) as reader:
            got = collect(reader, 30)
            for number in range(30, 40):
                client.put(name, b"%d" % number, "later")
            later = collect(reader, 10)
            positions = reader.positions
        assert {record.partition_key: record.data for record in got} == sent
        assert {
            key: (r.shard, r.sequence_number) for key in sent for r in got if r.partition_key == key
        } == places
        assert [int(record.data) for record in later] == list(range(30, 40))
        client.put(name, b"last", "later")
        with service.consumer(name, fan_out=arn, start=positions) as reader:
            rest = [record.data for record in collect(reader, 1)]
        assert rest == [b"last"]


def test_places_inside_of_aggregates(service: Service) -> None:
    client = service.client()
    with registered(client, 1) as (name, arn):
        with kinesis.Producer(name, service.endpoint, aggregate_bytes=4000, **service.options) as producer:
            for number in range(50):
                producer.write(b"%d" % number, "key")
        got: list[int] = []
        start: Any = "earliest"
        until = time.monotonic() + 60
        while len(got) < 50 and time.monotonic() < until:
            with service.consumer(name, fan_out=arn, start=start) as reader:
                batch = reader.consume_batch(17, 10.0)  # the one before holds the shard for five seconds
                got += [int(record.data) for record in batch.records()]
                start = reader.positions
        assert got == list(range(50))


def test_who_is_not_registered_is_told(service: Service) -> None:
    client = service.client()
    with registered(client, 1) as (name, arn):
        other = arn.rpartition("/")[0] + "/nobody:1"
        with (
            service.consumer(name, fan_out=other) as reader,
            pytest.raises(errors.Error, match="SubscribeToShard"),
        ):
            reader.consume_batch(timeout=3)
