"""Turns records of API v3, one behind the other in a body, into their receipts and what is stored.

Never a stream that is answered while it is sent: receipts come behind the body, in order.
Rules: docs/gateway.md, "API v3"; Confluent REST Proxy API Reference, "API v3", "Records".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from gateway_serving import PATIENCE_S, ask, serving
from pinpipe import kafka
from pinpipe._gateway import Gateway

TYPE = {"Content-Type": "application/json"}
TARGET = "/test/v3/clusters/any-1/topics/third/records"
BODY = (
    b'{"value":{"type":"JSON","data":{ "n" : 1 }}}\r\n{"partition_id":1,"key":{"type":"STRING","data":"caf\\u00e9"},'
    b'"value":{"type":"BINARY","data":"AP8="},"headers":[]}{"key":{"type":"JSON","data":"k"},"value":null}'
    b'{"partition_id":0,"value":{"type":"STRING","data":"a\\"b\\\\"}}'
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as mock:
        mock.create_topic("third", partitions=2)
        yield mock


@pytest.fixture(scope="module")
def gateway(cluster: kafka.MockCluster) -> Iterator[Gateway]:
    with serving(cluster.brokers, settings={"linger.ms": 0}) as gateway:
        yield gateway


def test_receipts_come_in_order_and_are_true(cluster: kafka.MockCluster, gateway: Gateway) -> None:
    status, headers, body = ask(gateway.address, "POST", TARGET, BODY, TYPE)
    assert status == 200 and headers["Content-Type"] == "application/json", body
    receipts = [json.loads(line) for line in body.decode().split("\r\n") if line]
    named = {"error_code": 200, "cluster_id": "any-1", "topic_name": "third"}
    assert all(receipt.items() >= named.items() for receipt in receipts)
    sizes = [(receipt.get("key"), receipt.get("value")) for receipt in receipts]
    assert sizes == [
        (None, {"type": "JSON", "size": 7}),
        ({"type": "STRING", "size": 5}, {"type": "BINARY", "size": 2}),
        ({"type": "JSON", "size": 3}, None),
        (None, {"type": "STRING", "size": 4}),
    ]
    assert receipts[1]["partition_id"] == 1 and receipts[3]["partition_id"] == 0
    wanted = {
        (receipt["partition_id"], receipt["offset"]): parts
        for receipt, parts in zip(
            receipts,
            [(None, b'{"n":1}'), ("café".encode(), b"\x00\xff"), (b'"k"', None), (None, b'a"b\\')],
            strict=True,
        )
    }
    found: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
    deadline = time.monotonic() + PATIENCE_S
    with kafka.Consumer(cluster.brokers, "third", ["third"]) as consumer:
        while len(found) < len(wanted) and time.monotonic() < deadline:
            found |= {(m.partition, m.offset): (m.key, m.value) for m in consumer.poll(0.5)}
    assert found == wanted


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, 422),
        (b"[]", 400, 400),
        (b'{"value":{"type":"JSON","data":1}} x', 400, 400),
        (b'{"value":{"type":"JSON","data":}}', 400, 400),
        (b'{"value":{"type":"AVRO","data":1}}', 422, 422),
        (b'{"value":{"data":1}}', 422, 422),
        (b'{"value":{"type":"BINARY","data":"?"}}', 400, 400),
        (b'{"value":{"type":"STRING","data":1}}', 400, 400),
        (b'{"value":{"type":"STRING","data":"\\ud800"}}', 400, 400),
        (b'{"value":1}', 400, 400),
        (b'{"valu":null}', 422, 422),
        (b'{"partition_id":2,"value":null}', 404, 40402),
        (b'{"value":null,"headers":[{"name":"h","value":null}]}', 422, 422),
    ],
)
def test_what_is_no_record_refuses_the_whole_body(
    body: bytes, status: int, code: int, gateway: Gateway
) -> None:
    before = gateway.counters["records"]
    good = b'{"value":{"type":"JSON","data":1}}' if body else b""
    found, _, said = ask(gateway.address, "POST", TARGET, good + body, TYPE)
    assert (found, json.loads(said)["error_code"]) == (status, code), said
    assert gateway.counters["records"] == before


def test_its_path_and_type(gateway: Gateway) -> None:
    assert ask(gateway.address, "POST", TARGET, BODY, {"Content-Type": "text/plain"})[0] == 415
    assert ask(gateway.address, "GET", TARGET)[0] == 405
    assert ask(gateway.address, "POST", TARGET.replace("third", "none"), BODY, TYPE)[0] == 404
    assert ask(gateway.address, "POST", TARGET + "/more", BODY, TYPE)[0] == 404
