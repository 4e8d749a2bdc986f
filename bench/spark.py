"""The benchmark's section on Spark: cleaning in the executors beside plain PySpark, on two cores, all CPU counted.

Never compares unlike work: the clean rows of a sample are hashed first, in Spark and here.
Rules: DESIGN §5 ("Speed"); docs/performance.md, "Spark".
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any

import ask_spark
import figures
import pinpipe
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
FOLDER = figures.PEERS / "spark"
SAMPLE_ROWS = 20_000


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    """Runs the peer with both cores, and this package in its path and nothing else of this environment."""
    packages = FOLDER / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    link = packages / "pinpipe"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(pinpipe.__file__).parent, target_is_directory=True)
    asked, answered = FOLDER / "notebook-request.json", FOLDER / "notebook-answer.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [str(ask_spark.python()), str(HERE / "peer_spark_notebook.py"), str(asked), str(answered)],
        capture_output=True,
        text=True,
        check=False,
        timeout=ask_spark.START_TIMEOUT_S,
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": str(packages)},
        preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: Spark failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    return found


def section(bench: Bench) -> dict[str, Any]:
    """CPU of cleaning each table, by turns; the first round pays for compilers and workers and is left out."""
    found = _ask(
        {
            "paths": {kind: str(rows.write(kind, bench.rows, bench.folder)) for kind in rows.TABLES},
            "sample": {kind: str(rows.write_sample(kind, SAMPLE_ROWS, bench.folder)) for kind in rows.TABLES},
            "runs": bench.runs,
            "warehouse": str(FOLDER / "warehouse"),
        }
    )
    for kind, hashes in found["hashes"].items():
        path = rows.write_sample(kind, SAMPLE_ROWS, bench.folder)
        wanted = figures.run(figures.peer("pinpipe-path", kind, path, "--hash"))["hash"]
        for name, seen in hashes.items():
            if seen != wanted:
                raise SystemExit(f"bench: {kind}: the clean rows of '{name}' differ")
    for kind, runs in found["cpu_s"].items():
        middle = {name: statistics.median(each[1:]) for name, each in runs.items()}
        base = middle["pinpipe.spark.clean, files"]
        print(
            f"\nSpark {found['version']}, local[2], {bench.rows} rows of {kind}: CPU s of driver, Java and workers"
        )
        for name, cpu in middle.items():
            print(f"  {name:36} {cpu:8.2f} (first {runs[name][0]:6.2f}) {cpu / base:6.2f} x")
    return found
