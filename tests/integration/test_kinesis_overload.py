"""Turns producers that are offered twice what a shard takes into what arrived, what was wasted, memory and CPU.

Never counts by a producer's own word alone: the stream is read back, and the gate counts what it refused.
Rules: reference/kinesis-s3.md §1.4, P3; docs/kinesis.md, "Pacing".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from gates import KEY
from pinpipe import kinesis
from test_kinesis_client import read_all
from test_kinesis_producer import CREDENTIALS, throttled

from tests.doubles.gate import Gate

PROGRAM = Path(__file__).parent / "kinesis_overload.py"
RECORDS_S = 1000.0
SECONDS = 60.0
MEMORY_SLACK_KIB = 2048


def overload(gate: Gate, name: str, seconds: float, producers: int, ordering: str) -> list[dict[str, Any]]:
    """Runs so many producers side by side; together they are offered twice what the shard takes."""
    job = {
        "endpoint": gate.endpoint,
        "stream": name,
        "key": KEY.key_id,
        "secret": KEY.secret,
        "seconds": seconds,
    }
    job |= {"rate": 2 * RECORDS_S / producers, "bytes": 100, "ordering": ordering}
    processes = []
    for number in range(producers):
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert process.stdin
        process.stdin.write(json.dumps(job | {"name": f"p{number}"}) + "\n")
        process.stdin.flush()
        processes.append(process)
    told = []
    for process in processes:
        out, err = process.communicate(timeout=seconds + 120)
        assert process.returncode == 0, err
        told.append(json.loads(out))
    return told


def in_order(texts: list[bytes]) -> bool:
    """Whether the first arrivals of each producer's keys are in the order of writing."""
    latest: dict[tuple[bytes, int], int] = defaultdict(lambda: -1)
    seen = set()
    for text in texts:
        producer, number = text.partition(b"-")[0], int(text.partition(b"-")[2][:8])
        key = (producer, number % 256)
        if (producer, number) in seen:
            continue
        seen.add((producer, number))
        if number < latest[key]:
            return False
        latest[key] = number
    return True


@pytest.mark.soak
@pytest.mark.parametrize(("producers", "ordering"), [(1, "none"), (1, "key"), (2, "none"), (2, "key")])
def test_twice_what_the_shard_takes(
    kinesalite: str, producers: int, ordering: str, soak_share: float
) -> None:
    seconds = SECONDS * soak_share
    with throttled(kinesalite, 1, burst_s=0.5) as (gate, name):
        told = overload(gate, name, seconds, producers, ordering)
        limits = gate.house.limits
        assert limits is not None
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        texts = [record.data for record in read_all(client, name)]
    rate = sum(run["during"]["delivered"] / run["seconds"] for run in told)
    wasted = limits.refused / sum(run["after"]["sent"] for run in told)
    cpu = max(run["cpu_s"] / run["seconds"] for run in told)
    grown = max(run["peaks_kib"][-1] - run["peaks_kib"][0] for run in told)
    refused = sum(run["refused"] for run in told)
    backlog = sum(run["taken"] - run["during"]["delivered"] for run in told)
    print(
        f"\n{producers} producers, {ordering}: {rate:.0f} of {RECORDS_S:.0f} records/s, {100 * wasted:.1f} % wasted, "
        f"{100 * cpu:.1f} % CPU each, {grown} KiB more, {refused} had no room, {backlog} waited"
    )
    assert refused + backlog >= 0.5 * RECORDS_S * seconds  # it was an overload
    assert rate >= 0.95 * RECORDS_S
    assert wasted < 0.05
    assert cpu < 0.05
    assert grown <= MEMORY_SLACK_KIB
    assert all(run["after"]["failed"] == 0 and run["after"]["delivered"] == run["taken"] for run in told)
    expected = {b"p%d-%08d" % (number, at) for number, run in enumerate(told) for at in range(run["taken"])}
    assert Counter(text[: len(text) - 100] for text in texts) == Counter(expected)
    assert ordering == "none" or in_order(texts)
