"""Turns requests, as clients of Kafka's REST proxy send them, into records of the embedded cluster, and compares both.

Never needs a server beside the process. Ours is a gateway in a thread, or the program.
Rules: docs/gateway.md; tests/vectors/gateway/README.md.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_serving import JSON, ONE, PATIENCE_S, ask, serving
from pinpipe import kafka
from pinpipe._gateway import Gateway

VECTORS = Path(__file__).resolve().parents[1] / "vectors/gateway"


def _cases() -> list[Any]:
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        for number, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"]):
            found.append(pytest.param(f"{path.stem}.{number}", case, id=f"{path.stem}: {case['name']}"))
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as mock:
        yield mock


@pytest.fixture(scope="module")
def gateway(cluster: kafka.MockCluster) -> Iterator[Gateway]:
    with serving(cluster.brokers, settings={"linger.ms": 0}) as gateway:
        yield gateway


SENT: dict[str, tuple[list[tuple[int, int]], list[dict[str, str | None]]]] = {}


@pytest.mark.parametrize(("topic", "case"), _cases())
def test_request_is_answered_as_kafka_rest_does(
    topic: str, case: dict[str, Any], cluster: kafka.MockCluster, gateway: Gateway
) -> None:
    cluster.create_topic(topic, partitions=case["partitions"])
    request, told = case["request"], case["answer"]
    target = request["target"].replace("{topic}", topic)
    status, headers, body = ask(
        gateway.address, request["method"], target, request["body"].encode(), request["headers"]
    )
    assert status == told["status"], body
    assert {name: headers[name] for name in told["headers"]} == told["headers"]
    if told["body"] is not None:
        assert body.decode() == told["body"].replace("{topic}", topic)
    said = json.loads(body)
    entries = said.get("offsets", []) if isinstance(said, dict) else []
    places = [(entry["partition"], entry["offset"]) for entry in entries]
    for place, partition in zip(places, case.get("placed", []), strict=False):
        assert partition is None or place[0] == partition
    assert len(places) == len(case["records"])
    SENT[topic] = places, case["records"]


def test_course_request_byte_for_byte(cluster: kafka.MockCluster, gateway: Gateway) -> None:
    cluster.create_topic("0a1b2c3d4e5f.pin")
    body = json.dumps({"records": [{"value": {"index": 7528, "title": "caf\u00e9"}}]}).encode()
    host = gateway.address
    head = (
        f"POST /test/topics/0a1b2c3d4e5f.pin HTTP/1.1\r\nHost: {host}\r\nUser-Agent: python-requests/2.31.0\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        f"Content-Type: application/vnd.kafka.json.v2+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(host.rsplit(":", 1), timeout=PATIENCE_S) as connection:  # type: ignore[arg-type]
        connection.sendall(head.encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        said = answer.read()
    assert answer.status == 200 and answer.getheader("Content-Type") == "application/vnd.kafka.v2+json"
    assert said == (
        b'{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null}],'
        b'"key_schema_id":null,"value_schema_id":null}'
    )
    SENT["0a1b2c3d4e5f.pin"] = [(0, 0)], [{"key": None, "value": '{"index":7528,"title":"café"}'}]


def test_records_are_where_the_answers_say(cluster: kafka.MockCluster, gateway: Gateway) -> None:
    """Of all cases that ran before; read by one consumer."""
    wanted = {
        (topic, *place): (record["key"], record["value"])
        for topic, (places, records) in SENT.items()
        for place, record in zip(places, records, strict=True)
    }
    found: dict[tuple[str, int, int], tuple[str | None, str | None]] = {}
    deadline = time.monotonic() + PATIENCE_S
    with kafka.Consumer(cluster.brokers, "all", sorted({topic for topic, *_ in wanted})) as consumer:
        while len(found) < len(wanted) and time.monotonic() < deadline:
            for m in consumer.poll(0.5):
                parts = tuple(part if part is None else part.decode() for part in (m.key, m.value))
                found[(m.topic, m.partition, m.offset)] = (parts[0], parts[1])
        for m in consumer.poll(0.5):
            pytest.fail(f"a record that nobody was told of: {m}")
    assert found == wanted


def test_unknown_topic_is_told_at_once_and_seen_once_it_exists(
    cluster: kafka.MockCluster, gateway: Gateway
) -> None:
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        assert ask(gateway.address, "POST", "/topics/later", ONE, JSON)[0] == 404
        taken.append(time.monotonic() - begun)
    print(f"an unknown topic: {1e3 * min(taken):.1f} to {1e3 * max(taken):.1f} ms")
    cluster.create_topic("later")
    assert ask(gateway.address, "POST", "/topics/later", ONE, JSON)[0] == 200


def test_reads(cluster: kafka.MockCluster, gateway: Gateway) -> None:
    cluster.create_topic("readable")
    status, _, body = ask(gateway.address, "GET", "/test/topics")
    assert status == 200 and "readable" in json.loads(body)
    assert ask(gateway.address, "GET", "/healthz")[::2] == (200, b'{"status":"ok"}')
    status, headers, body = ask(gateway.address, "GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert re.search(rb"^pinpipe_gateway_stored_total \d+$", body, re.MULTILINE)
    assert ask(gateway.address, "HEAD", "/healthz")[::2] == (200, b"")
    assert ask(gateway.address, "POST", "/topics/readable", ONE, JSON)[0] == 200
    ends = b'{"beginning_offset":0,"end_offset":1}'
    assert ask(gateway.address, "GET", "/topics/readable/partitions/0/offsets")[::2] == (200, ends)
    status, headers, page = ask(gateway.address, "GET", "/test/status")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"://" not in page and b" src=" not in page and b'fetch("metrics"' in page


def test_no_broker_is_a_503_that_says_when_to_come_back() -> None:
    with serving("127.0.0.1:1", answer_timeout=1.0) as gateway:
        status, headers, body = ask(gateway.address, "POST", "/topics/any", ONE, JSON)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert json.loads(body)["error_code"] == 50302
        assert ask(gateway.address, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize(("failures", "alone"), [("told", 413), ("masked", 200)])
def test_record_that_is_too_large_for_kafka_alone_and_among_others(
    failures: Any, alone: int, cluster: kafka.MockCluster
) -> None:
    cluster.create_topic(f"large.{failures}")
    large = b'{"value":"' + b"x" * 1_100_000 + b'"}'
    with serving(cluster.brokers, failures=failures) as gateway:
        target = f"/topics/large.{failures}"
        status, _, body = ask(gateway.address, "POST", target, b'{"records":[' + large + b"]}", JSON)
        said = json.loads(body)
        assert status == alone
        assert said["error_code"] == 413 if failures == "told" else said["offsets"][0]["error_code"] == 50002
        both = b'{"records":[' + large + b',{"value":1}]}'
        status, _, body = ask(gateway.address, "POST", target, both, JSON)
        lost, stored = json.loads(body)["offsets"]
        assert status == 200 and stored == {"partition": 0, "offset": 0, "error_code": None, "error": None}
        assert (lost["partition"], lost["offset"], lost["error_code"]) == (None, None, 50002)
        assert "too large" in lost["error"]
        assert gateway.counters["lost"] == 2 and gateway.counters["stored"] == 1


def test_gzip_bodies_and_their_limits(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("packed")
    with serving(cluster.brokers, body_max_bytes=10_000) as gateway:
        headers = JSON | {"Content-Encoding": "gzip"}
        assert ask(gateway.address, "POST", "/topics/packed", gzip.compress(ONE), headers)[0] == 200
        for body, wanted in (
            (gzip.compress(b'{"records":[' + b" " * 1_000_000), 413),  # small when sent, large when taken
            (gzip.compress(ONE)[:-4], 400),
            (gzip.compress(ONE) + b"x", 400),
        ):
            status, _, said = ask(gateway.address, "POST", "/topics/packed", body, headers)
            assert (status, json.loads(said)["error_code"]) == (wanted, wanted), said
        assert gateway.counters["stored"] == 1


def test_api_key_and_cors(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("keyed")
    with serving(cluster.brokers, api_key="key-Hp3cY", allow_origin="https://example.org") as gateway:
        for key, status in ((None, 403), ("key-Hp3c", 403), ("key-Hp3cYX", 403), ("key-Hp3cY", 200)):
            given = {} if key is None else {"X-Api-Key": key}
            found, headers, body = ask(gateway.address, "POST", "/test/topics/keyed", ONE, JSON | given)
            assert found == status and headers["Access-Control-Allow-Origin"] == "https://example.org"
            assert status == 200 or body == b'{"message":"Forbidden"}'
        assert ask(gateway.address, "GET", "/metrics")[0] == 403
        assert ask(gateway.address, "GET", "/healthz")[0] == 200
        status, headers, body = ask(gateway.address, "OPTIONS", "/test/topics/keyed")
        assert (status, body) == (200, b"")
        assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
        assert "X-Api-Key" in headers["Access-Control-Allow-Headers"]
    with serving(cluster.brokers) as gateway:
        status, headers, _ = ask(gateway.address, "OPTIONS", "/test/topics/keyed")
        assert status == 405 and "Access-Control-Allow-Origin" not in headers


def test_stages_that_are_named_are_the_only_ones(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("staged")
    with serving(cluster.brokers, stages=["test", "prod"]) as gateway:
        for stage, status in (("test", 200), ("prod", 200), ("other", 404)):
            assert ask(gateway.address, "POST", f"/{stage}/topics/staged", ONE, JSON)[0] == status


def test_limits_are_told(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("limited")
    with serving(cluster.brokers, body_max_bytes=1000, records_max=2) as gateway:
        target = "/topics/limited"
        status, _, body = ask(gateway.address, "POST", target, b" " * 1001, JSON)
        assert (status, json.loads(body)["error_code"]) == (413, 413)
        chunks = iter([b" " * 600, b" " * 600])
        status, _, body = ask(gateway.address, "POST", target, chunks, JSON)  # type: ignore[arg-type]
        assert (status, json.loads(body)["error_code"]) == (413, 413)
        three = b'{"records":[{"value":1},{"value":2},{"value":3}]}'
        status, headers, body = ask(gateway.address, "POST", target, three, JSON)
        assert (status, json.loads(body)["error_code"], headers["Retry-After"]) == (429, 42901, "1")
        assert ask(gateway.address, "POST", target, ONE, JSON)[0] == 200
        assert gateway.counters["records"] == gateway.counters["stored"] == 1


def test_sigterm_answers_what_is_under_way(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    cluster.create_topic("drained")
    key = tmp_path / "key"
    key.write_text("key-Zq81v\n", encoding="utf-8")
    headers = JSON | {"x-api-key": "key-Zq81v"}
    command = ["gateway", "--listen", "127.0.0.1:0", "--brokers", cluster.brokers, "--workers", "2"]
    command += ["--api-key-file", str(key)]
    process = subprocess.Popen(
        [sys.executable, "-m", "pinpipe", *command, "--set", "linger.ms=300", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr and process.stdout
    found = re.search(r"listens on http://(\S+)", process.stderr.readline())
    assert found
    answers: list[int] = []

    def one() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # it was not taken any more
            answers.append(ask(found[1], "POST", "/topics/drained", ONE, headers)[0])

    asked = [threading.Thread(target=one) for _ in range(8)]
    for thread in asked:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    metrics = "records_total 0"
    while "records_total 0" in metrics and time.monotonic() < deadline:
        time.sleep(0.005)
        metrics = ask(found[1], "GET", "/metrics", headers=headers)[2].decode()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    for thread in asked:
        thread.join(PATIENCE_S)
    counters = {row["counter"]: row["value"] for row in json.loads(said)}
    assert process.returncode == 0 and counters["records"] == counters["stored"] == answers.count(200)
