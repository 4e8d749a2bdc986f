"""Turns requests, as clients of API Gateway's Kinesis proxy send them, into calls of Kinesis, and compares both.

Never a Kinesis: what it would say is in the vectors; `tests/integration/test_gateway_streams.py` has a real double.
Rules: docs/gateway.md, "Streams"; tests/vectors/gateway/README.md.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from gateway_serving import AMZ, CREDENTIALS, PATIENCE_S, STORED, ask, serving, serving_streams
from pinpipe._gateway import Gateway

from tests.doubles.kafka_rest import Answer, Request

VECTORS = Path(__file__).resolve().parents[1] / "vectors/gateway/streams/streams.json"
ONE = b'{"Data":{"index":7528},"PartitionKey":"k"}'
TARGET = "/test/streams/s/record"


class Kinesis:
    """Says what it is told to; remembers what it was asked."""

    def __init__(self) -> None:
        self.answer = Answer(200, b"{}", AMZ)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answer


@pytest.fixture(scope="module")
def kinesis() -> Kinesis:
    return Kinesis()


@pytest.fixture(scope="module")
def told(kinesis: Kinesis) -> Iterator[Gateway]:
    with serving_streams(kinesis) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def masked(kinesis: Kinesis) -> Iterator[Gateway]:
    with serving_streams(kinesis, failures="masked") as gateway:
        yield gateway


@pytest.mark.parametrize(
    "case", json.loads(VECTORS.read_text(encoding="utf-8"))["cases"], ids=lambda case: case["name"]
)
def test_request_becomes_the_call_and_its_answer(
    case: dict[str, Any], kinesis: Kinesis, told: Gateway, masked: Gateway
) -> None:
    said = case["kinesis"]
    kinesis.asked.clear()
    if said:
        kinesis.answer = Answer(said["status"], said["body"].encode(), AMZ)
    request, wanted = case["request"], case["answer"]
    status, headers, body = ask(
        (masked if case["masked"] else told).address,
        request["method"],
        request["target"],
        request["body"].encode(),
        request["headers"],
    )
    assert status == wanted["status"], body
    assert {name: headers[name] for name in wanted["headers"]} == wanted["headers"]
    assert body.decode() == (said["body"] if wanted["body"] is None else wanted["body"])
    calls = [
        (asked.headers["x-amz-target"], asked.headers["content-type"], json.loads(asked.body))
        for asked in kinesis.asked
    ]
    call = case["call"]
    assert calls == (
        [(f"Kinesis_20131202.{call['action']}", AMZ["Content-Type"], call["body"])] if call else []
    )


def test_many_wait_while_others_are_answered(kinesis: Kinesis) -> None:
    slow = threading.Event()

    def answer(request: Request) -> Answer:
        if b"c2xvdw==" in request.body:  # "slow"
            slow.wait(PATIENCE_S)
        return Answer(200, STORED, AMZ)

    results: list[int] = []
    body = b'{"records":[{"data":"slow","partition-key":"k"}]}'

    def ask_slowly() -> None:
        results.append(ask(gateway.address, "PUT", "/streams/s/records", body)[0])

    with serving_streams(answer) as gateway:
        threads = [threading.Thread(target=ask_slowly) for _ in range(20)]
        for thread in threads:
            thread.start()
        _until(lambda: gateway.counters["records"] == 20)
        assert ask(gateway.address, "PUT", TARGET, ONE)[::2] == (200, STORED)
        assert ask(gateway.address, "GET", "/healthz")[0] == 200
        assert results == []
        slow.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        # A PutRecords that is answered as PutRecord says nothing of its records.
        assert results == [500] * 20
        assert gateway.counters["stored"] == 1 and gateway.counters["lost"] == 20


def test_reads_under_way_keep_within_the_memory() -> None:
    """Each may bring 24 MiB, all together 256."""
    slow = threading.Event()
    answers: list[tuple[int, str | None]] = []

    def answer(request: Request) -> Answer:
        slow.wait(PATIENCE_S)
        return Answer(200, b'{"Records":[]}', AMZ)

    def one() -> None:
        status, headers, _ = ask(
            gateway.address, "GET", "/streams/s/records", headers={"Shard-Iterator": "A"}
        )
        answers.append((status, headers.get("Retry-After")))

    with serving_streams(answer) as gateway:
        threads = [threading.Thread(target=one) for _ in range(13)]
        for thread in threads:
            thread.start()
        _until(lambda: len(answers) == 3)
        assert answers == [(429, "1")] * 3
        slow.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert answers[3:] == [(200, None)] * 10


def _until(holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_kinesis_that_is_late_or_away_or_silent_in_json() -> None:
    with serving_streams(lambda _: Answer(200, STORED, AMZ, delay_s=20), answer_timeout=0.3) as gateway:
        status, _, body = ask(gateway.address, "PUT", TARGET, ONE)
        assert status == 504 and json.loads(body)["message"].startswith("Endpoint request timed out")
        assert gateway.counters["lost"] == 1
    options = {"kinesis": "kinesis://us-east-1", "endpoint": "http://127.0.0.1:1", "credentials": CREDENTIALS}
    with serving("", **options) as gateway:
        status, headers, body = ask(gateway.address, "PUT", TARGET, ONE)
        assert (status, headers["Retry-After"]) == (503, "1") and "127.0.0.1" in json.loads(body)["message"]
    for page in (b"<html>", b""):
        with serving_streams(
            lambda _, page=page: Answer(502, page, {"Content-Type": "text/html"})
        ) as gateway:
            status, headers, body = ask(gateway.address, "PUT", TARGET, ONE)
            assert status == 500 and headers["Content-Type"] == "application/json"
            assert "502" in json.loads(body)["message"]


def test_what_it_signs_with_is_in_no_answer() -> None:
    """Kinesis repeats what it was sent when a signature is wrong."""
    credentials = pinpipe.Credentials.static(
        "AKIDGATEWAY", "wJalrXUtnFEMIgatewaystreams", "session-Token-Zx81"
    )

    def answer(request: Request) -> Answer:
        token = request.headers["x-amz-security-token"]
        said = {"__type": "InvalidSignatureException", "message": f"x-amz-security-token:{token}"}
        return Answer(403, json.dumps(said).encode(), AMZ)

    with serving_streams(answer, credentials=credentials) as gateway:
        status, _, body = ask(gateway.address, "PUT", TARGET, ONE)
        assert status == 500 and b"InvalidSignature" in body and b"Zx81" not in body


def test_options(kinesis: Kinesis, tmp_path: Path) -> None:
    kinesis.answer = Answer(200, STORED, AMZ)
    with serving_streams(
        kinesis, streams=["s", "t"], stages=["test"], api_key="key-Rw2z", body_max_bytes=100
    ) as gateway:
        key = {"x-api-key": "key-Rw2z"}
        for name, status in (("s", 200), ("t", 200), ("other", 403)):
            assert ask(gateway.address, "PUT", f"/test/streams/{name}/record", ONE, key)[0] == status
        assert ask(gateway.address, "PUT", TARGET, ONE)[::2] == (403, b'{"message":"Forbidden"}')
        assert ask(gateway.address, "PUT", "/prod/streams/s/record", ONE, key)[0] == 404
        status, _, body = ask(gateway.address, "PUT", TARGET, ONE + b" " * 100, key)
        assert (status, json.loads(body)) == (413, {"message": "a body has at most 100 bytes"})
        assert ask(gateway.address, "GET", "/topics", headers=key)[0] == 404, "there are no brokers"
        packed = ask(gateway.address, "PUT", TARGET, gzip.compress(ONE), key | {"Content-Encoding": "gzip"})
        assert packed[0] == 200
    with serving_streams(kinesis, records_max=1) as gateway:
        body = b'{"records":[{"data":"1","partition-key":"k"},{"data":"2","partition-key":"k"}]}'
        status, headers, _ = ask(gateway.address, "PUT", "/streams/s/records", body)
        assert (status, headers["Retry-After"]) == (429, "1") and gateway.counters["records"] == 0
        assert ask(gateway.address, "PUT", TARGET, ONE)[0] == 200
    for options, word in (({}, "--brokers"), ({"--kinesis": "us-east-1"}, "kinesis://region")):
        command = [
            sys.executable,
            "-m",
            "pinpipe",
            "gateway",
            *(word for pair in options.items() for word in pair),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert done.returncode == 1 and word in done.stderr, done.stderr


def test_drain_answers_what_kinesis_still_works_on() -> None:
    answers: list[int] = []
    seen = threading.Event()

    def answer(request: Request) -> Answer:
        seen.set()
        return Answer(200, STORED, AMZ, delay_s=0.3)

    with serving_streams(answer) as gateway:
        thread = threading.Thread(target=lambda: answers.append(ask(gateway.address, "PUT", TARGET, ONE)[0]))
        thread.start()
        assert seen.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert answers == [200]
