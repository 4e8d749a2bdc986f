"""Turns the calls of `pinpipe.kinesis.Client` into traffic through the strict gate before every double.

Never asserts what a double only guesses of AWS: where they differ, the test names the one that is right.
Rules: docs/kinesis.md; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kinesis_servers import Double
from pinpipe import errors, kinesis

KEYS = ["k", "0a1b-pin", 'quote"back\\slash', "é日本😀", "x" * 256, "tab\there"]


@contextlib.contextmanager
def stream(client: kinesis.Client, shards: int = 1) -> Iterator[str]:
    """A stream of the test's own."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    client.create_stream(name, shards)
    try:
        yield name
    finally:
        client.delete_stream(name)


def read_all(client: kinesis.Client, name: str) -> list[kinesis.Record]:
    """Every record of every shard, from its beginning to where nothing came."""
    records: list[kinesis.Record] = []
    for shard in client.shards(name):
        iterator: str | None = client.iterator(name, shard.id)
        while iterator:
            page = client.get(iterator)
            records += page.records
            iterator = page.iterator if page.records else None
    return records


def test_a_record_there_and_back(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client, 2) as name:
        described = client.describe_stream(name)
        assert (described.name, described.state, described.record_max_bytes) == (name, "ACTIVE", 1 << 20)
        assert name in client.streams()
        shards = client.shards(name)
        assert [shard.parent for shard in shards] == [None, None]
        assert (shards[0].first_hash, shards[1].last_hash) == ("0", str(2**128 - 1))
        sent = {key: os.urandom(number * 37) + b"." for number, key in enumerate(KEYS)}
        places = {key: client.put(name, data, key) for key, data in sent.items()}
        before = datetime.now(UTC) - timedelta(minutes=5)
        got = {record.partition_key: record for record in read_all(client, name)}
        assert {key: record.data for key, record in got.items()} == sent
        for key, place in places.items():
            assert got[key].sequence_number == place.sequence_number
            assert before < (got[key].arrival or before) < before + timedelta(minutes=10)
    assert name not in client.streams()
    assert kinesis_double.gate.journal.refused == []


def test_starts(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client) as name:
        shard = client.shards(name)[0].id
        latest = client.iterator(name, shard, at="latest")
        places = [client.put(name, b"%d" % number, "k") for number in range(3)]

        def from_(iterator: str) -> list[bytes]:
            return [record.data for record in client.get(iterator).records]

        assert from_(latest) == [b"0", b"1", b"2"]
        assert from_(client.iterator(name, shard, at=places[1].sequence_number)) == [b"1", b"2"]
        assert from_(client.iterator(name, shard, after=places[1].sequence_number)) == [b"2"]
        assert from_(client.iterator(name, shard, at=datetime.now(UTC) - timedelta(hours=1))) == [
            b"0",
            b"1",
            b"2",
        ]
        assert len(client.get(client.iterator(name, shard), records=2).records) == 2
        with pytest.raises(errors.InvalidArgumentError):
            client.iterator(name, shard, at="latest", after="1")


def test_hash_key_chooses_the_shard(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client, 4) as name:
        shards = client.shards(name)
        for shard in shards:
            assert client.put(name, b"x", "k", hash_key=shard.first_hash).shard == shard.id


def test_refusals_name_operation_and_stream(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with pytest.raises(
        errors.NotFoundError, match="PutRecord on 'no-such-stream': ResourceNotFoundException"
    ):
        client.put("no-such-stream", b"x", "k")
    with stream(client) as name, pytest.raises(errors.ConflictError, match="ResourceInUseException"):
        client.create_stream(name)


def test_passing_failures_are_tried_again(kinesis_double: Double) -> None:
    client, gate = kinesis_double.client(), kinesis_double.gate
    for fault in ("500", "503", "unavailable", "429", "reset-after", "lost-reply", "truncated"):
        gate.faults.clear()
        gate.faults.add(fault)
        client.streams()
    assert len(gate.journal.faults) == 7


def test_clock_and_key(kinesis_double: Double) -> None:
    client, gate = kinesis_double.client(), kinesis_double.gate
    gate.clock_offset_s = 3600
    client.streams()
    assert [refused.code for refused in gate.journal.refused] == ["RequestTimeTooSkewed"]
    gate.faults.add("expired-token")
    client.streams()
    assert gate.journal.faults == ["expired-token"]


@pytest.mark.parametrize(
    ("key", "hash_key", "data"),
    [("", None, b"x"), ("x" * 257, None, b"x"), ("k", "01", b""), ("k", str(2**128), b""), ("k", "-1", b"")],
)
def test_refused_before_it_is_sent(
    kinesis_double: Double, key: str, hash_key: str | None, data: bytes
) -> None:
    client = kinesis_double.client()
    with pytest.raises(errors.InvalidArgumentError):
        client.put("stream", data, key, hash_key=hash_key)
    with pytest.raises(errors.LimitError, match="10485760"):
        client.put("stream", bytes(10 << 20), "k")
    assert kinesis_double.gate.journal.requests == 0
