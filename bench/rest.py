"""The benchmark's section on the REST proxy: posting records beside requests and urllib3, one and a hundred a request.

Never measures the proxy: a server of recorded answers runs on another core, and CPU is that of the client alone.
Rules: DESIGN §5 ("Speed"); issue on Kafka: the road of the reference pipelines, one record a request.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = figures.PEERS / "rest"
RECORDS = 2000
ROUNDS = {1: 1, 100: 10}
PEERS = ("requests", "session", "urllib3")


def system_calls(command: list[str]) -> int:
    """System calls of a run, its start included."""
    tool = ["strace", "-f", "-c", "-S", "calls", "-U", "calls,name", "-o", "/dev/stderr"]
    done = subprocess.run([*tool, *command], capture_output=True, text=True, check=True)
    total = next(line for line in done.stderr.splitlines() if line.endswith(" total"))
    return int(total.split()[0])


def _commands(bench: Bench, endpoint: str, path: Path, batch: int, rounds: int) -> dict[str, list[str]]:
    def peer(who: str) -> list[str]:
        job = {"who": who, "endpoint": endpoint, "file": str(path), "batch": batch, "rounds": rounds}
        python = (
            sys.executable
            if who.startswith("pinpipe")
            else figures.environment(FOLDER, "rest-requirements.txt")
        )
        return [python, str(HERE / "peer_rest.py"), json.dumps(job)]

    commands = {"C": [bench.program("rest"), endpoint, str(path), str(batch), str(rounds)]}
    commands |= {"pinpipe": peer("pinpipe")}
    if batch > 1:
        commands |= {"pinpipe, a table": peer("pinpipe-table")}
    return commands | {who: peer(who) for who in PEERS}


def section(bench: Bench) -> dict[str, Any]:
    """µs of CPU a record; ratios to pinpipe from Python; calls into the system and allocations a record."""
    lines = rows.write("pin", RECORDS, bench.folder).read_text(encoding="utf-8").splitlines()[:RECORDS]
    path = bench.folder / f"rest-{RECORDS}.ndjson"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    found: dict[str, Any] = {}
    for batch, rounds in ROUNDS.items():
        with figures.server([sys.executable, str(HERE / "rest_server.py")]) as endpoint:
            results = figures.interleaved(_commands(bench, endpoint, path, batch, rounds), bench.runs)
            calls: dict[str, float] = {}
            if shutil.which("strace"):
                more, less = (_commands(bench, endpoint, path, batch, count) for count in (2, 1))
                calls = {
                    name: (system_calls(more[name]) - system_calls(less[name])) / RECORDS for name in more
                }
        print(
            f"\n{RECORDS} pins, {batch} a request: µs of CPU a record, by pinpipe from Python, system calls a record"
        )
        base = figures.median(results["pinpipe"]) / results["pinpipe"][0]["records"]
        for name, runs in results.items():
            cpu = figures.median(runs) / runs[0]["records"]
            line = {"cpu_us": 1e6 * cpu, "ratio": cpu / base, "system_calls": calls.get(name)}
            if "allocations" in runs[0]:
                line["allocations"] = runs[0]["allocations"] / runs[0]["records"]
            found[f"{name}, {batch} a request"] = line
            allocated = f" {line['allocations']:.3f} allocations" if "allocations" in line else ""
            print(
                f"  {name:18} {line['cpu_us']:8.2f} {line['ratio']:6.2f} x {calls.get(name, 0):7.2f}{allocated}"
            )
    return found
