"""Turns 100 kills and four racing writers into proof: the Delta table holds each record of the stream once.

Never counts with the library: deltalake and DuckDB read the table, the rejects are lines of JSON.
Rules: docs/stream.md, "Exactly once"; issue 7, "It must show". PINPIPE_SEED repeats a run's draws.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from pinpipe import _store, kinesis
from pinpipe._objects import open_objects

KILLS = 100
SHARDS = 4
RECORDS_A_LIFE = 600
LIFE_S = 0.3
WRITERS = 4
RACED_RECORDS = 4_000
#: Every so many records are none.
BAD = 50
#: The stream, as a user's program would read it; commits and checkpoints are small and many, so that a kill meets them.
WORKER = """
import sys
import pinpipe
from pinpipe import _delta
_delta.CHECKPOINT_INTERVAL_S = 0
told = []
def until(summary):
    if summary.commits and not told:
        told.append(print("writing", flush=True))
    return False
stream, to, records, every, mode = sys.argv[1:6]
summary = pinpipe.stream(stream, to, record="geo", available_now=True, until=until, mode=mode,
    commit_records=int(records), commit_interval=0.05, compact_commits=int(every))
print("done", summary.read, summary.lost, flush=True)
"""


@pytest.fixture
def stream(kinesis_ministack: _store.Store) -> Iterator[str]:
    store = kinesis_ministack
    client = kinesis.Client(store.endpoint, region=store.region, credentials=store.credentials)
    name = f"soak-{uuid.uuid4().hex[:12]}"
    client.create_stream(name, SHARDS)
    yield name
    client.delete_stream(name)


def record(number: int) -> bytes:
    if number % BAD == 0:
        return b"{%d" % number
    return (
        b'{"ind":%d,"country":"Albania","latitude":1.5,"longitude":2.5,"timestamp":"2018-01-01T00:00:00"}'
        % number
    )


def write(store: _store.Store, stream: str, count: int) -> None:
    with kinesis.Producer(
        stream, store.endpoint, region=store.region, credentials=store.credentials
    ) as producer:
        for number in range(count):
            producer.write(record(number), str(number), timeout=120)
        producer.flush(300)


def worker(
    environment: dict[str, str],
    stream: str,
    to: str,
    chance: random.Random,
    mode: str = "append",
    commit_records: int = 0,
) -> subprocess.Popen[str]:
    sizes = [str(commit_records or chance.randrange(5, 40)), str(chance.randrange(5, 20))]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, stream, to, *sizes, mode],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_each_once(table: DeltaTable, rejects: list[bytes], count: int) -> None:
    """deltalake's rows, DuckDB's reading of the files, and the rejects that commits name."""
    wanted = [number for number in range(count) if number % BAD]
    rows = table.to_pyarrow_table()
    assert sorted(rows["ind"].to_pylist()) == wanted
    files = [uri.removeprefix("file://") for uri in table.file_uris()]
    read = "rows" if files[0].startswith("s3://") else f"read_parquet({files})"
    with duckdb.connect(":memory:") as engine:
        found = engine.sql(
            f"SELECT count(*), count(DISTINCT ind), sum(ind), min(country) FROM {read}"
        ).fetchall()
    assert found == [(len(wanted), len(wanted), sum(wanted), "Albania")]
    bad = [base64.b64decode(json.loads(line)["data_b64"]) for line in rejects]
    assert sorted(bad) == sorted(record(number) for number in range(0, count, BAD))


def named_rejects(table: DeltaTable) -> list[str]:
    told = [json.loads(entry["pinpipe"]) for entry in table.history() if "pinpipe" in entry]
    return [name for commit in told for name in commit["rejects"]]


def seeded() -> random.Random:
    seed = int(os.environ.get("PINPIPE_SEED", random.randrange(2**32)))
    print(f"PINPIPE_SEED={seed}")
    return random.Random(seed)


@pytest.mark.soak
def test_kills_lose_and_double_nothing(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path, soak_share: float
) -> None:
    chance = seeded()
    kills = max(1, int(KILLS * soak_share))
    count = kills * RECORDS_A_LIFE
    write(kinesis_ministack, stream, count)
    to = f"delta+file://{tmp_path}/table"
    between = done = 0
    for _ in range(kills):
        running = worker(kinesis_ministack.environment(), stream, to, chance)
        assert running.stdout
        # Two of three die after their first commit, one at any moment of its start.
        if chance.random() < 2 / 3:
            running.stdout.readline()
            time.sleep(chance.uniform(0, LIFE_S))
        else:
            time.sleep(chance.uniform(0, 3 * LIFE_S))
        done += running.poll() is not None
        running.send_signal(signal.SIGKILL)
        told = running.communicate()[0]
        rows = (
            len(DeltaTable(str(tmp_path / "table")).to_pyarrow_table())
            if (tmp_path / "table").exists()
            else 0
        )
        between += 0 < rows < count - count // BAD and "done" not in told
    print(f"{kills} kills, {between} between the first and the last write, {done} after the end")
    assert between >= kills / 2
    running = worker(kinesis_ministack.environment(), stream, to, chance, commit_records=5000)
    told = running.communicate(timeout=300)[0]
    assert running.returncode == 0 and "done" in told
    table = DeltaTable(str(tmp_path / "table"))
    folder = tmp_path / "table.rejects"
    rejects = [line for name in named_rejects(table) for line in (folder / name).read_bytes().splitlines()]
    assert_each_once(table, rejects, count)


@pytest.mark.soak
@pytest.mark.parametrize(("place", "mode"), [("file", "append"), ("file", "merge"), ("s3", "append")])
def test_four_racing_writers_write_each_record_once(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path, soak_share: float, place: str, mode: str
) -> None:
    """All of them read all shards."""
    store, chance = kinesis_ministack, seeded()
    count = int(RACED_RECORDS * soak_share)
    write(store, stream, count)
    location = str(tmp_path / "table")
    if place == "s3":
        store.client().create_bucket(stream)
        location = f"s3://{stream}/table"
    to = f"delta+{location}" if place == "s3" else f"delta+file://{location}"
    running = [worker(store.environment(), stream, to, chance, mode) for _ in range(WRITERS)]
    told = [each.communicate(timeout=600)[0].split() for each in running]
    assert [each.returncode for each in running] == [0] * WRITERS
    read, lost = (sum(int(words[words.index("done") + at]) for words in told) for at in (1, 2))
    print(f"{count} records, {read} committed, {lost} commits were lost to a faster writer")
    assert read == count and lost > 0
    environment = {"AWS_ALLOW_HTTP": "true", **store.environment()} if place == "s3" else None
    table = DeltaTable(location, storage_options=environment)
    objects = open_objects(
        f"s3://{stream}/table.rejects" if place == "s3" else f"file://{location}.rejects", store.client()
    )
    rejects = [line for name in named_rejects(table) for line in objects.get(name).splitlines()]
    assert_each_once(table, rejects, count)
