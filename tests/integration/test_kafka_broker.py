"""Turns a real broker into proof: what was written is read and stored, byte for byte, whatever kills the sink.

Never skips: a missing JDK or Maven is a failure.
Rules: docs/kafka.md, docs/sink.md; issue 3, "It must show" (20 kills of the sink at random moments).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from kafka_broker import SASL_PASSWORD, SASL_USER, Broker
from pinpipe import Credentials, errors, kafka, s3
from pinpipe._sink import Sink
from servers import Store

KILLS = 20
SESSION = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}


def record(number: int) -> bytes:
    """A value that tells its number, of 20 to 800 bytes, with text beyond ASCII."""
    text = "naïve 😀 " * (number % 61)
    return json.dumps({"n": number, "text": text}, ensure_ascii=number % 2 == 0).encode()


def stored_values(objects: dict[str, bytes], topic: str) -> dict[tuple[int, int], bytes]:
    """(partition, offset) -> value of the objects, by names and line numbers alone; an offset is in one of them."""
    values: dict[tuple[int, int], bytes] = {}
    for key, body in objects.items():
        folder, _, name = key.rpartition("/")
        found, partition, start = name.removesuffix(".json").split("+")
        assert (found, folder) == (topic, f"topics/{topic}/partition={partition}")
        assert len(start) == 10
        assert body.endswith(b"\n")
        for at, line in enumerate(body[:-1].split(b"\n")):
            place = (int(partition), int(start) + at)
            assert place not in values, f"{place} is stored twice"
            values[place] = line
    return values


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def test_round_trip_and_errors(kafka_broker: Broker) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic("real.pin", 3)
        with pytest.raises(errors.ConflictError, match=r"real\.pin"):
            admin.create_topic("real.pin", 3)
        with pytest.raises(errors.RefusedError):
            admin.create_topic("real.replicas", 1, replication=3)
        assert admin.topics()["real.pin"] == 3
    values = [record(n) for n in range(3000)]
    started = time.monotonic()
    with kafka.Producer(kafka_broker.brokers) as producer:
        with pytest.raises(errors.NotFoundError, match=r"topic 'real\.none' does not exist"):
            producer.write("real.none", b"1", timeout=10)
        assert time.monotonic() - started < 6
        with pytest.raises(errors.LimitError):
            producer.write("real.pin", b"x" * 2_000_000)
        for n, value in enumerate(values):
            producer.write("real.pin", value, str(n % 100))
        producer.flush()
        assert (producer.delivered, producer.failed) == (3000, 0)
    with kafka.Consumer(kafka_broker.brokers, "real", "real.pin", settings=SESSION) as consumer:
        messages: list[kafka.Message] = []
        deadline = time.monotonic() + 30
        while len(messages) < 3000 and time.monotonic() < deadline:
            messages += consumer.poll(1.0)
        assert sorted(m.value or b"" for m in messages) == sorted(values)
        offsets = {("real.pin", p): 1 + max(m.offset for m in messages if m.partition == p) for p in range(3)}
        consumer.commit(offsets)
        assert consumer.committed(offsets) == offsets
    with (
        kafka.Consumer(kafka_broker.brokers, "lost", "real.none") as consumer,
        pytest.raises(errors.NotFoundError, match=r"real\.none"),
    ):
        consumer.poll(15)


def test_batches_and_topics(kafka_broker: Broker) -> None:
    """A batch's results are the places where a real broker keeps the records; topics are described and deleted."""
    values = [record(n) for n in range(2000)]
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic("real.batches", 3)
        found = admin.describe_topic("real.batches")
        assert [(one.leader, one.replicas, one.in_sync) for one in found.partitions] == [(1, 1, 1)] * 3
        assert found.configs["cleanup.policy"] == "delete"
        with kafka.Producer(kafka_broker.brokers) as producer:
            headers = [{"n": str(n)} for n in range(len(values))]
            delivery = producer.produce_batch(
                "real.batches", values, headers=headers, timestamps=[7] * len(values)
            )
            assert delivery.wait().delivered == len(values)
        places = dict(zip(zip(delivery.partitions, delivery.offsets, strict=True), values, strict=True))
        read: dict[tuple[int, int], bytes | None] = {}
        deadline = time.monotonic() + 30
        with kafka.Consumer(kafka_broker.brokers, "batches", "real.batches", settings=SESSION) as consumer:
            while len(read) < len(values) and time.monotonic() < deadline:
                records = consumer.consume_batch()
                read.update(
                    zip(zip(records.partitions, records.offsets, strict=True), records.values(), strict=True)
                )
        assert read == places
        admin.delete_topic("real.batches")
        with pytest.raises(errors.NotFoundError):
            admin.delete_topic("real.batches")
        with pytest.raises(errors.NotFoundError):
            admin.describe_topic("real.batches")


