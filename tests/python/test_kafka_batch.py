"""Turns columns and tables into topics of the embedded cluster and back, by every form that Python gives them in.

Never needs a server beside the process; the real broker and faults are tests/integration's.
Rules: docs/kafka.md, "Batches", "Statistics".
"""

from __future__ import annotations

import array
import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from pinpipe import errors, kafka

PARTITIONS = 3
PINS = [
    json.dumps({"index": i, "unique_id": f"u{i}", "follower_count": "1k", "title": "é"}).encode()
    for i in range(500)
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as running:
        yield running


def topic_of(cluster: kafka.MockCluster, name: str, partitions: int = PARTITIONS) -> str:
    cluster.create_topic(name, partitions)
    return name


def read_all(cluster: kafka.MockCluster, topic: str, count: int) -> list[kafka.Message]:
    found: list[kafka.Message] = []
    deadline = time.monotonic() + 30
    with kafka.Consumer(cluster.brokers, f"all-{topic}", topic) as consumer:
        while len(found) < count and time.monotonic() < deadline:
            found += consumer.poll()
    return sorted(found, key=lambda message: (message.partition, message.offset))


FORMS: dict[str, Any] = {
    "list": [b"a", None, b"", "é"],
    "binary": pa.array([b"a", None, b"", "é".encode()], pa.binary()),
    "large_string": pa.array(["a", None, "", "é"], pa.large_string()),
    "slice": pa.array([b"-", b"a", None, b"", "é".encode(), b"-"], pa.binary())[1:5],
    "buffers": kafka.Column("aé".encode(), array.array("q", [0, 1, 1, 1, 3]), b"\x0d"),
    "narrow": kafka.Column(bytearray("aé".encode()), array.array("i", [0, 1, 1, 1, 3]), bytes([13])),
}


def test_columns_of_every_form(cluster: kafka.MockCluster) -> None:
    """The same four values, whatever holds them."""
    entry = pa.struct({"name": pa.string(), "value": pa.binary()})
    arrow_headers = pa.array([[{"name": "h", "value": b"1"}], None, [], []], pa.list_(entry))
    for form, column in FORMS.items():
        topic, is_arrow = topic_of(cluster, f"form-{form}"), form in {"binary", "slice"}
        with kafka.Producer(cluster.brokers) as producer:
            delivery = producer.produce_batch(
                topic,
                column,
                column,
                headers=arrow_headers if is_arrow else [{"h": b"1"}, None, [("x", None), ("x", "2")], {}],
                timestamps=pa.array([1, 2, 3, 4], pa.timestamp("ms")) if is_arrow else [1, 2, 3, 4],
                partitions=pa.array([0, 1, 2, 0], pa.int32()) if is_arrow else [0, 1, 2, 0],
            ).wait()
            assert bytes(delivery.outcomes) == bytes([1, 1, 1, 1])
            assert list(delivery.partitions) == [0, 1, 2, 0]
            assert list(delivery.offsets) == [0, 0, 0, 1]
            assert (len(delivery), delivery.queued, delivery.delivered, delivery.failed) == (4, 4, 4, 0)
            assert (delivery.waiting, delivery.failures()) == (0, [])
    values = [b"a", "é".encode(), None, b""]
    found = read_all(cluster, "^form-", 4 * len(FORMS))
    for form in FORMS:
        messages = [message for message in found if message.topic == f"form-{form}"]
        assert [message.value for message in messages] == values, form
        assert [message.key for message in messages] == values, form
        assert [message.timestamp_ms for message in messages] == [1, 4, 2, 3], form
        twice = () if form in {"binary", "slice"} else (("x", None), ("x", b"2"))
        assert [message.headers for message in messages] == [(("h", b"1"),), (), (), twice], form


def cut(column: pa.Array, *ends: int) -> pa.ChunkedArray:
    """The array in chunks that end there; one of them is empty."""
    firsts = [0, *ends]
    return pa.chunked_array(
        [column[first:end] for first, end in zip(firsts, [*ends, len(column)], strict=True)], column.type
    )


def test_chunks_of_any_length(cluster: kafka.MockCluster) -> None:
    """Each column has chunks of its own, and one has none: every record has what belongs to it."""
    count, topic = 50, topic_of(cluster, "chunks")
    values = pa.array([None if n % 7 == 3 else b"v%d" % n for n in range(count)], pa.binary())
    keys = pa.array([f"k{n}" for n in range(count)], pa.large_string())
    entry = pa.struct({"name": pa.string(), "value": pa.binary()})
    headers = pa.array([[{"name": "n", "value": b"%d" % n}] * (n % 3) for n in range(count)], pa.list_(entry))
    times = pa.array([1000 + n for n in range(count)], pa.int64())
    with kafka.Producer(cluster.brokers) as producer:
        delivery = producer.produce_batch(
            topic,
            cut(values, 10, 10, 31),
            cut(keys, 9, 40),
            headers=cut(headers, 17),
            timestamps=cut(times, 25, 49),
            partitions=[n % 3 for n in range(count)],
        ).wait()
        assert (len(delivery), delivery.delivered) == (count, count)
        assert list(delivery.partitions) == [n % 3 for n in range(count)]
        empty = producer.produce_batch(topic, pa.chunked_array([], pa.binary()), cut(keys[:0], 0)).wait()
        assert (len(empty), empty.delivered) == (0, 0)
    found = read_all(cluster, topic, count)
    assert len(found) == count
    for message in found:
        n = int((message.key or b"")[1:])
        assert (message.partition, message.timestamp_ms) == (n % 3, 1000 + n)
        assert message.value == values[n].as_py()
        assert message.headers == (("n", b"%d" % n),) * (n % 3)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no column": ({"values": b"abc"}, "values: bytes is not a column"),
    "chunked numbers": ({"values": pa.chunked_array([[1]])}, "values: Arrow data of format 'l'"),
    "chunked lengths": (
        {"values": pa.chunked_array([[b"a"]]), "keys": [b"a", b"b"]},
        "keys: 2 entries for 1 values",
    ),
    "a table": ({"values": pa.table({"a": [b"a"]})}, r"values: Arrow data of format '\+s'"),
    "numbers": ({"values": pa.array([1])}, "values: Arrow data of format 'l'"),
    "dictionary": ({"values": pa.array([b"a"]).dictionary_encode()}, "dictionary"),
    "an item": ({"values": [b"a", 1]}, "values: "),
    "lengths": ({"values": [b"a"], "keys": [b"a", b"b"]}, "keys: 2 entries for 1 values"),
    "offsets fall": ({"values": kafka.Column(b"ab", array.array("i", [0, 2, 1]))}, "values: entry 1"),
    "offsets beyond": ({"values": kafka.Column(b"ab", array.array("q", [0, 3]))}, "values: entry 0"),
    "no offsets": ({"values": kafka.Column(b"ab", array.array("q"))}, "no entry"),
    "odd offsets": ({"values": kafka.Column(b"ab", array.array("h", [0, 1]))}, "int32 or int64"),
    "bitmap": ({"values": kafka.Column(b"a", array.array("i", [0, 1]), b"")}, "bitmap"),
    "time": ({"values": [b"a"], "timestamps": pa.array([1], pa.timestamp("us"))}, "timestamps: "),
    "null time": ({"values": [b"a"], "timestamps": pa.array([None], pa.int64())}, "timestamps: .* nulls"),
    "partitions": ({"values": [b"a"], "partitions": array.array("q", [1])}, "partitions: .*int32"),
    "headers": ({"values": [b"a"], "headers": pa.array([["x"]])}, "headers: "),
    "header name": ({"values": [b"a"], "headers": [{"": b"x"}]}, "header without a name"),
}


