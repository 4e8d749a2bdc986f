"""Turns the units of deploy/systemd into running processes: each does its work and ends by SIGTERM in its time.

Never trusts that a hardened unit still works: its filter of system calls is in force while records pass.
Rules: docs/deployment.md, "One machine"; systemd.exec(5).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pinpipe import _store, kafka, kinesis
from servers import free_port
from units import (
    FOLDER,
    PROGRAM,
    ROOT,
    analysed,
    confined,
    ended,
    read_unit,
    started,
    wait_until,
)

UNITS = sorted(FOLDER.glob("*.service"))
PATIENCE_S = 60.0
EXPOSURE_MOST = "15"  # of 100, in tenths of what systemd prints: 1.5, "OK"
GEO = b'{"ind": %d, "country": "Albania", "latitude": 1.5, "longitude": 2.5, "timestamp": "2018-01-01T00:00:00"}'


def settings(folder: Path, name: str, **changed: str) -> Path:
    """The environment file of the docs with some of its values changed."""
    text = (FOLDER / f"{name}.env").read_text()
    for variable, value in changed.items():
        text, count = re.subn(rf"(?m)^{variable}=.*$", lambda _, v=value, n=variable: f"{n}='{v}'", text)
        assert count == 1, variable
    file = folder / f"{name}.env"
    file.write_text(text)
    return file


def by_name(address: str) -> str:
    """With a name that has to be looked up, under the filter."""
    return address.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as cluster:
        cluster.create_topic("demo.geo")
        cluster.create_topic("other.geo")
        yield cluster


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_nothing_wrong(path: Path, tmp_path: Path) -> None:
    verified = analysed("verify", path, tmp_path)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    judged = analysed("security", path, tmp_path, "--offline=yes", f"--threshold={EXPOSURE_MOST}")
    print(judged.stdout.strip().splitlines()[-1])
    assert judged.returncode == 0, judged.stdout


def test_what_is_wrong_with_a_unit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "bad.service"
    path.write_text("[Service]\nExecStart=/nowhere/pinpipe\nTimeoutStopSec=soon\n")
    verified = analysed("verify", path, tmp_path)
    assert verified.returncode != 0 and "soon" in verified.stderr and "/nowhere" in verified.stderr
    judged = analysed("security", path, tmp_path, "--offline=yes", f"--threshold={EXPOSURE_MOST}")
    assert judged.returncode != 0


@pytest.mark.parametrize(
    "forbidden",
    [
        "os.chroot('/')",
        "mmap.mmap(-1, 4096, prot=7)",
        "os.sched_setaffinity(0, [0])",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    ],
)
def test_the_filter_is_in_force(forbidden: str, tmp_path: Path) -> None:
    program = (sys.executable, "-c", f"import mmap, os, socket\n{forbidden}")
    command = confined(read_unit(UNITS[0]), tmp_path / "calls", *program)
    assert "PermissionError" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_installing_keeps_the_settings(tmp_path: Path) -> None:
    root, python = tmp_path / "root", tmp_path / "python"
    python.write_text(f"""#!/bin/sh
if [ "$1" = -m ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/pip"; fi
echo "$@" >>{tmp_path}/log
""")
    python.chmod(0o755)
    settings = root / "etc/pinpipe"
    settings.mkdir(parents=True)
    (settings / "gateway.env").write_text("mine")
    command = ["sh", str(FOLDER / "install.sh"), "pinpipe-0.1.0.whl"]
    subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"ROOT": str(root), "PYTHON": str(python)}, check=True
    )
    venv, pip = (tmp_path / "log").read_text().splitlines()
    assert f"{venv.removeprefix('-m venv ')}/bin/pinpipe" == f"{root}{PROGRAM}"
    assert pip == "install --quiet pinpipe-0.1.0.whl[delta]"
    assert "delta" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    placed = {path.name for path in (root / "etc/systemd").rglob("*") if path.is_file()}
    assert placed == {"common.conf", *(path.name for path in UNITS)}
    assert sorted(path.name for path in settings.iterdir()) == [
        "gateway.env",
        "sink-demo.env",
        "stream-demo.env",
    ]
    assert (settings / "sink-demo.env").stat().st_mode & 0o777 == 0o600
    assert (settings / "gateway.env").read_text() == "mine"


def test_gateway(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    unit, port = read_unit(FOLDER / "pinpipe-gateway.service"), free_port()
    file = settings(tmp_path, "gateway", PINPIPE_LISTEN=f"127.0.0.1:{port}", PINPIPE_BROKERS=cluster.brokers)
    with started(unit, file, {}) as process:
        assert process.stderr and "listens on" in process.stderr.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        body = json.dumps({"records": [{"value": {"ind": 1}}]})
        headers = {"Content-Type": "application/vnd.kafka.json.v2+json"}
        connection.request("POST", "/prod/topics/other.geo", body, headers)
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["offsets"][0]["error_code"] is None
        assert re.search(r"stored\s+1\b", ended(process, unit))


def test_sink(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    unit, out = read_unit(FOLDER / "pinpipe-sink@.service"), tmp_path / "objects"
    with kafka.Producer(cluster.brokers) as producer:
        for number in range(500):
            producer.write("demo.geo", GEO % number)
    out.mkdir()
    options = {"PINPIPE_OPTIONS": "--flush-records 200 --format json"}
    file = settings(tmp_path, "sink", PINPIPE_BROKERS=cluster.brokers, PINPIPE_TO=f"file://{out}", **options)
    with started(unit, file, {}) as process:
        wait_until(lambda: len(list(out.rglob("*.json"))) >= 2, process)
        told = json.loads(ended(process, unit))
    counted = {row["name"]: row["value"] for row in told}
    lines = [line for path in sorted(out.rglob("*.json")) for line in path.read_bytes().splitlines()]
    assert len(lines) == counted["records_read"] == counted["demo.geo/0"] >= 400
    assert lines == [GEO % number for number in range(len(lines))]


def test_stream(kinesis_ministack: _store.Store, tmp_path: Path) -> None:
    store, name, table = kinesis_ministack, f"streaming-unit{free_port()}-geo", tmp_path / "table"
    client = kinesis.Client(store.endpoint, region=store.region, credentials=store.credentials)
    client.create_stream(name, 1)
    _put(store, name, range(200))
    unit = read_unit(FOLDER / "pinpipe-stream@.service")
    options = {"PINPIPE_OPTIONS": "--commit-interval 0.5"}
    file = settings(tmp_path, "stream", PINPIPE_STREAM=name, PINPIPE_TO=f"delta+file://{table}", **options)
    with started(
        unit, file, {name: by_name(value) for name, value in store.environment().items()}
    ) as process:
        wait_until(lambda: DeltaTable.is_deltatable(str(table)) and _rows(table) >= 200, process)
        ended(process, unit)
    client.delete_stream(name)
    assert _rows(table) == 200


def _put(store: _store.Store, stream: str, numbers: range) -> None:
    with kinesis.Producer(
        stream, store.endpoint, region=store.region, credentials=store.credentials
    ) as producer:
        for number in numbers:
            producer.write(GEO % number, str(number))


def _rows(table: Path) -> int:
    return int(DeltaTable(str(table)).to_pyarrow_table().num_rows)
