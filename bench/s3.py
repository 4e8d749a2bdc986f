"""The benchmark's section on an object store: many small objects and large ones, beside what Python programs take.

Never compares unlike bytes: what every peer has read of the small objects is hashed.
Rules: DESIGN §5 ("Speed"); issue on S3: 20,000 one-record objects over http, 64 MiB objects over TLS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = figures.PEERS / "s3"
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration")]

SMALL = 20_000
LARGE_BYTES = 64 << 20
LARGE_ROUNDS = 4
PEERS = ("boto3", "s3fs", "pyarrow")
BUCKET = "bench"
PREFIX = "topics/bench.pin/"


def _command(who: str, what: str, store: Any, ca_file: str | None, rounds: int = 1) -> list[str]:
    job = {
        "who": who,
        "what": what,
        "endpoint": store.endpoint,
        "key": store.key,
        "secret": store.secret,
        "ca_file": ca_file,
        "bucket": BUCKET,
        "prefix": PREFIX,
        "rounds": rounds,
        "size": LARGE_BYTES,
    }
    python = sys.executable if who == "pinpipe" else figures.environment(FOLDER, "s3-requirements.txt")
    return [python, str(HERE / "peer_s3.py"), json.dumps(job)]


def _client(store: Any, certificate: Any = None) -> Any:
    import pinpipe

    credentials = pinpipe.Credentials.static(store.key, store.secret)
    return pinpipe.s3.Client(
        store.endpoint, credentials=credentials, ca_file=certificate.file if certificate else None
    )


def _fill(store: Any, bench: Bench) -> int:
    """One record an object, in the course's layout."""
    client = _client(store)
    client.create_bucket(BUCKET)
    lines = rows.write("pin", SMALL, bench.folder).read_bytes().splitlines(keepends=True)[:SMALL]
    for number, line in enumerate(lines):
        client.put(BUCKET, f"{PREFIX}partition=0/bench.pin+0+{number:010d}.json", line)
    return len(lines)


def _leave_core(store: Any) -> None:
    """The store does not share the one core of the measured process."""
    for thread in Path(f"/proc/{store.process.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))


def _small(bench: Bench, folder: Path) -> dict[str, Any]:
    from servers import run_versitygw

    with run_versitygw(folder / "http") as store:
        _leave_core(store)
        count = _fill(store, bench)
        ways = {
            "pinpipe, to clean columns": ("pinpipe", "clean"),
            "pinpipe, bytes": ("pinpipe", "many"),
            **{name: (name, "many") for name in PEERS},
        }
        commands = {name: _command(*way, store, None) for name, way in ways.items()}
        results = figures.interleaved(commands, min(bench.runs, 3))
    hashes = {name: runs[0]["hash"] for name, runs in results.items() if "clean columns" not in name}
    if len(set(hashes.values())) != 1:
        raise SystemExit(f"bench: s3: the bytes read differ: {hashes}")
    found = {
        name: {
            "cpu_ms": 1e3 * figures.median(runs) / count,
            "wall_ms": 1e3 * figures.median(runs, "wall_s") / count,
            "peak_mib": max(run["peak_kib"] for run in runs) / 1024,
        }
        for name, runs in results.items()
    }
    print(
        f"\n{count} objects of one record over http: ms of CPU and of wall an object, by pinpipe to clean columns"
    )
    base = found["pinpipe, to clean columns"]["cpu_ms"]
    for name, line in found.items():
        print(
            f"  {name:26} {line['cpu_ms']:8.4f} {line['wall_ms']:8.4f} {line['cpu_ms'] / base:6.1f} x"
            f" {line['peak_mib']:7.0f} MiB"
        )
    return found


@contextmanager
def _relay(store: Any, certificate: Any) -> Iterator[Any]:
    """The store over http behind a relay of full TLS records."""
    port = store.endpoint.rpartition(":")[2]
    command = [
        sys.executable,
        str(HERE / "tls_relay.py"),
        port,
        str(certificate.file),
        str(certificate.key_file),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
        yield replace(
            store, endpoint=f"https://127.0.0.1:{process.stdout.readline().strip()}", process=process
        )
        process.stdin.close()


def _large(bench: Bench, folder: Path) -> dict[str, Any]:
    from servers import run_versitygw

    from tests.doubles.certificate import make_certificate

    certificate = make_certificate(folder)
    with run_versitygw(folder / "tls", certificate) as store:
        found = {"4 KiB": _large_of(bench, store, certificate, "of 4 KiB, versitygw's own")}
    with run_versitygw(folder / "relayed") as store, _relay(store, certificate) as relayed:
        _leave_core(store)
        found["16 KiB"] = _large_of(bench, relayed, certificate, "of 16 KiB, by a relay")
    return found


def _large_of(bench: Bench, store: Any, certificate: Any, records: str) -> dict[str, Any]:
    _leave_core(store)
    client = _client(store, certificate)
    client.create_bucket(BUCKET)
    client.upload(BUCKET, "large", bytes(LARGE_BYTES))
    ways = [(who, what) for what in ("put", "get") for who in ("pinpipe", "boto3")]
    ways += [("pinpipe", "read"), ("pinpipe", "put-crc64nvme"), ("pinpipe", "put-crc32c")]
    commands = {
        f"{what}, {who}": _command(who, what, store, str(certificate.file), LARGE_ROUNDS)
        for who, what in ways
    }
    results = figures.interleaved(commands, min(bench.runs, 3))
    gib = LARGE_ROUNDS * LARGE_BYTES / (1 << 30)
    found = {
        name: {
            "cpu_s_per_gib": figures.median(runs) / gib,
            "mib_per_s": 1024 * gib / figures.median(runs, "wall_s"),
            "peak_mib": max(run["peak_kib"] for run in runs) / 1024,
        }
        for name, runs in results.items()
    }
    print(f"\nobjects of 64 MiB over TLS, records {records}: CPU s/GiB, MiB/s on the wall clock, by pinpipe;")
    print("  the peak holds the object too")
    for name, line in found.items():
        base = found.get(f"{name.split(',')[0]}, pinpipe", line)
        print(
            f"  {name:24} {line['cpu_s_per_gib']:7.3f} {line['mib_per_s']:7.0f}"
            f" {line['cpu_s_per_gib'] / base['cpu_s_per_gib']:6.1f} x {line['peak_mib']:7.0f} MiB"
        )
    return found


def section(bench: Bench) -> dict[str, Any]:
    """Small objects, then large ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {"small": _small(bench, folder), "large": _large(bench, folder)}
