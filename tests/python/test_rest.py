"""Turns transcripts of Kafka's REST proxy, and a proxy that fails, into checks of the producer that speaks to it.

Never needs a server beside the process.
Rules: docs/kafka-rest.md; tests/vectors/kafka-rest/README.md.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from pinpipe import errors, kafka
from pinpipe._cli import main

from tests.doubles.certificate import make_certificate
from tests.doubles.kafka_rest import Answer, Proxy, Request, Server, Transcript

VECTORS = Path(__file__).resolve().parents[1] / "vectors/kafka-rest"
TOPIC = "0a1b2c3d4e5f.pin"
PATIENCE_S = 110.0  # a loaded machine is no failure


def _cases() -> list[Any]:
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            found.append(pytest.param(document["request"], case, id=f"{path.stem}: {case['name']}"))
    return found


@pytest.mark.parametrize(("request_told", "case"), _cases())
def test_transcript(request_told: dict[str, Any], case: dict[str, Any]) -> None:
    exchanges = [
        {"request": request_told | {"body": exchange["body"]}, "answer": exchange["answer"]}
        for exchange in case["exchanges"]
    ]
    transcript = Transcript(exchanges)
    with Server(transcript) as server, kafka.RestProducer(f"{server.endpoint}/test") as producer:
        results = producer.produce_batch(TOPIC, case["values"], timeout=PATIENCE_S)
        assert transcript.wrong == [] and transcript.left == 0
        assert producer.counters["requests"] >= len(exchanges) >= producer.counters["retries"] + 1
    assert len(results) == len(case["results"])
    for result, told in zip(results, case["results"], strict=True):
        assert result.may_repeat == told["may_repeat"], result
        if "status" not in told:
            assert result.error is None, result
            assert (result.partition, result.offset) == (told["partition"], told["offset"])
            continue
        assert result.error is not None and (result.partition, result.offset) == (None, None)
        assert result.error.status == told["status"]
        assert result.error.native_code == told["code"]
        assert result.error.service == "kafka-rest"
        assert told["says"] in result.error.message and TOPIC in result.error.message
        assert "\n" not in result.error.message


def _stored(proxy: Proxy, topic: str = TOPIC) -> list[int]:
    return [value["n"] for value in proxy.values(topic)]


def _values(count: int, first: int = 0) -> list[str]:
    return [f'{{"n":{number}}}' for number in range(first, first + count)]


class _Faults:
    """What a proxy meets, by a seed: each request one fault of those named, or none."""

    def __init__(self, seed: int, share: float, *names: str) -> None:
        self._random, self._share, self._names = random.Random(seed), share, names
        self.played: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer | str | None:
        with self._lock:
            if self._random.random() >= self._share:
                return None
            name = self._random.choice(self._names)
            self.played[name] += 1
        if name in ("lost", "reset"):
            return name
        if name == "cut":
            return Answer(200, b'{"offsets":[{"partition":0,"offset":0', cut=20)
        return Answer(int(name), b'{"message":"Too Many Requests"}', {"Content-Type": "application/json"})


@pytest.mark.parametrize("order", ["topic", "none"])
@pytest.mark.parametrize("seed", range(2))
def test_every_record_has_its_result_whatever_fails(seed: int, order: Any) -> None:
    faults = _Faults(seed, 0.25, "lost", "reset", "cut", "503", "504", "429")
    draw = random.Random(seed + 1000)
    refuse = {0.05: (50003, "timed out"), 0.06: (50002, "refused")}

    def refused(topic: str, value: Any) -> tuple[int, str] | None:
        chance = draw.random()
        return next((code for share, code in refuse.items() if chance < share), None)

    proxy = Proxy({TOPIC: 3}, fault=faults, refuse=refused)
    print(f"seed {seed}")
    with (
        Server(proxy) as server,
        kafka.RestProducer(server.endpoint, batch_records=7, attempts=4, order=order) as producer,
    ):
        results = producer.produce_batch(TOPIC, _values(700), timeout=PATIENCE_S)
        counters = producer.counters
    stored = Counter(_stored(proxy))
    assert proxy.refused == [] and min(faults.played.values()) > 0
    assert counters["delivered"] + counters["failed"] == counters["written"] == 700 == len(results)
    assert counters["may_repeat"] == sum(result.may_repeat for result in results if not result.error)
    assert counters["retries"] > 0 and counters["failed"] > 0
    for number, result in enumerate(results):
        if result.error is None:
            assert stored[number] >= 1
            assert stored[number] == 1 or result.may_repeat, (number, result)
        else:
            assert stored[number] == 0 or result.may_repeat, (number, result)


def test_a_topics_records_keep_their_order_whatever_fails() -> None:
    faults = _Faults(5, 0.3, "reset", "503", "429")
    proxy = Proxy({TOPIC: 1, "b.geo": 1}, fault=faults)
    with (
        Server(proxy) as server,
        kafka.RestProducer(server.endpoint, batch_records=5, attempts=15) as producer,
    ):
        for value in _values(200):
            producer.write(TOPIC, value)
            producer.write("b.geo", value)
        producer.flush(PATIENCE_S)
    for topic in (TOPIC, "b.geo"):
        assert _stored(proxy, topic) == list(range(200))


def test_a_silent_repetition_on_a_new_connection_is_counted() -> None:
    """libcurl sends a request again by itself where a kept-alive connection breaks before an answer."""
    seen = Counter[bytes]()

    def lose_once(request: Request) -> str | None:
        seen[request.body] += 1
        return "lost" if b'"n":1}' in request.body and seen[request.body] == 1 else None

    proxy = Proxy({TOPIC: 1}, fault=lose_once)
    with Server(proxy) as server, kafka.RestProducer(server.endpoint) as producer:
        assert producer.produce_batch(TOPIC, ['{"n":0}'])[0].may_repeat is False
        (repeated,) = producer.produce_batch(TOPIC, ['{"n":1}'])
        assert repeated.error is None and repeated.may_repeat is True
        assert producer.may_repeat == 1
        assert producer.produce_batch(TOPIC, ['{"n":2}'])[0].may_repeat is False
    assert _stored(proxy) == [0, 1, 1, 2]


def test_connections_are_kept_and_requests_batched() -> None:
    proxy = Proxy({TOPIC: 1})
    with Server(proxy) as server, kafka.RestProducer(server.endpoint, linger=60) as producer:
        for value in _values(1000):
            producer.write(TOPIC, value)
        producer.flush()
        assert producer.counters["requests"] == len(server.requests) == 10
        assert server.connections == 1
    assert _stored(proxy) == list(range(1000))


def test_requests_go_side_by_side_where_order_is_not_asked_for() -> None:
    now, most, lock = [0], [0], threading.Lock()

    def watch(request: Request) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    for order, expected in (("topic", 1), ("none", 3)):
        most[0] = 0
        proxy = Proxy({TOPIC: 1}, fault=watch)
        with (
            Server(proxy) as server,
            kafka.RestProducer(server.endpoint, order=order, in_flight=3, batch_records=1) as producer,
        ):
            producer.produce_batch(TOPIC, _values(12))
        assert most[0] == expected and sorted(_stored(proxy)) == list(range(12))


def test_a_requests_size_is_bounded() -> None:
    proxy = Proxy({TOPIC: 1})
    text = "x" * 300
    with (
        Server(proxy) as server,
        kafka.RestProducer(server.endpoint, batch_bytes=1024, linger=60) as producer,
    ):
        for number in range(20):
            producer.write(TOPIC, json.dumps({"n": number, "text": text}))
        producer.flush()
        assert all(len(request.body) <= 1024 for request in server.requests)
        assert len(server.requests) == 10
        with pytest.raises(errors.LimitError, match="1200 bytes, and a request takes 1024"):
            producer.write(TOPIC, '"' + "x" * 1198 + '"')
    assert _stored(proxy) == list(range(20))


def test_keys_partitions_and_nulls() -> None:
    proxy = Proxy({TOPIC: 3})
    with Server(proxy) as server, kafka.RestProducer(server.endpoint) as producer:
        producer.write(TOPIC, None, '"k"', partition=2)
        producer.write(TOPIC, "[1, 2]", partition=0)
        producer.flush()
    assert server.requests[0].body == (
        b'{"records":[{"key":"k","partition":2,"value":null},{"partition":0,"value":[1, 2]}]}'
    )
    assert proxy.records[TOPIC, 2] == ["null"] and proxy.records[TOPIC, 0] == ["[1,2]"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{'n': 1}", "byte 1: a key is expected"),
        ('{"n": 1', "byte 7: ',' or '}' is expected"),
        ('{"n": 1}{"n": 2}', "byte 8: more follows the value"),
        ("", "byte 0: the value ends early"),
        (b'"\xff"', "byte 1: a byte that is not UTF-8"),
        ('{"n": 1}\n\0', "byte 9: more follows the value"),
        ("[" * 200, "nested deeper than 128"),
        ("{index=7528, unique_id=x}", "byte 1: a key is expected"),
    ],
)
def test_what_is_not_json_is_refused_before_it_is_sent(value: Any, says: str) -> None:
    producer = kafka.RestProducer("http://127.0.0.1:1/test")
    with pytest.raises(errors.DataError, match="the record's value is not JSON") as caught:
        producer.write(TOPIC, value)
    assert says in str(caught.value)
    assert producer.written == 0
    with pytest.raises(errors.DataError, match="the record's key"):
        producer.write(TOPIC, "1", "k")


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("https://a.execute-api.eu-west-1.amazonaws.com/test/topics/a.pin", "/topics/<topic> is added"),
        ("http://a.execute-api.eu-west-1.amazonaws.com/test", "API Gateway speaks https only"),
        ("127.0.0.1:8082", "begins neither with http:// nor with https://"),
        ("http://a@host/test", "user information"),
        ("http://host/test?x=1", "it has a query"),
        ("http:///test", "it names no host"),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused(endpoint: str, says: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        kafka.RestProducer(f"kafka-rest+{endpoint}")
    assert says in str(caught.value)


def test_options_and_topics_are_checked() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="in_flight: 65, not 1 to 64"):
        kafka.RestProducer("http://h", in_flight=65)
    with pytest.raises(errors.InvalidArgumentError, match="batch_bytes: 100, not 1024 to 10000000"):
        kafka.RestProducer("http://h", batch_bytes=100)
    with pytest.raises(errors.InvalidArgumentError, match="region 'x': it is for IAM"):
        kafka.RestProducer("http://h", region="x")
    with pytest.raises(errors.InvalidArgumentError, match="API key: byte 3 is 0x0a") as caught:
        kafka.RestProducer("http://h", api_key="abc\nd")
    assert "abc" not in str(caught.value)
    producer = kafka.RestProducer("http://h")
    for name in ("", "a/b", "a b", "..", "x" * 250, "\u00e9"):
        with pytest.raises(errors.InvalidArgumentError, match="a name has 1 to 249"):
            producer.write(name, "1")


def test_a_missing_stage_is_named() -> None:
    refusal = Answer(403, b'{"message":"Forbidden"}', {"Content-Type": "application/json"})
    with Server(lambda _: refusal) as server, kafka.RestProducer(server.endpoint) as producer:
        (result,) = producer.produce_batch(TOPIC, ["1"])
    assert "the URL has no stage: end it with the name of one, such as /test" in str(result.error)


def test_the_api_key_is_sent_and_never_shown() -> None:
    key = "key-of-the-gateway-0123456789"
    echo = Answer(403, json.dumps({"message": f"no key {key} here"}).encode(), {})
    with (
        Server(lambda _: echo) as server,
        kafka.RestProducer(f"{server.endpoint}/t", api_key=key) as producer,
    ):
        (result,) = producer.produce_batch(TOPIC, ["1"])
        assert server.requests[0].headers["x-api-key"] == key
        assert "HTTP 403" in str(result.error) and key not in str(result.error)
        producer.write(TOPIC, "1")
        with pytest.raises(errors.AuthError) as caught:
            producer.flush()
        assert key not in str(caught.value) and key not in repr(producer)


def test_a_slow_proxy_ends_at_the_deadlines() -> None:
    slow = Answer(200, b"", delay_s=2.0)
    with (
        Server(lambda _: slow) as server,
        kafka.RestProducer(
            server.endpoint, request_timeout=0.1, delivery_timeout=0.5, queue_bytes=100
        ) as producer,
    ):
        producer.write(TOPIC, json.dumps("x" * 100))
        before = time.monotonic()
        with pytest.raises(errors.DeadlineError, match="the queue is full"):
            producer.write(TOPIC, json.dumps("x" * 100), timeout=0.05)
        with pytest.raises(errors.DeadlineError, match="1 records wait to be delivered"):
            producer.flush(0.1)
        with pytest.raises(
            errors.DeadlineError, match=r"1 records were not delivered; the first: .*0a1b2c3d4e5f"
        ):
            producer.flush(10)
        assert time.monotonic() - before < 1.5
        assert (producer.written, producer.failed, producer.waiting) == (1, 1, 0)


def test_ctrl_c_is_seen_at_once() -> None:
    slow = Answer(200, b"", delay_s=5.0)
    with Server(lambda _: slow) as server:
        producer = kafka.RestProducer(server.endpoint, queue_bytes=1)
        producer.write(TOPIC, "1")
        for call in (producer.flush, lambda: producer.write(TOPIC, "1")):
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            before = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                call()
            assert time.monotonic() - before < 0.3 + 0.4  # 200 ms, and the machine's own
        producer.close()


def test_a_forked_child_is_refused() -> None:
    with Server(Proxy({TOPIC: 1})) as server:
        producer = kafka.RestProducer(server.endpoint)
        producer.produce_batch(TOPIC, ["1"])
        child = os.fork()
        if child == 0:
            try:
                producer.write(TOPIC, "2")
            except errors.ForkedError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert producer.produce_batch(TOPIC, ["3"])[0].offset == 1


def test_a_closed_producer_says_so() -> None:
    producer = kafka.RestProducer("http://127.0.0.1:1")
    producer.close()
    with pytest.raises(errors.InvalidArgumentError, match="this RestProducer is closed"):
        producer.write(TOPIC, "1")


def test_a_table_is_written_as_json_made_in_c() -> None:
    rows = b'{"index": 1, "title": "a\\u00e9"}\n{"index": 2, "follower_count": "3k"}\n'
    table = pinpipe.clean("pin", rows)
    proxy = Proxy({TOPIC: 1})
    with Server(proxy) as server, kafka.RestProducer(server.endpoint) as producer:
        results = producer.produce_table(TOPIC, table)
        assert [result.offset for result in results] == [0, 1]
        assert producer.counters["requests"] == 1
    assert proxy.values(TOPIC) == table.to_pylist()


def test_lines_beyond_the_queue_wait_and_all_arrive() -> None:
    proxy = Proxy({TOPIC: 1})
    lines = "\r\n".join(["", *_values(5000), ""])
    with Server(proxy) as server, kafka.RestProducer(server.endpoint, queue_bytes=3000) as producer:
        assert producer.write_lines(TOPIC, lines) == list(range(5000))
        producer.flush()
        with pytest.raises(errors.DataError) as caught:
            producer.write_lines(TOPIC, '1\n2\n{"n"}\n')
        assert caught.value.record_index == 2 and caught.value.byte_offset == 4
        producer.flush()
    assert _stored_all(proxy) == [*range(5000), 1, 2]


def _stored_all(proxy: Proxy) -> list[Any]:
    return [value["n"] if isinstance(value, dict) else value for value in proxy.values(TOPIC)]


def test_results_are_kept_for_those_who_ask() -> None:
    proxy = Proxy({TOPIC: 1}, refuse=lambda topic, value: (50002, "no") if value == 3 else None)
    with Server(proxy) as server, kafka.RestProducer(server.endpoint) as producer:
        numbers = [producer.write(TOPIC, str(value), result=value % 2 == 1) for value in range(6)]
        with pytest.raises(errors.ServiceError, match="1 records were not delivered; the first: topic '0a1b"):
            producer.flush()
        assert numbers == list(range(6))
        results = producer.results()
        assert [(r.number, r.offset, r.error is None) for r in results] == [
            (1, 1, True),
            (3, None, False),
            (5, 4, True),
        ]
        assert producer.results() == []
        producer.flush()  # a failure is told once


# ---- TLS ----


def test_tls_and_what_is_spoken_to_the_wrong_port(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    proxy = Proxy({TOPIC: 1})
    with Server(proxy, certificate=certificate) as server:
        secure = kafka.RestProducer(server.endpoint, ca_file=certificate.file)
        assert secure.produce_batch(TOPIC, ['{"n":1}'])[0].offset == 0
        plain = kafka.RestProducer(server.endpoint.replace("https:", "http:"), attempts=1)
        (result,) = plain.produce_batch(TOPIC, ["1"])
        assert result.error is not None and result.error.status != "OK"
        stranger = kafka.RestProducer(server.endpoint, attempts=1)
        (result,) = stranger.produce_batch(TOPIC, ["1"])
        assert isinstance(result.error, errors.RefusedError) and result.may_repeat is False
    with Server(proxy) as server:
        secure = kafka.RestProducer(server.endpoint.replace("http:", "https:"), ca_file=certificate.file)
        (result,) = secure.produce_batch(TOPIC, ["1"])
        assert "this port does not speak TLS: begin the URL with http" in str(result.error)
        assert result.may_repeat is False and secure.counters["requests"] == 1
    assert _stored(proxy) == [1]


# ---- the emulator ----


def test_the_emulator_sends_what_it_writes_to_files(tmp_path: Path) -> None:
    proxy = Proxy({f"demo.{kind}": 1 for kind in ("pin", "geo", "user")}, stage="/test")
    pinpipe.emulate(None, f"file://{tmp_path}", rows=300)
    with Server(proxy) as server:
        summary = pinpipe.emulate(None, f"kafka-rest+{server.endpoint}/test", rows=300)
    assert proxy.refused == [] and summary.sink == f"kafka-rest+{server.endpoint}/test"
    for kind in ("pin", "geo", "user"):
        written = (tmp_path / f"demo.{kind}.ndjson").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in written] == proxy.values(f"demo.{kind}")


def test_the_program_names_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = Answer(403, b'{"message":"Missing Authentication Token"}', {"Content-Type": "application/json"})
    with Server(lambda _: refusal) as server:
        assert main(["emulate", "--to", f"kafka-rest+{server.endpoint}/tset", "--rows", "2"]) == 1
    said = capsys.readouterr().err
    assert "'Missing Authentication Token': the gateway has no such path: check the stage in the URL" in said
    assert main(["emulate", "--to", "kafka-rest+http://127.0.0.1:1?auth=key", "--rows", "1"]) == 1
    assert "?auth=key is not ?auth=iam" in capsys.readouterr().err


def test_the_api_key_of_the_emulator_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINPIPE_API_KEY", "from-the-environment")
    proxy = Proxy({f"demo.{kind}": 1 for kind in ("pin", "geo", "user")})
    with Server(proxy) as server:
        pinpipe.emulate(None, f"kafka-rest+{server.endpoint}", rows=1)
    assert {request.headers["x-api-key"] for request in server.requests} == {"from-the-environment"}
