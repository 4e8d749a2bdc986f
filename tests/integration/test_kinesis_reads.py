"""Turns a consumer before throttling shards, expiring iterators, faults and kill -9 into counts of what it handed out.

Never accepts a record that is missing, twice, or before one of its shard that was written earlier.
Rules: docs/kinesis.md, "Fetching", "Places"; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from gates import KEY
from kinesis_servers import gate_before
from pinpipe import kinesis
from test_kinesis_client import stream

from tests.doubles.gate import Gate
from tests.doubles.kinesis_reads import ReadLimits

CREDENTIALS = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
RECORDS = 1200
SHARDS = 3
LOSSLESS = [
    "500",
    "unavailable",
    "429",
    "expired-token",
    "reset-before",
    "reset-in-body",
    "reset-after",
    "lost-reply",
    "truncated",
    "reset-in-reply",
]


@contextmanager
def written(endpoint: str, gate: Gate, aggregate_bytes: int | None = None) -> Iterator[str]:
    """A stream with RECORDS records, each with its number, that was written past the gate's limits and faults."""
    with gate_before(endpoint) as plain:
        client = kinesis.Client(plain.endpoint, credentials=CREDENTIALS)
        with stream(client, SHARDS) as name:
            with kinesis.Producer(
                name, plain.endpoint, credentials=CREDENTIALS, ordering="key", aggregate_bytes=aggregate_bytes
            ) as producer:
                for number in range(RECORDS):
                    producer.write(b"%06d" % number, f"key-{number % 50}")
            yield name


def consumer(gate: Gate, name: str, **options: Any) -> kinesis.Consumer:
    return kinesis.Consumer(name, gate.endpoint, credentials=CREDENTIALS, **{"idle": 0.2, **options})


def read(readers: list[kinesis.Consumer], pause_s: float = 0.0, timeout_s: float = 90.0) -> None:
    """Lets each reader read everything: each record once, those of a key in their order."""
    found: list[list[tuple[str, int]]] = [[] for _ in readers]
    until = time.monotonic() + timeout_s
    while any(len(one) < RECORDS for one in found):
        assert time.monotonic() < until, [len(one) for one in found]
        for reader, one in zip(readers, found, strict=True):
            batch = reader.consume_batch(timeout=0.1)
            one += [(record.partition_key, int(record.data)) for record in batch.records()]
        time.sleep(pause_s)
    for one in found:
        assert sorted(number for _, number in one) == list(range(RECORDS))
        by_key: dict[str, list[int]] = defaultdict(list)
        for key, number in one:
            by_key[key].append(number)
        assert all(numbers == sorted(numbers) for numbers in by_key.values())


def test_two_readers_share_what_the_shards_give(kinesalite: str) -> None:
    """Each wants all of the five calls a second: both get their records, and few calls are for nothing."""
    limits = ReadLimits()
    with gate_before(kinesalite, limits=limits) as gate, written(kinesalite, gate) as name:
        readers = [consumer(gate, name, fetch_records=30) for _ in range(2)]
        read(readers)
        assert limits.throttled == sum(reader.counters["throttled"] for reader in readers) > 0
        assert limits.throttled < limits.calls / 3
        assert sum(reader.counters["failed"] for reader in readers) == 0


def test_iterators_expire(kinesalite: str) -> None:
    limits = ReadLimits(iterator_s=1.0)
    with gate_before(kinesalite, limits=limits) as gate, written(kinesalite, gate) as name:
        reader = consumer(gate, name, fetch_records=200)
        read([reader], pause_s=1.2)
        assert reader.counters["expired"] == limits.expired > 0


def test_faults(kinesalite: str) -> None:
    with gate_before(kinesalite) as gate, written(kinesalite, gate, aggregate_bytes=500) as name:
        reader = consumer(gate, name, fetch_records=3, timeout=20)
        for number, fault in enumerate(LOSSLESS):
            gate.faults.add(fault, first=2 + 3 * number, at_bytes=30)
        read([reader])
        assert set(gate.journal.faults) == set(LOSSLESS)
        assert reader.counters["dropped"] == reader.counters["stuck"] == 0


@pytest.mark.parametrize(("aggregate_bytes", "fetch_records"), [(None, 20), (1000, 1)])
def test_killed_readers_go_on(
    kinesalite: str, tmp_path: Path, aggregate_bytes: int | None, fetch_records: int
) -> None:
    """kill -9 at random moments; the next reader begins with the places of the last line that was written."""
    seed = int(os.environ.get("PINPIPE_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    print(f"moments are drawn with seed {seed}")
    draw, path = random.Random(seed), tmp_path / "read.ndjson"
    path.touch()
    with gate_before(kinesalite) as gate, written(kinesalite, gate, aggregate_bytes) as name:
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY.key_id,
            "AWS_SECRET_ACCESS_KEY": KEY.secret,
            "AWS_REGION": "us-east-1",
        }
        script = Path(__file__).with_name("kinesis_reading.py")
        killed_between = 0
        data: list[str] = []
        for _ in range(60):
            process = subprocess.Popen(
                [sys.executable, str(script), name, gate.endpoint, str(path), str(fetch_records)],
                env=environment,
            )
            before = time.monotonic()
            moment = draw.uniform(0.3, 1.6)
            while time.monotonic() - before < moment and process.poll() is None:
                time.sleep(0.02)
            assert process.poll() is None
            process.kill()
            process.wait()
            read_before = len(data)
            data = [text for line in path.read_text().splitlines() for text in json.loads(line)["data"]]
            killed_between += read_before < len(data) < RECORDS
            if len(data) >= RECORDS:
                break
        assert sorted(int(text) for text in data) == list(range(RECORDS))
        assert killed_between >= 3


def test_a_signal_ends_waiting(kinesalite: str) -> None:
    with gate_before(kinesalite) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client) as name, consumer(gate, name) as reader:
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            began = time.monotonic()
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                reader.consume_batch(timeout=30)
            assert time.monotonic() - began < 5
            assert reader.consume_batch(timeout=0.1).num_records == 0
