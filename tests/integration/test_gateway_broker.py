"""Turns records by the gateway into the same records of a real broker as by the straight road.

Never changes a sink or an emulator for it: they are those that speak to kafka-rest.
Rules: docs/gateway.md; docs/kafka-rest.md; domain notes §3.2.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any

import botocore.credentials
import faulty_kafka as keys
import pinpipe
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from faulty_kafka import FaultyKafka, run_faulty_kafka
from gateways import PATIENCE_S, gateway_program
from kafka_broker import Broker, kill_and_restart
from pinpipe import kafka

KINDS = ("pin", "geo", "user")
DRAWS = 400
BODY = b'{"records":[{"value":{"n":1}}]}'
HEADERS = {"Content-Type": "application/vnd.kafka.json.v2+json"}


def _gateway(brokers: str, *options: str) -> AbstractContextManager[tuple[str, subprocess.Popen[str]]]:
    return gateway_program("--brokers", brokers, *options)


def _read(broker: Broker, topic: str, count: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    with kafka.Consumer(broker.brokers, f"group-{topic}", [topic]) as consumer:
        deadline = time.monotonic() + PATIENCE_S
        while len(values) < count and time.monotonic() < deadline:
            values += [message.value for message in consumer.poll(1.0)]
        values += [message.value for message in consumer.poll(0.5)]
    return values


def test_emulator_by_the_gateway_ends_in_the_same_bytes(kafka_broker: Broker) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        for user in ("direct", "gateway"):
            for kind in KINDS:
                admin.create_topic(f"{user}.{kind}")
    pinpipe.emulate(None, f"kafka://{kafka_broker.brokers}", rows=DRAWS, user_id="direct")
    with _gateway(kafka_broker.brokers, "--workers", "2") as (address, _):
        pinpipe.emulate(None, f"kafka-rest+http://{address}/test", rows=DRAWS, user_id="gateway")
    for kind in KINDS:
        direct = _read(kafka_broker, f"direct.{kind}", DRAWS)
        assert _read(kafka_broker, f"gateway.{kind}", DRAWS) == direct and len(direct) == DRAWS


def test_unknown_topic_is_told_while_others_are_served(kafka_broker: Broker) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic("gateway.known")
    with _gateway(kafka_broker.brokers) as (address, _):
        connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
        taken: dict[str, list[float]] = {"known": [], "never": []}
        for number in range(20):
            for name, status in (("known", 200), ("never", 404)):
                topic = f"gateway.{name}" + (str(number) if name == "never" else "")
                begun = time.monotonic()
                connection.request("POST", f"/test/topics/{topic}", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
                taken[name].append(1e3 * (time.monotonic() - begun))
                assert answer.status == status
        connection.close()
    for name, times in taken.items():
        print(f"{name}: first {times[0]:.1f}, median {sorted(times)[10]:.1f}, last {times[-1]:.1f} ms")


@pytest.fixture(scope="module")
def cluster() -> Iterator[FaultyKafka]:
    with run_faulty_kafka("-topics", "faulty") as cluster:
        yield cluster


def _post(
    address: str, body: bytes = BODY, topic: str = "faulty"
) -> tuple[int, dict[str, str], dict[str, Any]]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        connection.request("POST", f"/test/topics/{topic}", body, HEADERS)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())
    finally:
        connection.close()


def _until_stored(address: str, *meanwhile: int) -> None:
    """librdkafka needs a moment after a refusal; what it says until then is that refusal."""
    deadline = time.monotonic() + PATIENCE_S
    while (status := _post(address)[0]) != 200 and time.monotonic() < deadline:
        assert status in meanwhile
    assert status == 200


def test_what_a_broker_refuses_is_told(cluster: FaultyKafka) -> None:
    with _gateway(cluster.brokers, "--set", "message.timeout.ms=1500") as (address, _):
        assert _post(address)[0] == 200
        cluster.fail(keys.PRODUCE, keys.TOPIC_DENIED)
        status, _, said = _post(address)
        assert status == 403 and said["offsets"][0]["error_code"] == 40301
        cluster.heal()
        _until_stored(address, 403)
        cluster.fail(keys.PRODUCE, keys.NOT_ENOUGH_REPLICAS)
        status, headers, said = _post(address)
        assert (status, said.get("error_code"), headers.get("Retry-After")) == (503, 50003, "1"), said
        cluster.heal()
        _until_stored(address, 503)


def test_a_silent_broker_holds_no_other_one_back() -> None:
    """The next records of a topic wait for many that are under way, and not for long."""
    said: list[int] = []
    with ExitStack() as up:
        cluster = up.enter_context(run_faulty_kafka("-brokers", "2", "-topics", "half", "-partitions", "32"))
        admin = up.enter_context(kafka.Admin(cluster.brokers))
        led_by = {one.leader: one.partition for one in admin.describe_topic("half").partitions}
        silent, other = led_by.values()
        many = b",".join([b'{"value":0,"partition":%d}' % silent] * 600)
        address, _ = up.enter_context(_gateway(cluster.brokers, "--set", "message.timeout.ms=6000"))
        assert _post(address, topic="half")[0] == 200
        before = cluster.hits()
        cluster.silence(keys.PRODUCE, count=1)
        thread = threading.Thread(
            target=lambda: said.append(_post(address, b'{"records":[%s]}' % many, "half")[0])
        )
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while cluster.hits() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _post(address, b'{"records":[{"value":1,"partition":%d}]}' % other, "half")[0] == 200
        assert said == []
        thread.join(PATIENCE_S)
    assert said and said[0] in {200, 503, 504}, said


class _Load:
    """Threads that post numbers, each once, and keep what each was answered."""

    def __init__(self, address: str, topic: str = "faulty") -> None:
        self._topic = topic
        self.sent: set[int] = set()
        self.said: dict[int, tuple[int, dict[str, Any]]] = {}
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(worker, address)) for worker in range(8)]
        for thread in self._threads:
            thread.start()

    def _work(self, worker: int, address: str) -> None:
        number = worker * 1_000_000
        while not self._stop.is_set():
            number += 1
            with self._lock:
                self.sent.add(number)
            with suppress(OSError, http.client.HTTPException):  # the gateway has ended
                body = b'{"records":[{"value":%d}]}' % number
                status, _, answer = _post(address, body, self._topic)
                with self._lock:
                    self.said[number] = status, answer
                self._stop.wait(0.0 if status == 200 else 0.05)

    @property
    def stored(self) -> int:
        return self.count(200)

    def count(self, wanted: int) -> int:
        """How many were answered with that status."""
        with self._lock:
            return sum(status == wanted for status, _ in self.said.values())

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)


def _numbers(cluster: FaultyKafka) -> dict[int, list[tuple[int, int]]]:
    """Every number in the topic, with its places."""
    ends = cluster.order("ends", topic="faulty")["ends"]
    found: dict[int, list[tuple[int, int]]] = {}
    seen, deadline = 0, time.monotonic() + PATIENCE_S
    with kafka.Consumer(cluster.brokers, "numbers", ["faulty"]) as consumer:
        while seen < sum(ends) and time.monotonic() < deadline:
            for message in consumer.poll(0.5):
                seen += 1
                value = json.loads(message.value or b"null")
                if isinstance(value, int):
                    found.setdefault(value, []).append((message.partition, message.offset))
    assert seen == sum(ends)
    return found


def _assert_true(load: _Load, stored: dict[int, list[tuple[int, int]]]) -> None:
    """What is confirmed lies where the answer says, once; what was not written is nowhere."""
    for number, (status, answer) in load.said.items():
        if status == 200:
            (entry,) = answer["offsets"]
            assert number in stored, (number, answer)
            ((partition, offset),) = stored[number]
            assert (entry["partition"], entry["offset"]) == (partition, offset), number
        elif "no record was written" in str(answer) or status in (404, 429):
            assert number not in stored
        assert len(stored.get(number, [])) <= 1


def _disturb(cluster: FaultyKafka, draw: random.Random, load: _Load) -> None:
    codes = [keys.NOT_LEADER, keys.REQUEST_TIMED_OUT, keys.NOT_ENOUGH_REPLICAS, keys.STORAGE_ERROR]
    deadline = time.monotonic() + PATIENCE_S
    for fault in range(24):
        if fault % 6 == 5:
            cluster.cut(keys.PRODUCE, count=1)
        else:
            cluster.fail(keys.PRODUCE, draw.choice(codes), draw.randint(1, 3))
        wanted = load.stored + 20
        while load.stored < wanted and time.monotonic() < deadline:
            time.sleep(0.01)


def test_every_answer_is_true_under_faults_and_at_the_end(cluster: FaultyKafka) -> None:
    """200 is stored where it says; what is said to be in no partition is in none; SIGTERM comes under load."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    options = ("--set", "message.timeout.ms=2000", "--answer-timeout", "4")
    with _gateway(cluster.brokers, *options) as (address, process):
        load = _Load(address)
        try:
            _disturb(cluster, random.Random(seed), load)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        finally:
            load.end()
    cluster.heal()
    stored = _numbers(cluster)
    assert stored.keys() <= load.sent and load.stored >= 400
    _assert_true(load, stored)
    told = len(load.said) - load.stored
    print(f"{len(load.sent)} sent, {load.stored} confirmed, {told} told of a failure, {len(stored)} stored")


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_so()