def test_refused_credentials_are_one_message_at_once(kafka_broker: Broker, tmp_path: Path) -> None:
    settings = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": SASL_USER}
    right = settings | {"sasl.password": SASL_PASSWORD}
    wrong = settings | {"sasl.password": "not-the-password"}
    address = kafka_broker.sasl_brokers
    with kafka.Admin(address, settings=right) as admin:
        admin.create_topic("sasl.pin")
    started = time.monotonic()
    caught: list[errors.AuthError] = []
    with kafka.Admin(address, settings=wrong) as admin:
        for call in (admin.topics, lambda: admin.create_topic("sasl.geo")):
            with pytest.raises(errors.AuthError) as refused:
                call()
            caught.append(refused.value)
    with pytest.raises(errors.AuthError) as refused:
        kafka.Producer(address, settings=wrong).write("sasl.pin", b"1")
    caught.append(refused.value)
    with kafka.Consumer(address, "sasl", "sasl.pin", settings=wrong) as consumer:
        with pytest.raises(errors.AuthError) as refused:
            consumer.poll(30)
        caught.append(refused.value)
    with pytest.raises(errors.AuthError) as refused:
        Sink(address, "sasl.*", tmp_path.as_uri(), settings=wrong).run()
    caught.append(refused.value)
    assert time.monotonic() - started < 20
    for error in caught:
        assert "\n" not in str(error)
        assert "not-the-password" not in str(error)
        assert "uthentication" in str(error)
    print(caught[0])


def test_sink_to_files(kafka_broker: Broker, tmp_path: Path) -> None:
    topic = "files.pin"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 2)
    written = [record(n) for n in range(5000)]
    with kafka.Producer(kafka_broker.brokers) as producer:
        for value in written:
            producer.write(topic, value)
    with Sink(
        kafka_broker.brokers, "files.*", tmp_path.as_uri(), flush_records=700, settings=SESSION
    ) as sink:
        sink.run(lambda s: s.counters["records_read"] >= 5000)
        sink.flush()
        assert sink.committed_offsets == sink.stored_offsets
        assert sink.counters["offsets_skipped"] == 0
    values = stored_values(files_below(tmp_path), topic)
    assert sorted(values.values()) == sorted(written)
    print(f"{len(values)} values compared byte for byte")


def test_sink_to_s3(kafka_broker: Broker, versitygw: Store) -> None:
    topic, bucket = "store.pin", "sink-objects"
    client = s3.Client(
        versitygw.endpoint,
        region=versitygw.region,
        credentials=Credentials.static(versitygw.key, versitygw.secret),
        attempts=1,
    )
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 1)
    written = [record(n) for n in range(2000)]
    with kafka.Producer(kafka_broker.brokers) as producer:
        for value in written:
            producer.write(topic, value)
    sink = Sink(
        kafka_broker.brokers, topic, f"s3://{bucket}/topics", s3=client, flush_records=300, settings=SESSION
    )
    with pytest.raises(errors.NotFoundError, match=bucket):
        sink.run(lambda s: s.counters["records_stored"] >= 2000)
    assert sink.committed_offsets == {}
    client.create_bucket(bucket)
    with sink:
        sink.run(lambda s: s.counters["records_read"] >= 2000)
    objects = {found.key: client.get(bucket, found.key) for found in client.list(bucket)}
    assert len(objects) == 7
    values = stored_values(objects, topic)
    assert [values[0, n] for n in range(2000)] == written
    print(f"{len(values)} values compared byte for byte")


