"""The benchmark's section on Kafka: batches with a result a record, rows as JSON, reading, beside confluent-kafka.

Never runs both at once. kfake throws away or makes up records, so that the cluster takes little of the two cores: a
real broker takes more CPU a record than any client. What a client does while it waits only shows before that one.
Rules: DESIGN §5 ("Speed"); issue on Kafka, "It must show".
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import clusters
import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
FOLDER = figures.PEERS / "kafka"

VALUE_BYTES = 594
INPUT_ROWS = 20_000
PRODUCERS = ["pinpipe, Arrow", "pinpipe, list", "confluent produce", "confluent produce_batch"]


def _synthetic(_: Path) -> AbstractContextManager[str]:
    return clusters.kfake("-synthetic", str(VALUE_BYTES))


#: What is asked and of whom, how many records a run has, the ways; the first is the ratio's base.
QUESTIONS: dict[str, tuple[str, clusters.Cluster, int, list[str]]] = {
    "produce": ("produce", clusters.blackhole, 400_000, PRODUCERS),
    "produce, Apache Kafka": ("produce", clusters.apache_kafka, 200_000, PRODUCERS),
    "rows": ("rows", clusters.blackhole, 200_000, ["pinpipe", "confluent, json.dumps"]),
    "consume": ("consume", _synthetic, 1_500_000, ["pinpipe", "confluent consume(1000)"]),
}


def _peers_python() -> str:
    """The interpreter of the peer's environment, made once."""
    return figures.environment(FOLDER, "kafka-requirements.txt")


def _command(who: str, what: str, brokers: str, count: int, path: Path) -> list[str]:
    job = {
        "who": who,
        "what": what,
        "brokers": brokers,
        "topic": clusters.TOPIC,
        "count": count,
        "input": str(path),
    }
    python = _peers_python() if who.startswith("confluent") else sys.executable
    return [python, str(HERE / "peer_kafka.py"), json.dumps(job)]


def _ask(bench: Bench, question: str, path: Path) -> dict[str, Any]:
    what, cluster, count, ways = QUESTIONS[question]
    with cluster(bench.folder) as brokers:
        commands = {way: _command(way, what, brokers, count, path) for way in ways}
        results = figures.interleaved(commands, min(bench.runs, 5))
    found = {
        way: {
            "cpu_ns": 1e9 * figures.median(runs) / figures.median(runs, "count"),
            "thousand_per_s": figures.median(runs, "count") / figures.median(runs, "wall_s") / 1e3,
            "peak_mib": max(run["peak_kib"] for run in runs) / 1024,
        }
        for way, runs in results.items()
    }
    base = found[ways[0]]
    print(f"\nkafka {question}: ns of CPU a record, thousand records/s, both by {ways[0]}, peak MiB")
    for way, line in found.items():
        print(
            f"  {way:26} {line['cpu_ns']:7.0f} {line['thousand_per_s']:7.0f} {line['cpu_ns'] / base['cpu_ns']:6.2f} x"
            f" {base['thousand_per_s'] / line['thousand_per_s']:6.2f} x {line['peak_mib']:7.0f}"
        )
    return found


def section(bench: Bench) -> dict[str, Any]:
    """Writing, rows, reading."""
    path = rows.write("pin", INPUT_ROWS, bench.folder)
    core = os.sched_getaffinity(0)
    os.sched_setaffinity(
        0, range(os.cpu_count() or 1)
    )  # a client has several threads, and the cluster its own
    try:
        return {question: _ask(bench, question, path) for question in QUESTIONS}
    finally:
        os.sched_setaffinity(0, core)
