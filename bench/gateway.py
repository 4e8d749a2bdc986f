"""The benchmark's section on the gateway: CPU of its process a POST, beside a bare handler of its library, and Flask.

Never measures client or cluster: wrk and the brokers, kfake's and then Apache Kafka's, run on the other core. With more
than one core the measured process has one for itself, its librdkafka threads included.
Rules: DESIGN §5 ("Speed"); reference/gateway-and-sink-costs.md; issue on the gateway, "It must show".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import clusters
import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent

SECONDS = 2
START_S = 30.0
#: Records of a request, connections.
LOADS = ((1, 64), (1, 16), (100, 16))
#: Has two cores; on a machine of two it shares the second with client and cluster.
TWO = "2 workers"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SCRIPT = """wrk.method = "POST"
wrk.path = "/test/topics/{topic}"
wrk.headers["Content-Type"] = "application/vnd.kafka.json.v2+json"
wrk.body = [==[{body}]==]
"""


def _cpu_s(pid: int) -> float:
    """Of a process and its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return (int(fields[11]) + int(fields[12])) * TICK_S + sum(_cpu_s(int(child)) for child in children)


def _wait_until_served(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"bench: nothing serves on port {port}")


@contextmanager
def _server(command: list[str], core: set[int]) -> Iterator[tuple[int, str]]:
    """The process's number and its address; every kind says on a line where it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        os.sched_setaffinity(process.pid, core)
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"(\d+)\s*$", line)
        assert found, line
        _wait_until_served(int(found[1]))
        yield process.pid, f"http://127.0.0.1:{found[1]}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


def _load(pid: int, url: str, script: Path, connections: int) -> dict[str, float]:
    """One run of wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
    before = _cpu_s(pid)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu_s = _cpu_s(pid) - before
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


def _commands(bench: Bench, brokers: str) -> dict[str, list[str]]:
    from servers import free_port

    python = figures.environment(figures.PEERS / "gateway", "gateway-requirements.txt")
    peer = str(HERE / "peer_gateway.py")
    ours = [sys.executable, "-m", "pinpipe", "gateway", "--listen", "127.0.0.1:0", "--brokers", brokers]
    return {
        "gateway": ours,
        TWO: [*ours, "--workers", "2"],
        "bare": [bench.program("gateway_bare")],
        "gunicorn": [python, peer, "gunicorn", str(free_port()), brokers],
        "flask": [python, peer, "flask", str(free_port()), brokers],
    }


def _rounds(bench: Bench, brokers: str, core: set[int], script: Path, connections: int) -> dict[str, Any]:
    """Every server `runs` times, in rounds; all of them are up, and those that are not asked are idle."""
    commands = _commands(bench, brokers)
    two = core | set(sorted(os.sched_getaffinity(0) - core)[:1])
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    with ExitStack() as up:
        servers = {
            name: up.enter_context(_server(command, two if name == TWO else core))
            for name, command in commands.items()
        }
        for number in range(1 + bench.runs):  # the first one warms the broker, and is forgotten
            for name, server in servers.items():
                load = _load(*server, script, connections)
                if number:
                    runs[name].append(load)
    found: dict[str, Any] = {
        name: {key: statistics.median(run[key] for run in every) for key in every[0]}
        for name, every in runs.items()
    }
    for name, every in runs.items():
        found[name]["ratio"] = statistics.median(
            run["cpu_us"] / ours["cpu_us"] for run, ours in zip(every, runs["gateway"], strict=True)
        )
    return found


CLUSTERS: dict[str, clusters.Cluster] = {"kfake": clusters.blackhole, "Apache Kafka": clusters.apache_kafka}


def _show(title: str, lines: dict[str, Any], records: int) -> None:
    print(f"\ngateway, {title}: µs of CPU a request, a record, requests/s, ms, CPU by the gateway's")
    for name, line in lines.items():
        print(
            f"  {name:9} {line['cpu_us']:9.2f} {line['cpu_us'] / records:8.2f} {line['per_s']:8.0f}"
            f" p50 {line['p50_ms']:7.2f} p99 {line['p99_ms']:7.2f} {line['ratio']:7.2f} x"
        )


def section(bench: Bench) -> dict[str, Any]:
    """µs of CPU a request and a record, requests/s, latency; what each costs by the gateway of the same round."""
    values = rows.write("pin", 200, bench.folder).read_text(encoding="utf-8").splitlines()
    before = os.sched_getaffinity(0)
    cores = sorted(range(os.cpu_count() or 1))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))  # what is started from here on: cluster and wrk
    found: dict[str, Any] = {}
    try:
        for (cluster, start), (records, connections) in product(CLUSTERS.items(), LOADS):
            script = bench.folder / f"gateway-{records}.lua"
            body = json.dumps({"records": [{"value": json.loads(value)} for value in values[:records]]})
            script.write_text(SCRIPT.format(topic=clusters.TOPIC, body=body), encoding="utf-8")
            title = f"{cluster}, {records} a request, {connections} connections"
            with start(bench.folder) as brokers:
                found[title] = _rounds(bench, brokers, {cores[0]}, script, connections)
            _show(title, found[title], records)
    finally:
        os.sched_setaffinity(0, before)
    return found