def test_sink_command_to_s3(kafka_broker: Broker, versitygw: Store) -> None:
    topic, bucket = "command.pin", "sink-command"
    client = s3.Client(
        versitygw.endpoint,
        region=versitygw.region,
        credentials=Credentials.static(versitygw.key, versitygw.secret),
    )
    client.create_bucket(bucket)
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 1)
    written = [record(n) for n in range(1000)]
    with kafka.Producer(kafka_broker.brokers) as producer:
        for value in written:
            producer.write(topic, value)
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_S3": versitygw.endpoint,
        "AWS_REGION": versitygw.region,
        "AWS_ACCESS_KEY_ID": versitygw.key,
        "AWS_SECRET_ACCESS_KEY": versitygw.secret,
    }
    command = [
        sys.executable,
        "-m",
        "pinpipe",
        "sink",
        "--brokers",
        kafka_broker.brokers,
        "--topics",
        "command.*",
    ]
    command += [
        "--to",
        f"s3://{bucket}/topics",
        "--flush-records",
        "400",
        "--until-idle",
        "3",
        "--format",
        "json",
    ]
    command += ["--group", "command"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")
    assert {row["name"]: row["value"] for row in json.loads(done.stdout)}["records_stored"] == 1000
    objects = {found.key: client.get(bucket, found.key) for found in client.list(bucket)}
    assert sorted(key[-15:] for key in objects) == ["0000000000.json", "0000000400.json", "0000000800.json"]
    values = stored_values(objects, topic)
    assert [values[0, n] for n in range(1000)] == written

    environment["AWS_SECRET_ACCESS_KEY"] = "not-the-secret"
    command[command.index("command")] = "command-wrong"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "SignatureDoesNotMatch" in done.stderr


def test_dead_letters(kafka_broker: Broker, tmp_path: Path) -> None:
    """A topic that is missing holds everything back and is named; once it is there, each reject is there once."""
    topic, dead = "rejected.pin", "letters.of.rejected"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 2)
    written = [record(n) if n % 10 else b"{\n%d" % n for n in range(600)]
    with kafka.Producer(kafka_broker.brokers) as producer:
        headers = [{"n": str(n)} for n in range(600)]
        sent = producer.produce_batch(topic, written, [str(n) for n in range(600)], headers=headers).wait()
        places = list(zip(sent.partitions, sent.offsets, strict=True))
    sink = Sink(
        kafka_broker.brokers,
        topic,
        tmp_path.as_uri(),
        dead_letter_topic=dead,
        store_timeout=3,
        settings=SESSION,
    )
    with pytest.raises(errors.NotFoundError, match=dead):
        sink.run()
    assert sink.counters["records_rejected"] == 0
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(dead, 3)
    deadline = time.monotonic() + 30
    while sink.counters["records_rejected"] < 60 and time.monotonic() < deadline:
        with contextlib.suppress(errors.NotFoundError):
            sink.poll()
    sink.flush()
    assert sum(sink.committed_offsets.values()) == 600
    assert (sink.counters["records_stored"], sink.counters["records_rejected"]) == (540, 60)
    sink.close()
    assert not (tmp_path / "rejects").exists()
    letters: list[kafka.Message] = []
    with kafka.Consumer(kafka_broker.brokers, "letters", dead, settings=SESSION) as consumer:
        while time.monotonic() < deadline and (found := consumer.poll(3)):
            letters += found
    assert sorted(int(letter.key or b"") for letter in letters) == list(range(0, 600, 10))
    for letter in letters:
        n = int(letter.key or b"")
        prefix = "__connect.errors."
        assert letter.value == written[n]
        assert letter.headers == (
            ("n", str(n).encode()),
            (f"{prefix}topic", topic.encode()),
            (f"{prefix}partition", str(places[n][0]).encode()),
            (f"{prefix}offset", str(places[n][1]).encode()),
            (f"{prefix}stage", b"TASK_PUT"),
            (f"{prefix}exception.message", b"newline in value"),
        )


def test_a_dead_member_is_no_idleness(kafka_broker: Broker, tmp_path: Path) -> None:
    """The group answers a joining member once the dead one's session is over, which is longer than it may idle."""
    topic = "orphaned.pin"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 2)
    with kafka.Producer(kafka_broker.brokers) as producer:
        for number in range(600):
            producer.write(topic, record(number), str(number))
    dead = start_sink(kafka_broker, topic, tmp_path, idle=60)
    deadline = time.monotonic() + 60
    while len(stored_values(files_below(tmp_path), topic)) < 600 and time.monotonic() < deadline:
        time.sleep(0.1)
    dead.kill()
    dead.communicate()
    with kafka.Producer(kafka_broker.brokers) as producer:
        for number in range(600, 1200):
            producer.write(topic, record(number), str(number))
    process = start_sink(kafka_broker, topic, tmp_path, idle=2, instance="two")
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (0, b"")
    values = stored_values(files_below(tmp_path), topic)
    assert sorted(values.values()) == sorted(record(n) for n in range(1200)), out


