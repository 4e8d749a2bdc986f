"""Turns draws, producers, consumers and the sink into checks on the embedded cluster.

Never needs a server beside the process.
Rules: docs/kafka.md, docs/sink.md, docs/emulator.md.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pinpipe import errors, kafka
from pinpipe._draws import Draws
from pinpipe._sink import Sink

REFUSED = "127.0.0.1:1"


@pytest.mark.parametrize(
    "seed",
    [
        0,
        1,
        2,
        3,
        7,
        42,
        99,
        100,
        101,
        2022,
        65535,
        2**31,
        2**32 - 1,
        2**32,
        2**33 + 5,
        2**62,
        2**63 - 1,
        12345,
        77,
        8,
        -1,
        -100,
    ],
)
def test_draws_are_those_of_random(seed: int) -> None:
    course = random.Random(seed)
    expected = [(course.randrange(0, 2), course.randint(0, 11_000)) for _ in range(3000)]
    draws = Draws(seed)
    assert [next(draws) for _ in range(3000)] == expected
    later = Draws(seed)
    later.skip(2500)
    assert next(later) == expected[2500]


@pytest.mark.parametrize("count", [1, 2, 3, 100, 11_154, 2**32, 2**40 + 1])
def test_draws_of_other_row_counts(count: int) -> None:
    course = random.Random(5)
    expected = [(course.randrange(0, 2), course.randint(0, count - 1)) for _ in range(500)]
    draws = Draws(5, count)
    assert [next(draws) for _ in range(500)] == expected


def test_draws_refuse_no_rows() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="row_count -3"):
        Draws(1, -3)


@pytest.fixture(scope="module")
def cluster() -> kafka.MockCluster:
    return kafka.MockCluster()


def read(consumer: kafka.Consumer, count: int, timeout: float = 20.0) -> list[kafka.Message]:
    messages: list[kafka.Message] = []
    deadline = time.monotonic() + timeout
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.poll(0.5)
    return messages


def test_round_trip(cluster: kafka.MockCluster) -> None:
    cluster.create_topic("py.pin", 2)
    with pytest.raises(errors.ConflictError):
        cluster.create_topic("py.pin", 2)
    values = [json.dumps({"n": n, "text": "café 😀"}).encode() for n in range(500)]
    with kafka.Producer(cluster.brokers, settings={"linger.ms": 1}) as producer:
        for n, value in enumerate(values):
            producer.write("py.pin", value, f"k{n % 7}", timestamp_ms=1_700_000_000_000 + n)
        producer.write("py.pin", None, b"gone")
        producer.write("py.pin", b"", None)
        producer.flush()
        assert (producer.written, producer.delivered, producer.failed, producer.waiting) == (502, 502, 0, 0)
    with kafka.Consumer(cluster.brokers, "py", ["py.pin", "py.geo"]) as consumer:
        messages = read(consumer, 502)
        assert sorted(m.value for m in messages if m.value) == sorted(values)
        assert [m.key for m in messages if m.value is None] == [b"gone"]
        assert [m.key for m in messages if m.value == b""] == [None]
        assert {m.timestamp_ms for m in messages if m.value} == {1_700_000_000_000 + n for n in range(500)}
        assert len({m.partition for m in messages if m.key == b"k3"}) == 1
        offsets = {("py.pin", 0): 5, ("py.pin", 1): 6}
        consumer.commit(offsets)
        assert consumer.committed([*offsets, ("py.geo", 0)]) == {**offsets, ("py.geo", 0): None}
        consumer.close()
        with pytest.raises(errors.InvalidArgumentError, match="closed"):
            consumer.poll(0.1)
    with kafka.Admin(cluster.brokers) as admin:
        assert admin.topics()["py.pin"] == 2


def test_paused_partitions_wait_and_go_on(cluster: kafka.MockCluster) -> None:
    """What was fetched before the pause comes after it, once; the other partition goes on meanwhile."""
    cluster.create_topic("py.paused", 2)
    sent: list[list[bytes]] = [[], []]
    with kafka.Consumer(cluster.brokers, "paused", "py.paused", poll_records=10) as consumer:

        def write(count: int) -> None:
            with kafka.Producer(cluster.brokers) as producer:
                for partition in (0, 1):
                    values = [b"%d-%d" % (partition, len(sent[partition]) + n) for n in range(count)]
                    producer.produce_batch("py.paused", values, partitions=[partition] * count).wait()
                    sent[partition] += values

        write(200)
        with pytest.raises(errors.ConflictError, match="not this consumer's"):
            consumer.pause([("py.paused", 0)])
        found = read(consumer, 1)
        consumer.pause([("py.paused", 0)])
        paused_at = sum(message.partition == 0 for message in found)
        write(5)
        found += read(consumer, paused_at + 205 - len(found))
        found += consumer.poll(1)
        assert [m.value for m in found if m.partition == 0] == sent[0][:paused_at]
        assert [m.value for m in found if m.partition == 1] == sent[1]
        consumer.resume([("py.paused", 0)])
        found += read(consumer, 410 - len(found))
        found += consumer.poll(1)
        assert [m.value for m in found if m.partition == 0] == sent[0]
        for call in (consumer.pause, consumer.resume):
            with pytest.raises(errors.ConflictError, match=r"'py.paused' \[9\]"):
                call([("py.paused", 9)])


def test_refused_connection_is_one_message_within_the_deadline() -> None:
    started = time.monotonic()
    producer = kafka.Producer(REFUSED)
    with pytest.raises(errors.NetworkError, match=r"127\.0\.0\.1:1.*refused") as caught:
        producer.write("t", b"1", timeout=0.6)
    assert caught.value.service == "kafka"
    assert caught.value.retryable
    with kafka.Consumer(REFUSED, "g", "t") as consumer, pytest.raises(errors.NetworkError, match="refused"):
        consumer.poll(0.6)
    with kafka.Admin(REFUSED) as admin:
        with pytest.raises(errors.NetworkError, match="refused"):
            admin.topics(0.6)
        with pytest.raises(errors.NetworkError, match="refused"):
            admin.create_topic("t", timeout=0.6)
    assert time.monotonic() - started < 10


def test_settings_are_checked_and_secrets_kept() -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"setting 'no\.such'"):
        kafka.Producer("h:1", settings={"no.such": 1})
    with pytest.raises(errors.InvalidArgumentError) as caught:
        kafka.Producer("h:1", settings={"security.protocol": "ssl", "ssl.key.pem": "hunter2"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(errors.InvalidArgumentError, match="brokers"):
        kafka.Producer("")


def test_child_process_is_refused(cluster: kafka.MockCluster) -> None:
    producer = kafka.Producer(cluster.brokers)
    child = os.fork()
    if child == 0:
        try:
            producer.write("t", b"1", timeout=0.1)
        except errors.ForkedError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    producer.close()


def test_sink_stores_what_was_written(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    cluster.create_topic("sk.pin", 2)
    cluster.create_topic("sk.geo", 1)
    cluster.create_topic("other", 1)
    values = [b'{"n":%d}' % n for n in range(300)]
    with kafka.Producer(cluster.brokers) as producer:
        for n, value in enumerate(values):
            producer.write(("sk.pin", "sk.geo")[n % 2], value, str(n))
        producer.write("sk.geo", b'{\n"n": 1}')
        producer.write("other", b"1")
    target = tmp_path.as_uri()
    with Sink(cluster.brokers, r"sk\.(pin|geo)", target, flush_records=40, idle_ms=200) as sink:
        sink.run(lambda s: s.counters["records_read"] >= 301)
        sink.flush()
        counters, offsets = sink.counters, sink.stored_offsets
        assert sink.committed_offsets == offsets
    objects = sorted((tmp_path / "topics").rglob("*.json"))
    lines = [line for path in objects for line in path.read_bytes().split(b"\n")[:-1]]
    assert sorted(lines) == sorted(values)
    assert all(path.read_bytes().count(b"\n") <= 40 for path in objects)
    rejects = list((tmp_path / "rejects").rglob("*.json"))
    assert len(rejects) == 1
    assert json.loads(rejects[0].read_bytes())["reason"] == "newline in value"
    assert counters["records_stored"] == 300
    assert counters["records_rejected"] == 1
    assert counters["objects_stored"] == len(objects) + 1
    assert sum(offsets.values()) == 301
    assert {topic for topic, _ in offsets} == {"sk.pin", "sk.geo"}


def test_sink_command(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    cluster.create_topic("cmd.pin", 1)
    with kafka.Producer(cluster.brokers) as producer:
        for n in range(25):
            producer.write("cmd.pin", b'{"n":%d}' % n)
    command = [sys.executable, "-m", "pinpipe", "sink", "--brokers", cluster.brokers, "--topics", r"cmd\..*"]
    command += [
        "--to",
        f"{tmp_path.as_uri()}/topics",
        "--flush-records",
        "10",
        "--until-idle",
        "6",
        "--group",
        "cmd",
    ]
    done = subprocess.run(
        [*command, "--format", "json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    summary = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert summary["records_stored"] == 25
    assert summary["objects_stored"] == 3
    assert summary["cmd.pin/0"] == 25
    assert len(list((tmp_path / "topics/cmd.pin/partition=0").iterdir())) == 3


def test_sink_command_ends_on_a_signal(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    cluster.create_topic("sig.pin", 1)
    command = [sys.executable, "-m", "pinpipe", "sink", "--brokers", cluster.brokers, "--topics", "sig.pin"]
    command += ["--to", tmp_path.as_uri(), "--group", "sig", "--idle-ms", "600000", "--format", "json"]
    with kafka.Producer(cluster.brokers) as producer:
        producer.write("sig.pin", b'{"n":1}')
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(6)
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert {row["name"]: row["value"] for row in json.loads(out)}["rotations_flush"] == 1
    assert (tmp_path / "topics/sig.pin/partition=0/sig.pin+0+0000000000.json").read_bytes() == b'{"n":1}\n'


@pytest.mark.parametrize("options", [[], ["--until-idle", "1"]])
def test_sink_command_names_brokers_that_refuse(tmp_path: Path, options: list[str]) -> None:
    """Also where it is to end when nothing comes: brokers that are away are not idle."""
    command = [sys.executable, "-m", "pinpipe", "sink", "--brokers", REFUSED, "--topics", "t", *options]
    done = subprocess.run(
        [*command, "--to", tmp_path.as_uri()], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "refused" in done.stderr
