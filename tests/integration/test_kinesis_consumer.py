"""Turns streams on every double into what `pinpipe.kinesis.Consumer` hands out: each record once, in its shard's order.

Never takes the consumer's own counters as proof: what was written is counted by the test.
Rules: docs/kinesis.md, "Consumer"; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import base64
import csv
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow
import pytest
from gates import KEY
from kinesis_servers import Double, gate_before
from pinpipe import errors, kinesis
from pinpipe._store import Store
from test_kinesis_client import stream

QUIET_S = 1.5
COLUMNS = [
    ("partitionKey", pyarrow.string()),
    ("data", pyarrow.binary()),
    ("stream", pyarrow.string()),
    ("shardId", pyarrow.string()),
    ("sequenceNumber", pyarrow.string()),
    ("approximateArrivalTimestamp", pyarrow.timestamp("us", "UTC")),
]


def consumer(double: Double, name: str, **options: Any) -> kinesis.Consumer:
    """A consumer that knows the gate's key, and does not wait long at a tip."""
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    wire: Any = "cbor" if double.wire == "cbor" else "json"
    return kinesis.Consumer(
        name, double.gate.endpoint, credentials=credentials, wire=wire, **{"idle": 0.2, **options}
    )


def batches(reader: kinesis.Consumer, quiet: float = QUIET_S, **options: Any) -> Iterator[kinesis.Batch]:
    """What comes, until every shard that is read has answered and nothing came for a while."""
    until, limit = time.monotonic() + quiet, time.monotonic() + 60
    while time.monotonic() < until:
        batch = reader.consume_batch(timeout=0.3, **options)
        if batch.num_records or batch.positions:
            yield batch
        elif all(shard.behind_ms is not None for shard in reader.shards if shard.state == "reading"):
            continue
        until = min(time.monotonic() + quiet, limit)


def received(reader: kinesis.Consumer, **options: Any) -> list[kinesis.Received]:
    return [record for batch in batches(reader, **options) for record in batch.records()]


def test_the_columns_of_the_source(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client, 2) as name:
        before = datetime.now(UTC) - timedelta(minutes=5)
        sent = {f"key-{number}": os.urandom(number * 11) + b"." for number in range(40)}
        places = {key: client.put(name, data, key) for key, data in sent.items()}
        with consumer(kinesis_double, name) as reader:
            tables = [pyarrow.table(pyarrow.record_batch(batch)) for batch in batches(reader)]
        table = pyarrow.concat_tables(tables)
        assert [(field.name, field.type) for field in table.schema] == COLUMNS
        rows = {row["partitionKey"]: row for row in table.to_pylist()}
        assert table.num_rows == len(rows) == 40
        for key, place in places.items():
            row = rows[key]
            assert (row["data"], row["stream"]) == (sent[key], name)
            assert (row["shardId"], row["sequenceNumber"]) == place
            assert before < row["approximateArrivalTimestamp"] < before + timedelta(minutes=10)
    assert kinesis_double.gate.journal.refused == []


def test_places_continue_exactly(kinesis_double: Double) -> None:
    """A new consumer every seven records, in the midst of aggregates too: each record once, in its order."""
    client = kinesis_double.client()
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    with stream(client, 2) as name:
        client.put(name, b"alone-0", "alone")
        with kinesis.Producer(
            name, kinesis_double.gate.endpoint, credentials=credentials, aggregate_bytes=2000
        ) as producer:
            for number in range(60):
                producer.write(b"packed-%d" % number, f"key-{number}")
        client.put(name, b"alone-1", "alone")
        start: Any = "earliest"
        got: list[kinesis.Received] = []
        for _ in range(40):
            with consumer(kinesis_double, name, start=start) as reader:
                batch = reader.consume_batch(7, 1.0)
                got += batch.records()
                start = json.loads(json.dumps(reader.positions))
            if not batch.num_records:
                break
        datas = [record.data for record in got]
        assert sorted(datas) == sorted([b"alone-0", b"alone-1", *(b"packed-%d" % n for n in range(60))])
        by_shard: dict[str, list[int]] = defaultdict(list)
        for record in got:
            kind, _, number = record.data.partition(b"-")
            if kind == b"packed":
                by_shard[record.shard].append(int(number))
        assert all(numbers == sorted(numbers) for numbers in by_shard.values())
        assert {record.sub_sequence is None for record in got if record.data.startswith(b"alone")} == {True}


