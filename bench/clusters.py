"""Turns a choice of the benchmark's into a running Kafka cluster: its address, while the block lasts.

Never measured: what a section measures has a core of its own, or says that it has not.
Rules: docs/performance.md, "Kafka" and "Gateway"; tests/integration has the clusters themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration")]

TOPIC, PARTITIONS = "bench", 4
#: Its address while the block lasts, with a folder for what it keeps.
Cluster = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def kfake(*options: str) -> Iterator[str]:
    """kfake with the topic; "-blackhole" throws records away, "-synthetic" makes them up."""
    from faulty_kafka import run_faulty_kafka

    with run_faulty_kafka("-topics", TOPIC, "-partitions", str(PARTITIONS), *options) as cluster:
        yield cluster.brokers


def blackhole(_: Path) -> AbstractContextManager[str]:
    """kfake that throws records away."""
    return kfake("-blackhole")


@contextmanager
def apache_kafka(folder: Path) -> Iterator[str]:
    """A broker with the topic; its data lie under `folder` until the block ends."""
    from kafka_broker import run_kafka
    from pinpipe.kafka import Admin

    with TemporaryDirectory(dir=folder) as data, run_kafka(Path(data)) as broker:
        with Admin(broker.brokers) as admin:
            admin.create_topic(TOPIC, PARTITIONS)
        yield broker.brokers