@pytest.mark.parametrize("name", BAD)
def test_columns_that_are_none(cluster: kafka.MockCluster, name: str) -> None:
    """Refused before a record is queued, by the name of what is wrong."""
    given, text = BAD[name]
    with kafka.Producer(cluster.brokers) as producer:
        with pytest.raises(errors.InvalidArgumentError, match=text):
            producer.produce_batch("t", **given)
        assert producer.written == 0


def test_what_is_sent_from_where_it_lies_is_held(cluster: kafka.MockCluster) -> None:
    """A column outlives its names until the last report; one that can change is copied."""
    topic = topic_of(cluster, "held", 1)
    producer = kafka.Producer(cluster.brokers, settings={"linger.ms": 300})
    producer.write(topic, b"first")
    fixed = pa.array([b"%06d" % i for i in range(1000)])
    before = sys.getrefcount(fixed)
    delivery = producer.produce_batch(topic, fixed)
    changing = bytearray(b"abcd")
    other = producer.produce_batch(topic, kafka.Column(changing, array.array("q", range(5))))
    changing[:] = b"----"
    del fixed
    gc.collect()
    assert delivery.wait().delivered == 1000
    assert other.wait().delivered == 4
    assert before > 0
    producer.close()
    values = [message.value for message in read_all(cluster, topic, 1005)]
    assert values == [b"first", *(b"%06d" % i for i in range(1000)), b"a", b"b", b"c", b"d"]


