"""`make bench`: decode and clean by this library beside DuckDB in one run, CPU seconds and counts side by side.

Never compares unlike work: both read the same file on one pinned core, and a sample's content is compared first.
Rules: DESIGN §5 ("Speed"); recipes/peers.md, "Method".
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import peer_duckdb
import pinpipe
import pyarrow as pa
import rows

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
SAMPLE_ROWS = 20_000
TARGET = 1.5


def _same_content(kind: str, folder: Path) -> int:
    """Compares both cleaners on a sample, cell by cell; the number of cells."""
    path = rows.write(kind, SAMPLE_ROWS, folder)
    ours = pa.table(pinpipe.clean(kind, path)).sort_by("ind")
    theirs = peer_duckdb.clean(peer_duckdb.connect(), kind, str(path)).sort_by("ind")
    if ours.column_names != theirs.column_names:
        raise SystemExit(f"{kind}: columns differ: {ours.column_names}, {theirs.column_names}")
    for name in ours.column_names:
        if ours[name].to_pylist() != theirs[name].to_pylist():
            raise SystemExit(f"{kind}: column {name} differs")
    return ours.num_rows * ours.num_columns


def _once(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _median_cpu(runs: list[dict[str, Any]]) -> float:
    return float(statistics.median(run["cpu_s"] for run in runs))


def _table(results: dict[str, list[dict[str, Any]]], megabytes: float, count: int) -> None:
    peer = _median_cpu(results["duckdb, Arrow table"])
    for name, runs in results.items():
        cpu = _median_cpu(runs)
        print(
            f"  {name:22} {cpu:8.3f} s CPU {megabytes / cpu:8.0f} MB/s {1e9 * cpu / count:8.0f} ns/row"
            f" {peer / cpu:6.2f} x DuckDB   first {runs[0]['cpu_s']:.3f} s"
        )


def _compare(kind: str, count: int, runs: int, program: Path, folder: Path) -> dict[str, float]:
    cells = _same_content(kind, folder)
    path = rows.write(kind, count, folder)
    megabytes = path.stat().st_size / 1e6
    with path.open("rb") as stream:
        while stream.read(1 << 20):
            pass
    commands = {
        "pinpipe, batches": [str(program), kind, str(path), "batches"],
        "pinpipe, whole table": [str(program), kind, str(path), "table"],
        "duckdb, Arrow table": [sys.executable, str(HERE / "peer_duckdb.py"), kind, str(path)],
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            run = _once(command)
            if run["rows"] != count:
                raise SystemExit(f"{kind}: {name} gave {run['rows']} rows, not {count}")
            results[name].append(run)
    print(
        f"{kind}: {count} rows, {megabytes:.0f} MB, {1e6 * megabytes / count:.0f} B/row; {cells} cells equal"
    )
    _table(results, megabytes, count)
    batches = results["pinpipe, batches"][0]
    print(
        f"  allocations after warm-up: {batches['warm_allocations']} for {batches['warm_rows']} rows"
        f" (all: {batches['allocations']})"
    )
    return {
        name: _median_cpu(results["duckdb, Arrow table"]) / _median_cpu(runs)
        for name, runs in results.items()
    }


def main() -> int:
    """Runs the comparison; the ratios are printed, never judged by a test."""
    parser = argparse.ArgumentParser(description="decode + clean beside DuckDB")
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/decode", help="the C benchmark")
    parser.add_argument(
        "--rows", type=int, default=250_000, help="pins; of the shorter records four times as many"
    )
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    folder = ROOT / "build/bench/data"
    print(f"pinpipe {pinpipe.__version__}, duckdb {duckdb.__version__}, pyarrow {pa.__version__}; one core")
    print(f"medians of {arguments.runs} runs, interleaved; MB = 1e6 bytes of input; file in the page cache")
    for kind in rows.TABLES:
        count = arguments.rows * (1 if kind == "pin" else 4)
        ratios = _compare(kind, count, arguments.runs, arguments.program.resolve(), folder)
        if kind == "pin":
            shown = ", ".join(f"{name} {ratios[name]:.2f}" for name in ratios if name.startswith("pinpipe"))
            print(f"  pin, MB per CPU-second as a multiple of DuckDB's: {shown} (aim: {TARGET})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
