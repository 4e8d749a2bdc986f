"""Turns a group whose members come and go into a reader that reads a backlog all the while, record by record.

Never reads in the test's own process: what it looks for ended the reader's with SIGSEGV, or told it records twice.
Rules: docs/kafka.md, "Consumer"; librdkafka CHANGELOG.md 2.1.0, "Consume Batch API".
"""

from __future__ import annotations

import subprocess
import sys
import time

from faulty_kafka import run_faulty_kafka
from pinpipe import kafka

RECORDS, PARTITIONS, MOVES = 1_000_000, 4, 20
SETTINGS = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 100}
PATIENCE_S = 300
#: Every move begins the topic anew; in between each offset follows the one before.
READER = """
import sys
from pinpipe import kafka
brokers, moves = sys.argv[1], int(sys.argv[2])
settings = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 100}
following, generation, read = {}, 0, 0
with kafka.Consumer(brokers, "busy", "busy.pin", settings=settings) as consumer:
    while moves:
        records = consumer.consume_batch()
        read += len(records)
        if consumer.generation != generation:
            generation, following, moves = consumer.generation, {}, moves - 1
            continue  # what was read before the move, or behind it
        for partition in set(records.partitions):
            offsets = [at for of, at in zip(records.partitions, records.offsets) if of == partition]
            first = following.get(partition, offsets[0])
            assert offsets == list(range(first, first + len(offsets))), (partition, first, offsets[:3], offsets[-3:])
            following[partition] = offsets[-1] + 1
print(read)
"""


def test_a_busy_reader_survives_moves() -> None:
    with run_faulty_kafka() as cluster:
        with kafka.Admin(cluster.brokers) as admin:
            admin.create_topic("busy.pin", PARTITIONS)
        with kafka.Producer(cluster.brokers) as producer:
            for _ in range(10):
                values = [b"x" * 20] * (RECORDS // 10)
                partitions = [number % PARTITIONS for number in range(len(values))]
                producer.produce_batch("busy.pin", values, partitions=partitions).wait(60)
        # Without a commit librdkafka asks for the beginning, and a move may let it go there half a second late.
        with kafka.Consumer(cluster.brokers, "busy", "busy.pin", settings=SETTINGS) as first:
            while not first.generation:
                first.poll(0.1)
            first.commit({("busy.pin", partition): 0 for partition in range(PARTITIONS)})
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, cluster.brokers, str(MOVES)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + PATIENCE_S
        try:
            while reader.poll() is None and time.monotonic() < deadline:
                with kafka.Consumer(cluster.brokers, "busy", "busy.pin", settings=SETTINGS) as other:
                    other.poll(1.0)
        finally:
            reader.kill()
        out, err = reader.communicate(timeout=30)
        assert reader.returncode == 0, (reader.returncode, err)
        assert int(out) > 0