def test_moved_partitions_are_read_by_their_next_owner(kafka_broker: Broker, tmp_path: Path) -> None:
    topic = "moved.pin"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 4)
    written = [record(n) for n in range(4000)]
    options = {"flush_records": 300, "idle_ms": 600_000, "settings": SESSION, "group": "moved"}
    first = Sink(kafka_broker.brokers, topic, tmp_path.as_uri(), **options)
    with kafka.Producer(kafka_broker.brokers) as producer:
        for value in written[:2000]:
            producer.write(topic, value, value[:20])
    first.run(lambda s: s.counters["records_read"] >= 2000)
    with Sink(kafka_broker.brokers, topic, tmp_path.as_uri(), **options) as second:
        deadline = time.monotonic() + 40
        while not first.counters["rotations_revoke"] and time.monotonic() < deadline:
            first.poll()
            second.poll()
        # What the first had read and not stored, it stored before the group took its partitions away.
        revoked = first.counters["rotations_revoke"]
        assert revoked > 0
        assert first.counters["records_dropped"] == 0
        with kafka.Producer(kafka_broker.brokers) as producer:
            for value in written[2000:]:
                producer.write(topic, value, value[:20])
        total = 0
        while total < 4000 and time.monotonic() < deadline:
            first.poll()
            second.poll()
            counters = [first.counters, second.counters]
            total = sum(c["records_read"] - c["records_dropped"] - c["records_known"] for c in counters)
        first.flush()
        second.flush()
        assert second.counters["records_stored"] > 0
    first.close()
    values = stored_values(files_below(tmp_path), topic)
    assert sorted(values.values()) == sorted(written)
    print(f"{revoked} files stored because of a revocation; {len(values)} values compared")


class Writer(threading.Thread):
    """Writes numbered records until it is told to stop; keeps how many were not delivered, as it was told."""

    def __init__(self, brokers: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._producer = kafka.Producer(brokers)
        self._topic = topic
        self.stop = threading.Event()
        self.written = 0
        self.failed = 0

    def run(self) -> None:
        while not self.stop.wait(0.001):
            for _ in range(3):
                self._producer.write(self._topic, record(self.written), str(self.written))
                self.written += 1
        try:
            self._producer.flush()
        except errors.DeadlineError as error:
            self.failed = int(str(error).split()[0])


def start_sink(
    broker: Broker, topic: str, folder: Path, *, idle: int = 8, instance: str = "one"
) -> subprocess.Popen[bytes]:
    """The command as a user runs it; static membership, so that a new process takes the dead one's place at once."""
    command = [sys.executable, "-m", "pinpipe", "sink", "--brokers", broker.brokers, "--topics", topic]
    command += ["--to", f"file://{quote(str(folder))}", "--flush-records", "50", "--idle-ms", "200"]
    command += ["--group", f"{topic}-group", "--until-idle", str(idle)]
    for name, value in {**SESSION, "group.instance.id": instance}.items():
        command += ["--set", f"{name}={value}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_sink_loses_nothing(kafka_broker: Broker, tmp_path: Path) -> None:
    seed = int(os.environ.get("PINPIPE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"PINPIPE_SEED={seed}")
    chance = random.Random(seed)
    topic = "killed.pin"
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(topic, 2)
    writer = Writer(kafka_broker.brokers, topic)
    writer.start()
    first = len(files_below(tmp_path))
    between = 0
    for _ in range(KILLS):
        process = start_sink(kafka_broker, topic, tmp_path)
        before = len(files_below(tmp_path))
        time.sleep(chance.uniform(0.4, 2.5))
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
        assert (process.returncode, out, err) == (-signal.SIGKILL, b"", b"")
        # Every kill precedes the run's last write; one that follows a write of its own process lands between.
        between += len(files_below(tmp_path)) > before
    assert first == 0
    writer.stop.set()
    writer.join()
    process = start_sink(kafka_broker, topic, tmp_path)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (0, b"")
    values = stored_values(files_below(tmp_path), topic)
    ends = {p: 1 + max(offset for partition, offset in values if partition == p) for p in range(2)}
    missing = [(p, n) for p, end in ends.items() for n in range(end) if (p, n) not in values]
    print(f"{KILLS} kills, {between} of them after a write; {len(values)} offsets, {len(missing)} missing")
    assert missing == []
    assert sorted(values.values()) == sorted(record(n) for n in range(writer.written))
    assert between >= KILLS / 2