def test_broker_killed_queue_full_and_topic_deleted_under_load(kafka_broker: Broker) -> None:
    """A real broker: each record that was accepted is in Kafka, each other one got an error."""
    topic = "gateway.killed"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic)
        admin.create_topic("gateway.deleted")
        options = ("--set", "message.timeout.ms=2000", "--answer-timeout", "3", "--records-max", "5")
        with _gateway(kafka_broker.brokers, *options) as (address, _):
            assert _post(address, topic="gateway.deleted")[0] == 200
            load = _Load(address, topic)
            try:
                _until(lambda: load.stored >= 100)
                kafka_broker.process.kill()
                _until(lambda: load.count(503) >= 10 and load.count(429) >= 10)
                kill_and_restart(kafka_broker)
                before = load.stored
                _until(lambda: load.stored >= before + 100)
            finally:
                load.end()
            admin.delete_topic("gateway.deleted")
            _until(lambda: _post(address, topic="gateway.deleted")[0] == 404)
    found: dict[int, list[tuple[int, int]]] = {}
    confirmed = {number for number, (status, _) in load.said.items() if status == 200}
    deadline = time.monotonic() + PATIENCE_S
    quiet = 0
    with kafka.Consumer(kafka_broker.brokers, "group-gateway-killed", [topic]) as consumer:
        while (not confirmed <= found.keys() or quiet < 2) and time.monotonic() < deadline:
            messages = consumer.poll(0.5)
            quiet = 0 if messages else quiet + 1
            for message in messages:
                found.setdefault(int(message.value or b"0"), []).append((message.partition, message.offset))
    assert confirmed <= found.keys() <= load.sent
    _assert_true(load, found)
    told = {status: load.count(status) for status in (200, 429, 503)}
    print(f"{len(load.sent)} sent, answers {told}, {len(found)} stored")


