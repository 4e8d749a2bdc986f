"""The benchmark's section on Kinesis over TLS: PutRecords beside boto3, aggregates, PUTs by a gateway; and reads.

Never measures the service: a C program that says yes runs on another core, and CPU is that of the client alone.
Rules: DESIGN §5 ("Speed"); issue on Kinesis; reference/kinesis-s3.md §6.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import figures
import kinesis_reads
from rest import system_calls
from sections import Bench

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = figures.PEERS / "kinesis"
sys.path[:0] = [str(ROOT)]

BATCH, BYTES = 500, 600
SHARDS = 64
PACKED = 84  # records of 600 bytes in the Kinesis Producer Library's 51,200


@contextmanager
def _server(bench: Bench, shards: int) -> Iterator[tuple[str, str]]:
    """Endpoint and certificate of a server."""
    from tests.doubles.certificate import make_certificate

    bench.folder.mkdir(parents=True, exist_ok=True)
    certificate = make_certificate(bench.folder)
    command = [bench.program("kinesis_server"), str(certificate.file), str(certificate.key_file), str(shards)]
    with figures.server(command) as endpoint:
        yield endpoint, str(certificate.file)


def _peer(who: str, told: dict[str, Any]) -> list[str]:
    own = who.startswith("pinpipe")
    python = sys.executable if own else figures.environment(FOLDER, "kinesis-requirements.txt")
    return [python, str(HERE / "peer_kinesis.py"), json.dumps({"who": who, **told})]


def _show(title: str, commands: dict[str, list[str]], base: str, per: int, bench: Bench) -> dict[str, Any]:
    """A table: CPU of `per` records, ratio to `base`, allocations and requests of the programs that count them."""
    results = figures.interleaved(commands, bench.runs)
    found: dict[str, Any] = {}
    print(f"\n{title}")
    cost = {name: figures.median(runs) / runs[0]["records"] * per for name, runs in results.items()}
    for name, runs in results.items():
        line = {"cpu_us": 1e6 * cost[name], "ratio": cost[base] / cost[name]}
        line["records_s"] = per / cost[name]
        told = f"  {name:22} {line['cpu_us']:9.1f} {line['ratio']:6.2f} x {line['records_s']:10.0f} records/s"
        for key in ("allocations", "requests"):
            if key in runs[0]:
                line[key] = runs[0][key] / runs[0]["records"] * per
                told += f" {line[key]:6.2f} {key}"
        found[name] = line
        print(told)
    return found


def section(bench: Bench) -> dict[str, Any]:
    """µs of CPU, ratios, allocations, requests, calls into the system."""
    os.environ.update(
        {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench/secret", "AWS_REGION": "us-east-1"}
    )
    program, found = bench.program("kinesis"), {}
    with _server(bench, 0) as (endpoint, ca_file):

        def c(way: str, records: int, rounds: int) -> list[str]:
            return [program, endpoint, ca_file, way, str(records), str(BYTES), str(rounds)]

        told = {"endpoint": endpoint, "ca_file": ca_file, "bytes": BYTES}
        batches = {"records": BATCH, "rounds": 200}
        commands = {"C, JSON": c("json", BATCH, 400), "C, CBOR": c("cbor", BATCH, 400)}
        ways = ("pinpipe", "pinpipe, lists", "pinpipe, Arrow", "boto3")
        commands |= {who: _peer(who, told | batches) for who in ways}
        title = f"PutRecords, {BATCH} x {BYTES} B over TLS: µs of CPU a request, boto3's by it"
        found["batch"] = _show(title, commands, "boto3", BATCH, bench)
        singles = {"records": 500, "rounds": 2}
        commands = {"C": c("record", 500, 4)}
        commands |= {who: _peer(who, told | singles) for who in ("pinpipe-put", "session", "requests")}
        title = (
            f"one PUT a record by a gateway, {BYTES} B over TLS: µs of CPU a record, requests.Session's by it"
        )
        found["put"] = _show(title, commands, "session", 1, bench)
        if shutil.which("strace"):
            more, less = (system_calls(c("json", BATCH, count)) for count in (11, 1))
            one, none = (system_calls(c("record", 100, count)) for count in (2, 1))
            counted = {"batch": (more - less) / 10, "put": (one - none) / 100}
            print(f"  system calls: {counted['batch']:.1f} a PutRecords, {counted['put']:.1f} a PUT")
            found["system_calls"] = counted
    with _server(bench, SHARDS) as (endpoint, ca_file):
        commands = {
            "C, in memory": [program, "-", "-", "pack", str(PACKED), str(BYTES), "5000"],
            "C, 300 B, in memory": [program, "-", "-", "pack", str(PACKED), "300", "5000"],
            "C, 100 B, in memory": [program, "-", "-", "pack", str(PACKED), "100", "5000"],
            "C, over TLS": [program, endpoint, ca_file, "aggregate", "50000", str(BYTES), "4"],
            "C, 100 B, over TLS": [program, endpoint, ca_file, "aggregate", "200000", "100", "4"],
        }
        title = f"aggregates, {BYTES} B a record, {SHARDS} shards: µs of CPU a record"
        found["aggregate"] = _show(title, commands, "C, in memory", 1, bench)
    found["reads"] = kinesis_reads.section(bench)
    return found