def test_a_record_is_refused_alone(cluster: kafka.MockCluster) -> None:
    """Too large, no such partition: the record's own result; the flush tells of what no wait has told."""
    topic = topic_of(cluster, "alone", 1)
    values = [b"a", b"x" * 2_000_000, b"b"]
    producer = kafka.Producer(cluster.brokers)
    delivery = producer.produce_batch(topic, values, partitions=[0, 0, 7])
    with pytest.raises(errors.Error, match="2 records were not delivered"):
        producer.flush()
    assert list(delivery.outcomes) == [1, 2, 2]
    failures = delivery.failures()
    assert [failure.index for failure in failures] == [1, 2]
    assert [failure.error.status for failure in failures] == ["ELIMIT", "ENOTFOUND"]
    assert not any(failure.uncertain for failure in failures)
    assert len(delivery.failures(1)) == 1
    assert "1 of 3 delivered" in repr(delivery)
    producer.produce_batch(topic, [b"c"], partitions=[9]).wait()
    producer.flush()
    producer.close()


def test_a_full_queue(cluster: kafka.MockCluster) -> None:
    """An error at once, or a wait; what is queued goes on where it stopped."""
    topic = topic_of(cluster, "full", 1)
    settings: kafka.Settings = {"queue.buffering.max.messages": 10, "linger.ms": 200}
    producer = kafka.Producer(cluster.brokers, settings=settings)
    producer.write(topic, b"first")
    producer.flush()
    batch = producer.batch(topic, [b"%d" % i for i in range(25)])
    with pytest.raises(errors.DeadlineError, match="room in the producer's queue"):
        batch.write(0)
    assert batch.queued == 10
    batch.write(10)
    assert batch.wait().delivered == 25
    again = producer.batch(topic, [b"x"] * 25)
    with pytest.raises(errors.DeadlineError):
        again.write(0)
    producer.close()
    assert producer.dropped == 10
    assert again.failed == 25
    assert producer.clear.__doc__
    with pytest.raises(errors.InvalidArgumentError, match="closed"):
        again.write()


def test_tables_there_and_back(cluster: kafka.MockCluster) -> None:
    """Rows become JSON values with keys; clean_batch reads them as pinpipe.clean does and names places."""
    topic = topic_of(cluster, "tables", 1)
    raw = pinpipe.decode("pin", PINS)
    with kafka.Producer(cluster.brokers) as producer:
        delivery = producer.produce_table(topic, raw, key="unique_id").wait()
        assert (delivery.delivered, list(delivery.offsets)) == (500, list(range(500)))
        producer.produce_batch(topic, [b"junk", None])
        producer.produce_table(topic, pa.table(raw).slice(0, 2), record="pin", key="index")
        with pytest.raises(errors.InvalidArgumentError, match="key 'nothing'"):
            producer.produce_table(topic, raw, key="nothing")
    tables: list[pa.Table] = []
    rejects: list[kafka.RecordReject] = []
    lines: list[bytes] = []
    keys: list[bytes | None] = []
    next_offsets: dict[tuple[str, int], int] = {}
    deadline = time.monotonic() + 30
    with kafka.Consumer(cluster.brokers, "tables", topic) as consumer:
        while next_offsets.get((topic, 0), 0) < 504 and time.monotonic() < deadline:
            batch = consumer.clean_batch("pin", max_records=200)
            assert len(batch.records) <= 200
            tables.append(pa.table(batch.table))
            rejects += batch.rejects
            next_offsets.update(batch.next_offsets)
            lines += [value or b"" for value in batch.records.values()]
            keys += batch.records.keys()
        consumer.commit(next_offsets)
        assert consumer.committed([(topic, 0)]) == {(topic, 0): 504}
    assert b"\n".join(lines[:500]) + b"\n" == pinpipe.encode(raw)
    assert keys[:3] == [b"u0", b"u1", b"u2"]
    assert keys[-2:] == [b"0", b"1"]
    assert [(one.topic, one.partition, one.offset, one.data) for one in rejects] == [
        (topic, 0, 500, b"junk"),
        (topic, 0, 501, b""),
    ]
    assert pa.concat_tables(tables).slice(0, 500).equals(pa.table(pinpipe.clean("pin", PINS)))


