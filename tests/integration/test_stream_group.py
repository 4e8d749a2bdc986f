"""Turns three processes of one group into one Delta table, while their stream is split and one of them is killed.

Never believes a lease: deltalake counts the rows of the table, and each record of the stream is one of them.
Rules: docs/stream.md, "Several processes"; issue 7, "It must show".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pinpipe
import pytest
from deltalake import DeltaTable
from pinpipe import kinesis
from test_kinesis_group import Load, wait_for

LEASE_S = 2.0
MEMBERS = 3
SHARDS = 3
PROGRAM = """
import os, sys
import pinpipe
stream, to, leases, endpoint, lease, path = sys.argv[1:7]
told = []
def until(summary):
    if summary.commits > len(told):
        told.append(print(summary.commits, flush=True))
    return os.path.exists(path)
summary = pinpipe.stream(stream, to, record="geo", until=until, commit_records=20, commit_interval=0.3,
    compact_commits=8, group="g", leases=leases, lease=float(lease), endpoint=endpoint,
    credentials=pinpipe.Credentials.static("k", "s"))
print("done", summary.read, summary.lost, flush=True)
"""


def geo(number: int) -> bytes:
    row = {"ind": number, "country": "Albania", "latitude": 1.5, "longitude": 2.5}
    return json.dumps(row | {"timestamp": "2018-01-01T00:00:00"}).encode()


def rows(folder: Path) -> list[int]:
    return sorted(DeltaTable(str(folder / "table")).to_pyarrow_table()["ind"].to_pylist())


def owners(folder: Path) -> dict[str, str]:
    """By shard, as the leases say."""
    told = {path.stem: json.loads(path.read_text()) for path in (folder / "leases").rglob("*.json")}
    return {shard: lease["owner"] for shard, lease in told.items() if lease["sequence"] != "SHARD_END"}


class Process:
    """A process that streams."""

    def __init__(self, stream: str, endpoint: str, folder: Path) -> None:
        to, leases = f"delta+file://{folder}/table", f"file://{folder}/leases"
        arguments = [stream, to, leases, endpoint, str(LEASE_S), str(folder / "stop")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, env=os.environ
        )

    def wait_for_commit(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline().strip().isdigit()

    def end(self) -> list[str]:
        """The words of its last line."""
        try:
            return self.process.communicate(timeout=120)[0].splitlines()[-1].split()
        finally:
            self.process.kill()


def test_three_processes_one_killed_while_the_stream_is_split(kinesis_local: str, tmp_path: Path) -> None:
    client = kinesis.Client(kinesis_local, credentials=pinpipe.Credentials.static("k", "s"), timeout=60)
    name = f"streaming-{uuid.uuid4().hex[:12]}-geo"
    client.create_stream(name, SHARDS)
    load = Load(kinesis_local, name, geo)
    members: list[Process] = []
    try:
        load.start()
        members += [Process(name, kinesis_local, tmp_path) for _ in range(MEMBERS)]
        for member in members:
            member.wait_for_commit()  # each has a share
        first = client.shards(name)[0]
        client.split_shard(name, first.id, str(int(first.last_hash) // 2))
        load.wait_for(100)
        held = owners(tmp_path)
        victim = members.pop(0)
        victim.process.send_signal(signal.SIGKILL)
        victim.process.communicate()
        dead = next(owner for owner in held.values() if f"-{victim.process.pid}-" in owner)
        wait_for(lambda: dead not in owners(tmp_path).values(), "its shards are others'")
        load.wait_for(50)
        load.stop()
        wait_for(lambda: len(rows(tmp_path)) >= load.sent, "every record is a row", 180)
        (tmp_path / "stop").touch()
        told = [member.end() for member in members]
        print(f"{load.sent} records, {[words[1:] for words in told]} read and lost by those that live")
        assert [words[0] for words in told] == ["done"] * len(members)
        assert rows(tmp_path) == list(range(load.sent)), "each once"
    finally:
        load.stop()
        for member in members:
            member.process.kill()
        client.delete_stream(name)


def test_a_table_made_anew_has_leases_of_its_own(kinesis_local: str, tmp_path: Path) -> None:
    """Shards that the old table had to their end are read again, and a member that ends leaves its share to others."""
    credentials = pinpipe.Credentials.static("k", "s")
    client = kinesis.Client(kinesis_local, credentials=credentials, timeout=60)
    name = f"streaming-{uuid.uuid4().hex[:12]}-geo"
    client.create_stream(name, 2)
    for number in range(40):
        client.put(name, geo(number), str(number))
    first = client.shards(name)[0]
    client.split_shard(name, first.id, str(int(first.last_hash) // 2))
    for number in range(40, 60):
        client.put(name, geo(number), str(number))
    for table in ("one", "two"):
        for read in (60, 0):
            summary = pinpipe.stream(
                name,
                f"delta+file://{tmp_path}/{table}",
                available_now=True,
                group="g",
                leases=f"file://{tmp_path}/leases",
                lease=1.0,
                endpoint=kinesis_local,
                credentials=credentials,
            )
            assert (summary.read, summary.lost) == (read, 0)
    client.delete_stream(name)


def test_a_group_needs_its_leases(tmp_path: Path) -> None:
    with pytest.raises(pinpipe.Error, match="one needs the other"):
        pinpipe.stream("s-geo", f"delta+file://{tmp_path}/t", group="g")