def test_starts(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client) as name:
        places = [client.put(name, b"%d" % number, "k") for number in range(4)]
        shard, second = places[0].shard, places[1].sequence_number

        def data(**options: Any) -> list[bytes]:
            with consumer(kinesis_double, name, **options) as reader:
                return [record.data for record in received(reader, quiet=0.8)]

        everything = [b"0", b"1", b"2", b"3"]
        after = {"iteratorType": "AFTER_SEQUENCE_NUMBER", "iteratorPosition": second}
        at = {"iteratorType": "AT_SEQUENCE_NUMBER", "iteratorPosition": second}
        assert data(start="earliest") == everything
        assert data(start=datetime.now(UTC) - timedelta(hours=1)) == everything
        assert data(start={shard: after}) == everything[2:]
        assert data(start=json.dumps({"metadata": {"streamName": name}, shard: at})) == everything[1:]
        assert data(start={shard: (second, -1)}) == everything[2:]
        assert data(start={shard: "SHARD_END"}) == []
        assert data(shards=[shard]) == everything
        assert data(shards=[]) == []
        with consumer(kinesis_double, name, start="latest") as reader:
            assert reader.consume_batch(timeout=0.5).num_records == 0
            # Nothing was read of it, and yet the next consumer does not begin at the beginning.
            position = str(reader.positions[shard])
            assert position.startswith("AT_TIMESTAMP:")
            client.put(name, b"new", "k")
            assert [record.data for record in received(reader)] == [b"new"]
        assert data(start={shard: position}) == [b"new"]


def test_take_and_release(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client, 2) as name:
        for number in range(20):
            client.put(name, b"%d" % number, str(number))
        with consumer(kinesis_double, name, shards=[]) as reader:
            first, second = (shard.id for shard in reader.shards)
            assert [shard.state for shard in reader.shards] == ["free", "free"]
            reader.take(first)
            ours = received(reader)
            assert {record.shard for record in ours} == {first}
            place = reader.positions[first]
            reader.release(first)
            assert set(reader.positions) == set()
            reader.take(second)
            theirs = received(reader)
            assert {record.shard for record in theirs} == {second}
            assert len(ours) + len(theirs) == 20
            reader.take(first, place)
            assert received(reader) == []
            with pytest.raises(errors.NotFoundError, match="shard 'no-such' is not known"):
                reader.release("no-such")


