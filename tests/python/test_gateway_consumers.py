"""Turns requests on consumers, as clients of Kafka's REST proxy send them, into their records and offsets.

Never a consumer beside the gateway's own: what was read is compared with what was written.
Rules: docs/gateway.md, "Consumers"; tests/vectors/gateway/README.md.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gateway_serving import JSON, PATIENCE_S, ask, serving
from pinpipe import kafka
from pinpipe._gateway import Gateway

VECTORS = Path(__file__).resolve().parents[1] / "vectors/gateway/consumers/consumers.json"
CASES = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
PLAIN = {"Content-Type": "application/vnd.kafka.v2+json"}
BINARY = {"Content-Type": "application/vnd.kafka.binary.v2+json"}
#: Of the embedded cluster: it lets the members of a group wait for each other.
SETTINGS = {"linger.ms": 0, "session.timeout.ms": 6000}


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as mock:
        yield mock


@pytest.fixture(scope="module")
def gateway(cluster: kafka.MockCluster) -> Iterator[Gateway]:
    with serving(cluster.brokers, settings=SETTINGS) as gateway:
        yield gateway


def _until(
    address: str, target: str, headers: dict[str, str], empty: bytes = b"[]"
) -> tuple[int, dict[str, str], bytes]:
    deadline = time.monotonic() + PATIENCE_S
    answer = ask(address, "GET", target, None, headers)
    while answer[2] == empty and time.monotonic() < deadline:
        answer = ask(address, "GET", target, None, headers)
    return answer


def _steps_fault(number: int, case: dict[str, Any], cluster: kafka.MockCluster, address: str) -> str:
    """What was not answered as it should be; empty = nothing."""
    topic, group = f"consumed.{number}", f"group-{number}"
    cluster.create_topic(topic, case.get("partitions", 1))
    sent, headers = (case["sent"], JSON) if case["sent"] else (case["sent_binary"], BINARY)
    if ask(address, "POST", f"/topics/{topic}", sent.encode(), headers)[0] != 200:
        return "nothing was written"

    def filled(text: str) -> str:
        for name, value in (("{topic}", topic), ("{group}", group), ("{host}", address)):
            text = text.replace(name, value)
        return text

    for step in case["steps"]:
        request, told = step["request"], step["answer"]
        target = filled(request["target"])
        if step.get("until"):
            status, headers, body = _until(address, target, request["headers"])
        else:
            payload = filled(request["body"]).encode() or None
            status, headers, body = ask(address, request["method"], target, payload, request["headers"])
        wanted = told["body"] if told["body"] is None else filled(told["body"])
        named = {name: headers.get(name) for name in told["headers"]}
        if (status, named) != (told["status"], told["headers"]) or wanted not in (None, body.decode()):
            return f"{request['method']} {target}: {status} {named} {body!r}, not {told}"
    return ""


@pytest.fixture(scope="module")
def faults(cluster: kafka.MockCluster, gateway: Gateway) -> list[str]:
    """All cases at once: the embedded cluster takes its time over each new group."""
    with ThreadPoolExecutor(len(CASES)) as pool:
        return list(
            pool.map(lambda each: _steps_fault(*each, cluster, gateway.address), list(enumerate(CASES)))
        )


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_steps_are_answered_as_kafka_rest_does(number: int, faults: list[str]) -> None:
    assert not faults[number]


def _instance(address: str, group: str, topic: str, **config: Any) -> str:
    """The path of a new instance, subscribed."""
    told = {"format": "json", "auto.offset.reset": "earliest"} | config
    status, _, body = ask(address, "POST", f"/consumers/{group}", json.dumps(told).encode(), PLAIN)
    assert status == 200, body
    said = json.loads(body)
    base: str = said["base_uri"].removeprefix(f"http://{address}")
    assert base == f"/consumers/{group}/instances/{said['instance_id']}"
    topics = json.dumps({"topics": [topic]}).encode()
    assert ask(address, "POST", f"{base}/subscription", topics, PLAIN)[0] == 204
    return base


def test_instances_are_limited_and_leave_when_nobody_uses_them(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("idle")
    with serving(cluster.brokers, settings=SETTINGS, consumers_max=1, consumer_timeout=0.5) as gateway:
        base = _instance(gateway.address, "idle", "idle")
        status, headers, _ = ask(gateway.address, "POST", "/consumers/idle", b"{}", PLAIN)
        assert (status, headers["Retry-After"]) == (429, "1")
        deadline = time.monotonic() + PATIENCE_S
        while status == 429 and time.monotonic() < deadline:
            time.sleep(0.1)
            status = ask(gateway.address, "POST", "/consumers/idle", b"{}", PLAIN)[0]
        assert status == 200 and ask(gateway.address, "GET", f"{base}/records")[0] == 404
    with serving(cluster.brokers, settings=SETTINGS, consumers_max=-1) as gateway:
        assert ask(gateway.address, "POST", "/consumers/idle", b"{}", PLAIN)[0] == 404


def test_slow_reads_make_nobody_else_wait(cluster: kafka.MockCluster, gateway: Gateway) -> None:
    """Reads of one instance wait in line, too many are refused; the gateway goes on serving."""
    cluster.create_topic("waited.for")
    base = _instance(gateway.address, "waits", "waited.for", **{"consumer.request.timeout.ms": 500})
    statuses: list[int] = []

    def read() -> None:
        statuses.append(ask(gateway.address, "GET", f"{base}/records")[0])

    readers = [threading.Thread(target=read) for _ in range(12)]
    for reader in readers:
        reader.start()
    assert ask(gateway.address, "GET", "/healthz")[0] == 200
    assert ask(gateway.address, "POST", "/topics/waited.for", b'{"records":[{"value":1}]}', JSON)[0] == 200
    for reader in readers:
        reader.join(PATIENCE_S)
    assert set(statuses) == {200, 429} and statuses.count(200) >= 4
    assert ask(gateway.address, "DELETE", base)[0] == 204
