"""The benchmark's section on Kafka: batches with a result a record, rows as JSON, reading, beside confluent-kafka.

Never runs both at once. kfake throws away or makes up records, so that the cluster takes little of the two cores: a
real broker takes more CPU a record than any client.
Rules: DESIGN §5 ("Speed"); issue on Kafka, "It must show".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = figures.PEERS / "kafka"
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration")]

VALUE_BYTES = 594
INPUT_ROWS = 20_000
#: What is asked, how many records a run has, the cluster's options, the ways; the first is the ratio's base.
QUESTIONS: dict[str, tuple[int, list[str], list[str]]] = {
    "produce": (
        400_000,
        ["-blackhole"],
        ["pinpipe, Arrow", "pinpipe, list", "confluent produce", "confluent produce_batch"],
    ),
    "rows": (200_000, ["-blackhole"], ["pinpipe", "confluent, json.dumps"]),
    "consume": (1_500_000, ["-synthetic", str(VALUE_BYTES)], ["pinpipe", "confluent consume(1000)"]),
}


def _peers_python() -> str:
    """The interpreter of the peer's environment, made once."""
    return figures.environment(FOLDER, "kafka-requirements.txt")


def _command(who: str, what: str, brokers: str, count: int, path: Path) -> list[str]:
    job = {"who": who, "what": what, "brokers": brokers, "topic": "bench", "count": count, "input": str(path)}
    python = _peers_python() if who.startswith("confluent") else sys.executable
    return [python, str(HERE / "peer_kafka.py"), json.dumps(job)]


def _ask(bench: Bench, what: str, path: Path) -> dict[str, Any]:
    from faulty_kafka import run_faulty_kafka

    count, options, ways = QUESTIONS[what]
    with run_faulty_kafka("-topics", "bench", *options) as cluster:
        commands = {way: _command(way, what, cluster.brokers, count, path) for way in ways}
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
    print(f"\nkafka {what}: ns of CPU a record, thousand records/s, both by {ways[0]}, peak MiB")
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
        return {what: _ask(bench, what, path) for what in QUESTIONS}
    finally:
        os.sched_setaffinity(0, core)