def _ask(address: str, method: str, target: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        payload = json.dumps(body) if body is not None else None
        connection.request(method, target, payload, {"Content-Type": "application/vnd.kafka.v2+json"})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 204), said
        return json.loads(said or b"null")
    finally:
        connection.close()


def test_botocore_signs_what_the_gateway_lets_in(kafka_broker: Broker, tmp_path: Path) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic("gateway.signed")
    file = tmp_path / "keys"
    file.write_text("AKIDBOTOGATEWAY,gwBotoSecretKeyW2example\n", encoding="utf-8")
    with _gateway(kafka_broker.brokers, "--signed-by", str(file), "--signed-region", "us-east-1") as (
        address,
        _,
    ):
        for secret, status in (("gwBotoSecretKeyW2example", 200), ("gwBotoSecretKeyW3example", 403)):
            key = botocore.credentials.Credentials("AKIDBOTOGATEWAY", secret)
            url = f"http://{address}/test/topics/gateway.signed?a=%20b&c"
            request = AWSRequest("POST", url, headers=dict(HEADERS), data=BODY)
            SigV4Auth(key, "execute-api", "us-east-1").add_auth(request)
            connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
            connection.request("POST", url.removeprefix(f"http://{address}"), BODY, dict(request.headers))
            assert connection.getresponse().status == status
            connection.close()


def _read_some(address: str, group: str, path: str, what: dict[str, list[Any]], wanted: int) -> list[int]:
    """By an instance of the REST interface that is deleted then."""
    config = {"format": "json", "auto.offset.reset": "earliest", "auto.commit.enable": True}
    base = _ask(address, "POST", f"/consumers/{group}", config)["base_uri"].removeprefix(f"http://{address}")
    _ask(address, "POST", f"{base}/{path}", what)
    found: list[int] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < wanted and time.monotonic() < deadline:
        found += [
            record["value"] for record in _ask(address, "GET", f"{base}/records?max_bytes=600&timeout=500")
        ]
    _ask(address, "DELETE", base)
    return found


def test_consumers_of_a_group_go_on_behind_each_other(kafka_broker: Broker) -> None:
    """What an instance gave out is committed when it ends: one with partitions by hand, and one of ours, go on."""
    group, topic = "students", "gateway.consumed"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic)
    with _gateway(kafka_broker.brokers) as (address, _):
        body = json.dumps({"records": [{"value": n} for n in range(1000)]}).encode()
        assert _post(address, body, topic)[0] == 200
        found = _read_some(address, group, "subscription", {"topics": [topic]}, 300)
        partitions = [{"topic": topic, "partition": 0}]
        found += _read_some(address, group, "assignments", {"partitions": partitions}, 300)
    with kafka.Consumer(kafka_broker.brokers, group, [topic]) as consumer:
        deadline = time.monotonic() + PATIENCE_S
        read_by_rest = len(found)
        while len(found) < 1000 and time.monotonic() < deadline:
            found += [json.loads(message.value or b"") for message in consumer.poll(0.5)]
    assert found == list(range(1000)) and 600 <= read_by_rest < 1000
