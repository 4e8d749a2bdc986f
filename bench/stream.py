"""The benchmark's section on the stream: a Kinesis stream into a Delta table, CPU of `pinpipe stream` alone.

Never measures the double behind it, nor the start of the program: a run that finds nothing to read is taken off.
Rules: DESIGN §5 ("Speed"); docs/stream.md; docs/capacity.md, which stands on these figures.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import rows
from pinpipe import _store, kinesis
from sections import Bench

RECORDS = 200_000
SHARDS = 4
MINISTACK = Path(__file__).resolve().parent.parent / "build/ministack"


def _fill(store: _store.Store, name: str, kind: str) -> None:
    options: dict[str, Any] = {"region": store.region, "credentials": store.credentials}
    kinesis.Client(store.endpoint, **options).create_stream(name, SHARDS)
    with kinesis.Producer(name, store.endpoint, **options) as producer:
        for number, line in enumerate(rows.lines(kind, RECORDS)):
            producer.write(line.encode(), str(number))
            if number % 10_000 == 0:
                producer.flush()  # the double is slow


def _cpu_s(store: _store.Store, name: str, table: Path, start: str) -> float:
    """Of one run to the stream's end: the only child process meanwhile."""
    shutil.rmtree(table, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["stream", "--stream", name, "--to", f"delta+file://{table}", "--available-now", "--start", start]
    command = [sys.executable, "-m", "pinpipe", *words]
    environment = os.environ | store.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: {done.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def section(bench: Bench) -> dict[str, Any]:
    """µs of CPU a record, by record type; commits of 10,000 records, to a directory."""
    found: dict[str, Any] = {}
    print(
        f"\nstream to Delta, {RECORDS} records of {SHARDS} shards: µs CPU a record; s of CPU without a record"
    )
    with _store.Store(MINISTACK) as store:
        for kind in rows.TABLES:
            name, table = f"streaming-bench-{kind}", bench.folder / f"stream-{kind}"
            _fill(store, name, kind)
            empty, full = [], []
            for _ in range(min(bench.runs, 3)):
                empty.append(_cpu_s(store, name, table, "latest"))
                full.append(_cpu_s(store, name, table, "earliest"))
            start_s, work_s = statistics.median(empty), statistics.median(full) - statistics.median(empty)
            found[kind] = {"us": work_s / RECORDS * 1e6, "start_s": start_s}
            print(f"  {kind:4} {found[kind]['us']:8.2f} {start_s:8.2f}")
            shutil.rmtree(table, ignore_errors=True)
    return found