def test_records_are_arrow_data(cluster: kafka.MockCluster) -> None:
    """Shared, not copied; any number of times; still there when the next read has begun."""
    topic = topic_of(cluster, "arrow", 2)
    with kafka.Producer(cluster.brokers) as producer:
        producer.produce_batch(
            topic, [b"a", None, b"c"], [None, b"k", b""], timestamps=[5, 6, 7], partitions=[0, 0, 1]
        )
    found: list[pa.RecordBatch] = []
    deadline = time.monotonic() + 30
    with kafka.Consumer(cluster.brokers, "arrow", topic) as consumer:
        empty = pa.record_batch(kafka.Records(pinpipe.native.pinpipe_kafka_records_new(), []))
        assert empty.num_rows == 0
        empty.validate(full=True)
        while sum(batch.num_rows for batch in found) < 3 and time.monotonic() < deadline:
            records = consumer.consume_batch(1)
            assert list(records.topics) == [0] * len(records)
            assert pa.record_batch(records).equals(pa.record_batch(records))
            if len(records):
                found.append(pa.record_batch(records))
                assert topic in repr(records)
                assert list(records.timestamps_ms) == [found[-1]["timestamp"][0].value]
            del records
    for batch in found:
        batch.validate(full=True)
    rows = sorted(pa.Table.from_batches(found).to_pylist(), key=lambda row: (row["partition"], row["offset"]))
    assert [(row["topic"], row["partition"], row["offset"], row["key"], row["value"]) for row in rows] == [
        (topic, 0, 0, None, b"a"),
        (topic, 0, 1, b"k", None),
        (topic, 1, 0, b"", b"c"),
    ]


def test_a_read_ends_where_it_is_told(cluster: kafka.MockCluster) -> None:
    """By count and by bytes; with something there it does not wait for more."""
    topic = topic_of(cluster, "ends", 1)
    with kafka.Producer(cluster.brokers) as producer:
        producer.produce_batch(topic, [b"x" * 1000] * 300)
    with kafka.Consumer(cluster.brokers, "ends", topic) as consumer:
        deadline = time.monotonic() + 30
        while len(consumer.consume_batch(1)) == 0 and time.monotonic() < deadline:
            pass
        assert len(consumer.consume_batch(7)) == 7
        assert len(consumer.consume_batch(max_bytes=5000)) == 5
        began = time.monotonic()
        assert len(consumer.consume_batch(timeout=20)) == 287
        assert time.monotonic() - began < 10
        with pytest.raises(errors.InvalidArgumentError, match="a batch of"):
            consumer.consume_batch(-1)


def test_statistics(cluster: kafka.MockCluster) -> None:
    """Counted where the setting asks for it."""
    topic = topic_of(cluster, "counted", 1)
    with kafka.Producer(cluster.brokers) as producer:
        producer.write(topic, b"x")
        producer.flush()
        assert producer.statistics() is None
    with kafka.Producer(cluster.brokers, settings={"statistics.interval.ms": 100}) as producer:
        producer.produce_batch(topic, [b"x" * 100] * 50).wait()
        deadline = time.monotonic() + 10
        found = None
        while not (found and found.sent_records) and time.monotonic() < deadline:
            time.sleep(0.05)
            producer.poll()
            found = producer.statistics()
        assert found
        assert found.sent_records == 50
        assert found.queued_records == 0
        assert found.brokers_up >= 1
        assert found.sent_bytes > 5000
        assert found.received_responses > 0
        assert json.loads(found.json)["txmsgs"] == 50
    with kafka.Consumer(
        cluster.brokers, "counted", topic, settings={"statistics.interval.ms": 100}
    ) as consumer:
        read, deadline = 0, time.monotonic() + 30
        while read < 51 and time.monotonic() < deadline:
            read += len(consumer.consume_batch())
        consumer.commit({(topic, 0): 21})
        read_count = None
        while not (read_count and read_count.lag_records) and time.monotonic() < deadline:
            consumer.consume_batch(timeout=0.2)
            read_count = consumer.statistics()
        assert read_count
        assert read_count.received_records == 51
        assert read_count.lag_records == read_count.lag_max_records == 30


def test_a_child_of_a_fork(cluster: kafka.MockCluster) -> None:
    """A batch, its results and its producer answer ForkedError at once."""
    topic = topic_of(cluster, "forked", 1)
    producer = kafka.Producer(cluster.brokers)
    delivery = producer.produce_batch(topic, [b"x"]).wait()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for call in (delivery.wait, delivery.write, lambda: delivery.offsets, producer.clear):
                with pytest.raises(errors.ForkedError):
                    call()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    producer.close()
