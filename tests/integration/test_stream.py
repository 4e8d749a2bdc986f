"""Turns rows in a Kinesis stream into a Delta table by `pinpipe.stream` and `pinpipe stream`, and counts.

Never mocks a service: ministack has the streams, versitygw behind the strict gate the tables in S3.
Rules: docs/stream.md; DESIGN §5 (one cleaning, exactly once).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pytest
from deltalake import DeltaTable
from gates import KEY
from kinesis_servers import gate_before
from pinpipe import _store, kinesis

from tests.doubles.gate import Gate

GEO = b'{"ind": %d, "country": "%s", "latitude": 1.5, "longitude": 2.5, "timestamp": "2018-01-01T00:00:%02d"}'


def geo(number: int, country: bytes = b"Albania") -> bytes:
    return GEO % (number, country, number % 60)


@pytest.fixture
def client(kinesis_ministack: _store.Store) -> kinesis.Client:
    store = kinesis_ministack
    return kinesis.Client(store.endpoint, region=store.region, credentials=store.credentials)


@pytest.fixture
def stream(client: kinesis.Client) -> Iterator[str]:
    name = f"streaming-{uuid.uuid4().hex[:12]}-geo"
    client.create_stream(name, 3)
    yield name
    client.delete_stream(name)


def put(store: _store.Store, stream: str, records: list[bytes]) -> None:
    with kinesis.Producer(
        stream, store.endpoint, region=store.region, credentials=store.credentials, ordering="key"
    ) as producer:
        for number, data in enumerate(records):
            producer.write(data, str(number % 64))


def run(store: _store.Store, stream: str, folder: Path, **options: object) -> object:
    return pinpipe.stream(
        stream,
        f"delta+file://{folder}/table",
        available_now=True,
        region=store.region,
        endpoint=store.endpoint,
        credentials=store.credentials,
        **options,  # type: ignore[arg-type]
    )


def table(folder: Path) -> list[dict[str, object]]:
    return DeltaTable(str(folder / "table")).to_pyarrow_table().sort_by("ind").to_pylist()


def test_each_record_is_one_row_however_often_it_is_run(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path
) -> None:
    sent = [geo(number) for number in range(1000)]
    put(kinesis_ministack, stream, sent[:700])
    summary = run(kinesis_ministack, stream, tmp_path, commit_records=100)
    assert (summary.read, summary.written, summary.rejected) == (700, 700, 0) and summary.commits >= 7
    assert run(kinesis_ministack, stream, tmp_path).read == 0
    put(kinesis_ministack, stream, sent[700:])
    assert run(kinesis_ministack, stream, tmp_path).read == 300
    assert table(tmp_path) == pinpipe.clean("geo", sent).to_pylist()
    (tmp_path / "table" / "_pinpipe" / "checkpoint.json").unlink()
    assert run(kinesis_ministack, stream, tmp_path).read == 0, "the log alone knows where it stands"


def test_latest_passes_over_nothing_that_comes_later(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path
) -> None:
    """Where nothing was read yet, the time of the first look is what is committed."""
    put(kinesis_ministack, stream, [geo(number) for number in range(30)])
    time.sleep(1.1)  # times of iterators are whole milliseconds, of some doubles seconds
    assert run(kinesis_ministack, stream, tmp_path, start="latest").read == 0
    put(kinesis_ministack, stream, [geo(number) for number in range(100, 130)])
    assert run(kinesis_ministack, stream, tmp_path, start="latest").read == 30
    assert [row["ind"] for row in table(tmp_path)] == list(range(100, 130))


def test_a_stream_that_is_split_is_read_to_the_end(kinesis_local: str, tmp_path: Path) -> None:
    client = kinesis.Client(kinesis_local, credentials=pinpipe.Credentials.static("k", "s"))
    name = f"streaming-{uuid.uuid4().hex[:12]}-geo"
    client.create_stream(name, 1)
    options = {"endpoint": kinesis_local, "credentials": pinpipe.Credentials.static("k", "s")}
    to = f"delta+file://{tmp_path}/table"
    for number in range(20):
        client.put(name, geo(number), str(number))
    assert pinpipe.stream(name, to, available_now=True, **options).read == 20  # type: ignore[arg-type]
    (shard,) = client.shards(name)
    client.split_shard(name, shard.id, str(2**127))
    for number in range(20, 60):
        client.put(name, geo(number), str(number))
    assert pinpipe.stream(name, to, available_now=True, **options).read == 40  # type: ignore[arg-type]
    assert [row["ind"] for row in table(tmp_path)] == list(range(60))
    client.delete_stream(name)


def test_merge_keeps_the_latest_of_each_key(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path
) -> None:
    put(kinesis_ministack, stream, [geo(number % 64) for number in range(640)])
    summary = run(kinesis_ministack, stream, tmp_path, mode="merge", commit_records=200)
    assert summary.read == 640 == summary.written + summary.equal + summary.duplicates
    assert (summary.written, summary.updated, summary.conflicts) == (64, 0, 0)
    put(kinesis_ministack, stream, [geo(number, b"Aruba") for number in range(10)])
    summary = run(kinesis_ministack, stream, tmp_path, mode="merge")
    assert (summary.read, summary.updated, summary.conflicts) == (10, 10, 10)
    assert [row["country"] for row in table(tmp_path)] == ["Aruba"] * 10 + ["Albania"] * 54


def test_what_cannot_be_read_lies_beside_the_table(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path
) -> None:
    bad = [b'""', b"", b"{", b'{"ind": "x"}', b"\xff"]
    put(kinesis_ministack, stream, [geo(1), *bad, geo(2)])
    summary = run(kinesis_ministack, stream, tmp_path)
    assert (summary.read, summary.written, summary.rejected) == (7, 2, 5)
    assert summary.census.total() == 5
    rejects = [
        json.loads(line)
        for path in sorted((tmp_path / "table.rejects").iterdir())
        for line in path.read_bytes().splitlines()
    ]
    assert sorted(base64.b64decode(reject["data_b64"]) for reject in rejects) == sorted(bad)
    for reject in rejects:
        assert reject["stream"] == stream and reject["shardId"].startswith("shardId-")
        assert int(reject["sequenceNumber"]) > 0 and reject["reason"]
    named = [
        name
        for entry in DeltaTable(str(tmp_path / "table")).history()
        if "pinpipe" in entry
        for name in json.loads(entry["pinpipe"])["rejects"]
    ]
    assert sorted(named) == sorted(path.name for path in (tmp_path / "table.rejects").iterdir())


def command(store: _store.Store, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pinpipe", "stream", *arguments],
        env=os.environ | store.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_counts_and_says_3_for_rejects(
    kinesis_ministack: _store.Store, stream: str, tmp_path: Path
) -> None:
    put(kinesis_ministack, stream, [geo(1), geo(2), b"{"])
    to = ("--stream", stream, "--to", f"delta+file://{tmp_path}/table", "--format", "json")
    running = command(kinesis_ministack, *to, "--available-now")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 3, err
    assert {row["name"]: row["value"] for row in json.loads(out) if row["value"]} == {
        "read": 3,
        "written": 2,
        "rejected": 1,
        "commits": 1,
        "geo.malformed": 1,
    }
    assert command(kinesis_ministack, *to, "--record", "tin").wait(60) == 2
    running = command(kinesis_ministack, "--stream", "no-name", "--to", "delta+file:///x")
    assert "record 'name' is none of pin, geo, user" in running.communicate(timeout=60)[1]
    assert running.returncode == 1


def test_sigterm_commits_what_was_read(kinesis_ministack: _store.Store, stream: str, tmp_path: Path) -> None:
    put(kinesis_ministack, stream, [geo(number) for number in range(50)])
    environment = kinesis_ministack.environment()
    with gate_before(
        kinesis_ministack.endpoint, environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    ) as gate:
        to = f"delta+file://{tmp_path}/table"
        arguments = [sys.executable, "-m", "pinpipe", "stream", "--stream", stream, "--to", to]
        told = {
            "AWS_ENDPOINT_URL": gate.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY.key_id,
            "AWS_SECRET_ACCESS_KEY": KEY.secret,
        }
        running = subprocess.Popen([*arguments, "--commit-interval", "600"], env=os.environ | told)
        deadline = time.monotonic() + 60
        # What is asked first: the stream, its shards, an iterator each; then every shard is read twice.
        while gate.journal.requests < 2 + 3 + 2 * 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert table(tmp_path) == []
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert gate.journal.refused == []
    assert [row["ind"] for row in table(tmp_path)] == list(range(50))


@contextlib.contextmanager
def s3_environment(endpoint: str, key: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        patch.setenv("AWS_REGION", "us-east-1")
        yield


def test_a_table_in_s3(
    kinesis_ministack: _store.Store,
    stream: str,
    gate: Gate,
    gate_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(kinesis_ministack, stream, [*(geo(number) for number in range(200)), b"{"])
    with s3_environment(gate.endpoint, KEY.key_id, KEY.secret, monkeypatch):
        for read in (201, 0):
            summary = pinpipe.stream(
                stream,
                f"delta+s3://{gate_bucket}/tables/geo",
                available_now=True,
                commit_records=50,
                region=kinesis_ministack.region,
                endpoint=kinesis_ministack.endpoint,
                credentials=kinesis_ministack.credentials,
            )
            assert summary.read == read
        options = {"AWS_ENDPOINT_URL": gate.endpoint, "AWS_ALLOW_HTTP": "true"}
        found = DeltaTable(f"s3://{gate_bucket}/tables/geo", storage_options=options).to_pyarrow_table()
        assert sorted(found["ind"].to_pylist()) == list(range(200))
        keys = [thing.key for thing in pinpipe.s3.Client(gate.endpoint).list(gate_bucket)]
    assert "tables/geo/_pinpipe/checkpoint.json" in keys
    assert len([key for key in keys if key.startswith("tables/geo.rejects/shardId-")]) == 1
    assert gate.journal.refused == []
