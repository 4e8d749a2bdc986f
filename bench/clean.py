"""`make bench`: cleaning by this library beside what a user would take today, in one go on one core.

Never compares unlike work: all do the full cleaning, and a sample's clean rows are hashed first.
Rules: DESIGN §5 ("Speed"); recipes/peers.md, "Method"; docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import figures
import gateway
import kafka
import kinesis
import pinpipe
import rest
import rows
import s3
import sections
import sign
import sink
import spark
import start
import stream
from ask_spark import ask

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_ROWS = 20_000
#: Those whose follower counts may have decimals and commas, which the generated rows have not.
FULL_COUNTS = ("duckdb",)
PEERS = ("duckdb", "polars", "pyarrow", "pandas", "json", "spark")
OURS = {"C, in memory": "memory", "C, file, batches": "batches", "C, file, whole table": "table"}
OURS_PYTHON = {
    "Python, buffer": "pinpipe-buffer",
    "Python, payloads": "pinpipe-payloads",
    "Python, path, whole table": "pinpipe-path",
}


def _same_content(kind: str, bench: sections.Bench) -> str:
    """Every peer's hash of the sample is ours."""
    if kind == "pin":
        full = [name for name in FULL_COUNTS if name in bench.peers]
        _compare(kind, rows.write_counts(bench.folder), full)
    path = rows.write_sample(kind, SAMPLE_ROWS, bench.folder)
    return _compare(kind, path, [name for name in bench.peers if name != "spark"])


def _compare(kind: str, path: Path, peers: Sequence[str]) -> str:
    wanted: str = figures.run(figures.peer("pinpipe-path", kind, path, "--hash"))["hash"]
    for name in peers:
        seen = figures.run(figures.peer(name, kind, path, "--hash"))["hash"]
        if seen != wanted:
            raise SystemExit(f"bench: {kind}: the clean rows of {name} differ: {seen}, not {wanted}")
    return wanted


def _spark_clean(bench: sections.Bench, hashes: dict[str, str]) -> dict[str, Any]:
    """Spark's runs of each record type, and its hashes compared."""
    jobs: list[dict[str, Any]] = []
    for kind in rows.TABLES:
        path = str(rows.write(kind, bench.rows, bench.folder))
        jobs.append({"name": kind, "do": "clean", "kind": kind, "path": path, "runs": max(bench.runs, 2)})
    for kind in rows.TABLES:
        path = str(rows.write_sample(kind, SAMPLE_ROWS, bench.folder))
        jobs.append({"name": f"{kind}-hash", "do": "hash", "kind": kind, "path": path, "runs": 1})
    answer = ask(jobs)
    for kind, wanted in hashes.items():
        seen = answer["jobs"][f"{kind}-hash"][0]["hash"]
        if seen != wanted:
            raise SystemExit(f"bench: {kind}: the clean rows of spark differ: {seen}, not {wanted}")
    return answer


def _one_table(kind: str, bench: sections.Bench, spark: dict[str, Any] | None) -> dict[str, Any]:
    path = rows.write(kind, bench.rows, bench.folder)
    megabytes = path.stat().st_size / 1e6
    with path.open("rb") as stream:
        while stream.read(1 << 20):
            pass
    commands = {name: [bench.program("decode"), kind, str(path), mode] for name, mode in OURS.items()}
    commands.update((name, figures.peer(mode, kind, path)) for name, mode in OURS_PYTHON.items())
    commands.update((name, figures.peer(name, kind, path)) for name in bench.peers if name != "spark")
    results = figures.interleaved(commands, bench.runs)
    for name, runs in results.items():
        if any(run["rows"] != bench.rows for run in runs):
            raise SystemExit(f"bench: {kind}: {name} gave {runs[0]['rows']} rows, not {bench.rows}")
    if spark:
        results["spark"] = spark["jobs"][kind]
    lines = {name: figures.summary(runs, megabytes, bench.rows) for name, runs in results.items()}
    size = f"{bench.rows} rows, {megabytes:.0f} MB, {1e6 * megabytes / bench.rows:.0f} B/row"
    figures.show(f"{kind}: {size}; content equal in all", lines, "duckdb")
    batches = results["C, file, batches"][0]
    print(f"  allocations after warm-up: {batches['warm_allocations']} for {batches['warm_rows']} rows")
    return {"megabytes": megabytes, "lines": lines, "warm_allocations": batches["warm_allocations"]}


def _clean(bench: sections.Bench) -> dict[str, Any]:
    hashes = {kind: _same_content(kind, bench) for kind in rows.TABLES}
    spark = _spark_clean(bench, hashes) if "spark" in bench.peers else None
    return {kind: _one_table(kind, bench, spark) for kind in rows.TABLES} | {"hashes": hashes}


SECTIONS = {
    "clean": _clean,
    **sections.SECTIONS,
    "sign": sign.section,
    "start": start.section,
    "s3": s3.section,
    "rest": rest.section,
    "kafka": kafka.section,
    "gateway": gateway.section,
    "kinesis": kinesis.section,
    "sink": sink.section,
    "stream": stream.section,
    "spark": spark.section,
}


def _machine() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    cpu = next((line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line), "")
    names = ("duckdb", "polars", "pyarrow", "pandas")
    versions = {name: importlib.metadata.version(name) for name in names}
    versions |= {"pinpipe": pinpipe.__version__, "python": platform.python_version()}
    return {"cpu": cpu or platform.processor(), "load": os.getloadavg()[0], "versions": versions}


def main() -> int:
    """Runs the sections asked for; figures are printed, never judged."""
    parser = argparse.ArgumentParser(description="cleaning beside other engines, on one core")
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/decode", help="the C benchmark")
    parser.add_argument("--rows", type=int, default=250_000, help="rows of each table")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--section", action="append", choices=list(SECTIONS), help="default: all; repeatable")
    parser.add_argument("--without", action="append", default=[], choices=PEERS, help="leaves a peer out")
    parser.add_argument("--json", type=Path, help="writes all figures there")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peers = tuple(name for name in PEERS if name not in arguments.without)
    folder = ROOT / "build/bench/data"
    bench = sections.Bench(folder, arguments.program.resolve(), arguments.rows, arguments.runs, peers)
    found: dict[str, Any] = {"machine": _machine()}
    versions = ", ".join(f"{name} {version}" for name, version in found["machine"]["versions"].items())
    print(f"{found['machine']['cpu']}, one core, load {found['machine']['load']:.1f}; {versions}")
    print(f"medians of {bench.runs} runs, interleaved; MB = 1e6 bytes; files in the page cache")
    for name in arguments.section or SECTIONS:
        found[name] = SECTIONS[name](bench)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
