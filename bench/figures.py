"""Runs commands and turns their figures into lines of a table and of the JSON file.

Never judges: a median, a first run and a ratio are printed, and nothing fails because of them.
Rules: recipes/peers.md, "Method"; the median counts, the first run is told apart.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: What peers need, kept between runs, a folder each; not beside our programs, which have the sections' names.
PEERS = HERE.parent / "build/peers"
Runs = list[dict[str, Any]]


def run(command: list[str]) -> dict[str, Any]:
    """One process, one thread in every engine; its line of JSON."""
    threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command[:4])}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def peer(name: str, kind: str, path: Path | str, *options: str) -> list[str]:
    """The command of one run of a peer."""
    return [sys.executable, str(HERE / "peer.py"), name, kind, str(path), *options]


def environment(folder: Path, requirements: str) -> str:
    """The interpreter of the peers' environment in `folder`, made once from a file beside this one."""
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        wanted = ["-r", str(HERE / requirements)]
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
        subprocess.run(command, check=True)
        (folder / "ready").touch()
    return str(python)


@contextmanager
def server(command: list[str]) -> Iterator[str]:
    """The endpoint that a server prints: a process of its own, on every core but the measured one, until the end."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        os.sched_setaffinity(process.pid, others or os.sched_getaffinity(0))
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n", timeout=10)


def interleaved(commands: dict[str, list[str]], runs: int) -> dict[str, Runs]:
    """Every command `runs` times, in rounds, so that the load of other work meets all of them."""
    results: dict[str, Runs] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            results[name].append(run(command))
    return results


def median(runs: Runs, key: str = "cpu_s") -> float:
    """The median of one figure."""
    return float(statistics.median(run[key] for run in runs))


def summary(runs: Runs, megabytes: float, count: int) -> dict[str, Any]:
    """The figures of one line."""
    cpu = median(runs)
    return {
        "cpu_s": cpu,
        "first_cpu_s": runs[0]["cpu_s"],
        "mb_per_s": megabytes / cpu,
        "ns_per_row": 1e9 * cpu / count,
        "peak_mib": max(run["peak_kib"] for run in runs) / 1024,
        "faults": int(median(runs, "faults")),
        "runs": len(runs),
    }


def show(title: str, results: dict[str, dict[str, Any]], base: str) -> None:
    """A table; ratios are CPU of `base` by CPU of the line."""
    print(f"\n{title}")
    print(
        f"  {'':26} {'CPU s':>8} {'first':>8} {'MB/s':>7} {'ns/row':>7} {'peak MiB':>8} {'faults':>8} {'x ' + base:>9}"
    )
    for name, line in results.items():
        line["ratio"] = results[base]["cpu_s"] / line["cpu_s"] if base in results else 0.0
        print(
            f"  {name:26} {line['cpu_s']:8.3f} {line['first_cpu_s']:8.3f} {line['mb_per_s']:7.0f}"
            f" {line['ns_per_row']:7.0f} {line['peak_mib']:8.0f} {line['faults']:8} {line['ratio']:9.2f}"
        )
