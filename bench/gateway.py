"""The benchmark's section on the gateway: CPU of its process a POST, beside a bare handler of the same HTTP library.

Never measures client or cluster: wrk and kfake run on the other core. With more than one core the measured process has
one for itself, its librdkafka threads included.
Rules: DESIGN §5 ("Speed"); reference/gateway-and-sink-costs.md; issue on the gateway, "It must show".
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rows
from sections import Bench

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration")]

SECONDS = 2
#: Records of a request, connections.
LOADS = ((1, 64), (1, 16), (100, 16))
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SCRIPT = """wrk.method = "POST"
wrk.path = "/test/topics/bench"
wrk.headers["Content-Type"] = "application/vnd.kafka.json.v2+json"
wrk.body = [==[{body}]==]
"""


def _cpu_s(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


@contextmanager
def _server(command: list[str], core: set[int]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address; both kinds say on a line where they listen."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        os.sched_setaffinity(process.pid, core)
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"(\d+)\s*$", line)
        assert found, line
        yield process, f"http://127.0.0.1:{found[1]}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


def _load(process: subprocess.Popen[str], url: str, script: Path, connections: int) -> dict[str, float]:
    """One run of wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
    before = _cpu_s(process)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu_s = _cpu_s(process) - before
    found = re.search(r"(\d+) requests in", said)
    assert found and "Non-2xx" not in said, said
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    quantile = {
        name: float(n) * scale[unit] for name, n, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)
    }
    requests = int(found[1])
    return {
        "cpu_us": 1e6 * cpu_s / requests,
        "per_s": requests / SECONDS,
        "p50_ms": quantile["50"],
        "p99_ms": quantile["99"],
    }


def section(bench: Bench) -> dict[str, Any]:
    """µs of CPU a request and a record, requests/s, latency; the ratio to the bare handler of the same round."""
    from faulty_kafka import run_faulty_kafka

    values = rows.write("pin", 200, bench.folder).read_text(encoding="utf-8").splitlines()
    cores = sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))  # what is started from here on: cluster and wrk
    found: dict[str, Any] = {}
    try:
        with run_faulty_kafka("-topics", "bench", "-blackhole") as cluster:
            command = [sys.executable, "-m", "pinpipe", "gateway", "--listen", "127.0.0.1:0"]
            commands = {
                "gateway": [*command, "--brokers", cluster.brokers],
                "bare": [bench.program("gateway_bare")],
            }
            for records, connections in LOADS:
                script = bench.folder / f"gateway-{records}.lua"
                body = json.dumps({"records": [{"value": json.loads(value)} for value in values[:records]]})
                script.write_text(SCRIPT.format(body=body), encoding="utf-8")
                runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
                with (
                    _server(commands["gateway"], {cores[0]}) as gateway,
                    _server(commands["bare"], {cores[0]}) as bare,
                ):
                    for _ in range(bench.runs):
                        runs["gateway"].append(_load(*gateway, script, connections))
                        runs["bare"].append(_load(*bare, script, connections))
                found[f"{records} a request, {connections} connections"] = _print(records, connections, runs)
    finally:
        os.sched_setaffinity(0, before)
    return found


def _print(records: int, connections: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    lines: dict[str, Any] = {
        name: {key: statistics.median(run[key] for run in all_runs) for key in all_runs[0]}
        for name, all_runs in runs.items()
    }
    ratio = statistics.median(
        mine["cpu_us"] / bare["cpu_us"] for mine, bare in zip(runs["gateway"], runs["bare"], strict=True)
    )
    print(
        f"\ngateway, {records} a request, {connections} connections: µs of CPU a request and a record, requests/s, ms"
    )
    for name, line in lines.items():
        print(
            f"  {name:8} {line['cpu_us']:8.2f} {line['cpu_us'] / records:8.2f} {line['per_s']:9.0f}"
            f" p50 {line['p50_ms']:.2f} p99 {line['p99_ms']:.2f}"
        )
    print(f"  ratio {ratio:.2f} x")
    return {**lines, "ratio": ratio}