def test_clean_batches_name_the_place_of_what_they_reject(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    with stream(client) as name:
        client.put(name, b'{"index": 7528, "follower_count": "136k"}', "k")
        bad = client.put(name, b"no json", "k")
        with consumer(kinesis_double, name) as reader:
            table = reader.clean_batch("pin", timeout=10)
        assert [(row["ind"], row["follower_count"]) for row in table.to_pylist()] == [(7528, 136_000)]
        assert [reject.source for reject in table.rejects] == [
            f"kinesis://{name}/{bad.shard}/{bad.sequence_number}"
        ]
        assert table.rejects[0].data == b"no json"


def test_what_cannot_be_read_is_told(kinesis_double: Double) -> None:
    with pytest.raises(errors.NotFoundError, match="no-such-stream"):
        consumer(kinesis_double, "no-such-stream")
    for wrong in ("newest", '{"shard', {"shard": "nowhere"}, {"shard": 7}):
        with pytest.raises(errors.InvalidArgumentError, match="start"):
            consumer(kinesis_double, "s", start=wrong)


def test_split_and_merge_while_reading(kinesis_local: str) -> None:
    """Parents come to their ends before their children begin, and nothing is lost or twice."""
    with gate_before(kinesis_local) as gate:
        double = Double(gate, "kinesis-local")
        client = double.client()
        with stream(client, 2) as name, consumer(double, name) as reader:
            got: list[kinesis.Received] = []
            ended: list[str] = []
            number = 0

            def write_some() -> None:
                nonlocal number
                for _ in range(20):
                    client.put(name, b"%d" % number, f"key-{number % 5}")
                    number += 1

            def read_some(quiet: float) -> None:
                for batch in batches(reader, quiet, max_records=7):
                    records = batch.records()
                    assert not {record.shard for record in records} & set(ended)
                    got.extend(records)
                    ended.extend(shard for shard, at in batch.positions.items() if at == "SHARD_END")

            write_some()
            first, second = client.shards(name)
            client.split_shard(name, first.id, str(int(first.last_hash) // 2))
            write_some()
            read_some(0.6)
            halves = [shard.id for shard in client.shards(name) if shard.parent == first.id]
            client.merge_shards(name, *halves)
            write_some()
            read_some(0.6)
            merged = next(shard.id for shard in client.shards(name) if shard.parent in halves)
            client.merge_shards(name, merged, second.id)
            write_some()
            read_some(4.0)
            assert sorted(ended) == sorted([first.id, second.id, merged, *halves])
            assert sorted(int(record.data) for record in got) == list(range(number))
            by_key: dict[str, list[int]] = defaultdict(list)
            for record in got:
                by_key[record.partition_key].append(int(record.data))
            assert all(numbers == sorted(numbers) for numbers in by_key.values())
            assert reader.counters["holes"] == reader.counters["vanished"] == 0


REAL_ROWS = Path(__file__).resolve().parents[3] / "shared/data/real/kinesis_source_rows.csv"


def test_real_rows_and_what_a_gateway_made_of_some(kinesis_ministack: Store) -> None:
    """600 of the 640 real rows are records; 40 are what a template stores that finds no data."""
    given = kinesis_ministack.environment()
    credentials = pinpipe.Credentials.static(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    options: Any = {"region": given["AWS_REGION"], "credentials": credentials}
    client = kinesis.Client(kinesis_ministack.endpoint, **options)
    with REAL_ROWS.open(newline="") as file:
        rows = [(base64.b64decode(row["data"]), row["partitionKey"]) for row in csv.DictReader(file)]
    with stream(client) as name:
        with kinesis.Producer(name, kinesis_ministack.endpoint, **options) as producer:
            for data, key in rows:
                producer.write(data, key)
        with kinesis.Consumer(name, kinesis_ministack.endpoint, idle=0.2, **options) as reader:
            tables = [batch.clean("user") for batch in batches(reader)]
    rejects = [reject for table in tables for reject in table.rejects]
    assert len(rows) == 640
    assert sum(table.num_rows for table in tables) == 600
    assert {reject.data for reject in rejects} == {b'""'}
    assert len({reject.source for reject in rejects}) == len(rejects) == 40
    assert all(
        "the value is an empty string" in reject.reason
        and "an empty record: the mapping template looks for the data under another name" in reject.reason
        for reject in rejects
    )


def test_one_stream_for_all_types(kinesis_double: Double) -> None:
    client = kinesis_double.client()
    sent = {
        "0a1b-pin": b'{"index": 1}',
        "0a1b-geo": b'{"ind": 2, "country": "Albania"}',
        "0a1b-user": b'{"ind": 3, "first_name": "Ann", "last_name": "Lee"}',
        "0a1b-board": b'{"ind": 4}',
        "pin": b'{"index": 5}',
    }
    with stream(client, 2) as name:
        places = {key: client.put(name, data, key) for key, data in sent.items()}
        bad = client.put(name, b"{ind=6, country=Albania}", "0a1b-geo")
        with consumer(kinesis_double, name) as reader:
            found = [batch.clean_by_key() for batch in batches(reader)]
    rows = {
        kind: [row["ind"] for routed in found for row in routed.tables[kind].to_pylist()]
        for kind in ("pin", "geo", "user")
    }
    assert rows == {"pin": [1], "geo": [2], "user": [3]}
    unknown = {reject.source: reject for routed in found for reject in routed.rejects}
    assert {reject.data for reject in unknown.values()} == {sent["0a1b-board"], sent["pin"]}
    board = places["0a1b-board"]
    reject = unknown[f"kinesis://{name}/{board.shard}/{board.sequence_number}"]
    assert reject.reason == "partition key '0a1b-board': it ends in none of -pin, -geo, -user"
    (wrong,) = [reject for routed in found for reject in routed.tables["geo"].rejects]
    assert wrong.source.endswith(f"/{bad.shard}/{bad.sequence_number}")
    assert "a Java map, {a=1}, which is no JSON" in wrong.reason
