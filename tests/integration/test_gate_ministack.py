"""Turns boto3's calls of Kinesis and raw object keys into traffic through the strict gate before ministack.

Never judges Kinesis itself: limits and partial failures are not the gate's yet.
Rules: docs/testing.md, "The strict gate"; Amazon Kinesis API Reference.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pinpipe
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gates import KEY, TEMPORARY
from pinpipe import _store

from tests.doubles.backend import Backend
from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

FOLDER = Path(__file__).parents[2] / "build" / "ministack"
FOLDED_KEYS = [".", "..", "/lead", "a//b", "a/../b", "a/./b", "trail/", "x/..", '+ =&?#%/\t"<é😀']


@pytest.fixture(scope="module")
def store() -> Iterator[_store.Store]:
    with _store.Store(FOLDER) as running:
        yield running


def gate_before(store: _store.Store, service: str) -> Gate:
    given = store.environment()
    backend = Backend(
        store.endpoint,
        given["AWS_ACCESS_KEY_ID"],
        given["AWS_SECRET_ACCESS_KEY"],
        "us-east-1",
        service,
    )
    return Gate(backend, keys=[KEY, TEMPORARY])


def kinesis(gate: Gate, key: Key, attempts: int = 1) -> Any:
    return boto3.client(
        "kinesis",
        endpoint_url=gate.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key.key_id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.token,
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, proxies={}),
    )


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["plain", "session"])
def test_records(store: _store.Store, key: Key) -> None:
    with gate_before(store, "kinesis") as gate:
        client, name = kinesis(gate, key), f"gate-{key.key_id}"
        client.create_stream(StreamName=name, ShardCount=1)
        deadline = time.monotonic() + 20
        while client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] != (
            "ACTIVE"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.put_record(StreamName=name, Data=b"one", PartitionKey="k")
        client.put_records(
            StreamName=name, Records=[{"Data": b"%d" % n, "PartitionKey": str(n)} for n in range(500)]
        )
        shard = client.list_shards(StreamName=name)["Shards"][0]["ShardId"]
        begin = client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        got = [record["Data"] for record in client.get_records(ShardIterator=begin)["Records"]]
        assert got == [b"one", *(b"%d" % n for n in range(500))]
        assert gate.journal.refused == []
        puts = [write.target for write in gate.journal.writes if ".Put" in write.target]
        assert puts == ["Kinesis_20131202.PutRecord", "Kinesis_20131202.PutRecords"]


def test_faults(store: _store.Store) -> None:
    with gate_before(store, "kinesis") as gate:
        wanted = {
            "500": ("InternalFailure", 500),
            "503": ("ThrottlingException", 400),
            "unavailable": ("ServiceUnavailable", 503),
            "429": ("LimitExceededException", 429),
            "expired-token": ("ExpiredTokenException", 400),
            "skewed": ("InvalidSignatureException", 400),
        }
        for fault, answer in wanted.items():
            gate.faults.add(fault)
            with pytest.raises(ClientError) as caught:
                kinesis(gate, KEY).list_streams()
            said = caught.value.response
            assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == answer
        for fault in ("500", "503", "reset-after", "lost-reply", "truncated"):
            gate.faults.add(fault)
            kinesis(gate, KEY, attempts=3).list_streams()
        assert len(gate.journal.faults) == len(wanted) + 5


def test_keys_that_a_file_store_folds(store: _store.Store) -> None:
    with gate_before(store, "s3") as gate:
        credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
        client = pinpipe.s3.Client(gate.endpoint, region="us-east-1", credentials=credentials)
        client.create_bucket("folded")
        for key in FOLDED_KEYS:
            client.put("folded", key, key)
            assert client.get("folded", key) == key.encode()
        assert [thing.key for thing in client.list("folded")] == sorted(FOLDED_KEYS, key=str.encode)
        assert gate.journal.refused == []
        written = {write.key: write.sha256 for write in gate.journal.writes if write.key}
        assert written == {key: hashlib.sha256(key.encode()).hexdigest() for key in FOLDED_KEYS}
