"""Turns `pinpipe.kinesis.Producer` before throttling shards, faults and reshards into counts of what arrived.

Never counts by the producer's own word alone: the stream is read back.
Rules: docs/kinesis.md, "Producer"; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import array
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pinpipe
import pyarrow as pa
import pytest
from gates import KEY
from kinesis_aggregates import unpack
from kinesis_servers import gate_before
from pinpipe import _row_sinks, _store, errors, kinesis
from test_kinesis_client import read_all, stream

from tests.doubles.backend import Backend
from tests.doubles.gate import Gate
from tests.doubles.kinesis_limits import ShardLimits
from tests.doubles.sigv4_verifier import Key

KEYS = [f"0a1b-{kind}" for kind in ("pin", "geo", "user")] + [f"key-{number}" for number in range(40)]
CREDENTIALS = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
ORDERED = [
    {"ordering": "key"},
    {"ordering": "strict"},
    {"ordering": "key", "aggregate_bytes": 51200},
]


@contextlib.contextmanager
def throttled(endpoint: str, shards: int, **limits: float) -> Iterator[tuple[Gate, str]]:
    """A gate whose shards have limits, and a stream behind it."""
    with (
        gate_before(endpoint) as plain,
        stream(kinesis.Client(plain.endpoint, credentials=CREDENTIALS), shards) as name,
        gate_before(endpoint, limits=ShardLimits(shards, **limits)) as gate,
    ):
        yield gate, name


def producer(gate: Gate, name: str, **options: object) -> kinesis.Producer:
    return kinesis.Producer(name, gate.endpoint, credentials=CREDENTIALS, **options)  # type: ignore[arg-type]


def write(into: kinesis.Producer, count: int, size: int = 100) -> None:
    for number in range(count):
        into.write(b"%06d" % number + bytes(size), KEYS[number % len(KEYS)], tag=number)


def arrived(gate: Gate, name: str) -> list[tuple[str, int]]:
    """(key, number) of every record in the stream, aggregates opened, in the order of the shards."""
    client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
    found = []
    for record in read_all(client, name):
        packed = unpack(record.data)
        for key, data in packed if packed is not None else [(record.partition_key, record.data)]:
            found.append((key, int(data[:6])))
    return found


def in_order(found: list[tuple[str, int]]) -> bool:
    """Whether the first arrivals of every key come in the order of writing."""
    first: dict[str, list[int]] = {}
    seen = set()
    for key, number in found:
        if number not in seen:
            seen.add(number)
            first.setdefault(key, []).append(number)
    return all(numbers == sorted(numbers) for numbers in first.values())


@pytest.mark.parametrize("options", [{}, {"aggregate_bytes": 20000}, *ORDERED], ids=str)
def test_every_record_once_and_reported_once(kinesalite: str, options: dict[str, object]) -> None:
    with throttled(kinesalite, 3) as (gate, name):
        with producer(gate, name, reports=True, **options) as into:
            write(into, 1000)
            into.flush()
            reports = into.reports()
            assert into.reports() == []
            counters = into.counters
        assert Counter(report.tag for report in reports) == Counter(range(1000))
        assert all(report.error is None and report.shard and report.sequence_number for report in reports)
        assert (counters["written"], counters["delivered"], counters["failed"]) == (1000, 1000, 0)
        assert counters["held_bytes"] == 0
        found = arrived(gate, name)
        assert Counter(number for _, number in found) == Counter(range(1000))
        assert all(KEYS[number % len(KEYS)] == key for key, number in found)
        assert gate.journal.refused == []


def test_columns_are_written_and_told_of_in_arrays(kinesalite: str) -> None:
    """Arrow columns in chunks of their own; each record once, its report in the arrays' entry of its tag."""
    values = pa.chunked_array([[b"%06d" % number for number in range(at, at + 100)] for at in (0, 100, 200)])
    keys = pa.chunked_array(
        [[KEYS[n % len(KEYS)] for n in range(150)], [KEYS[n % len(KEYS)] for n in range(150, 300)]]
    )
    with throttled(kinesalite, 2) as (gate, name):
        with producer(gate, name, reports=True) as into:
            assert into.write_batch(values.slice(7), keys.slice(7), tag=1007) == 293
            assert (
                into.write_batch([b"%06d" % number for number in range(7)], keys.slice(0, 7), tag=1000) == 7
            )
            assert into.write_batch([], []) == 0
            into.flush()
            reports = into.report_arrays()
            assert len(into.report_arrays().tags) == 0
            assert sorted(reports.tags) == list(range(1000, 1300))
            assert set(reports.errors) == {0} and set(reports.attempts) <= {1, 2, 3, 4, 5}
            numbers = reports.sequence_numbers
            first = bytes(numbers.data[numbers.offsets[0] : numbers.offsets[1]]).decode()
            assert len(reports.shards.offsets) == 301 and first.isdigit()
            with pytest.raises(
                errors.InvalidArgumentError, match="record 5: its data or its partition key is null"
            ):
                into.write_batch([b"000000", None], ["k", "k"], tag=4)
            with pytest.raises(errors.LimitError, match=r"record 0: .*bytes of data and key are more"):
                into.write_batch([bytes(2 << 20)], ["k"])
            with pytest.raises(errors.InvalidArgumentError, match="not as many entries as 2"):
                into.write_batch([b"a", b"b"], ["k"])
            with pytest.raises(errors.InvalidArgumentError, match="offsets are beyond the data"):
                into.write_batch(kinesis.Column(b"ab", array.array("q", [0, 3])), ["k"])
            into.flush()
        assert Counter(number for _, number in arrived(gate, name) if number > 0) == Counter(range(1, 300))


@pytest.mark.parametrize("options", [{}, *ORDERED], ids=str)
def test_only_what_failed_is_sent_again(kinesalite: str, options: dict[str, object]) -> None:
    with throttled(kinesalite, 2, failing=0.3, seed=7) as (gate, name):
        with producer(gate, name, linger=0.01, **options) as into:
            write(into, 400)
            into.flush()
            counters, metrics = into.counters, into.metrics
        limits = gate.house.limits
        assert limits is not None
        assert limits.failed > 0
        shards = metrics.shards.values()
        assert len(shards) == 2 and all(shard.refused >= shard.throttled for shard in shards)
        assert sum(shard.delivered for shard in shards) == limits.accepted
        assert sum(shard.throttled for shard in shards) == counters["throttled"]
        assert sum(shard.refused for shard in shards) == sum(metrics.errors.values()) == counters["errors"]
        assert metrics.errors["InternalFailure"] == limits.failed
        assert counters["sent"] == limits.accepted + limits.failed + limits.refused
        assert counters["errors"] == limits.failed + limits.refused
        assert counters["delivered_bytes"] == sum(106 + len(KEYS[n % len(KEYS)]) for n in range(400))
        assert counters["request_ms"] > 0 and counters["oldest_ms"] == 0
        assert counters["buffer_ms"] + counters["request_ms"] > 0
        found = arrived(gate, name)
        assert Counter(number for _, number in found) == Counter(range(400))
        assert not options or in_order(found)


@pytest.mark.parametrize("options", [{}, {"aggregate_bytes": 25000}], ids=str)
def test_overload(kinesalite: str, options: dict[str, object]) -> None:
    """More than the shards take: little is wasted, nothing lost, memory within its bound."""
    count = 5000
    with throttled(kinesalite, 2, burst_s=0.5) as (gate, name):
        with producer(gate, name, memory_bytes=1 << 20, **options) as into:
            began = time.monotonic()
            for number in range(count):
                into.write(b"%06d" % number + bytes(400), KEYS[number % len(KEYS)])
                assert into.counters["held_bytes"] <= 1 << 20
            into.flush(60)
            took = time.monotonic() - began
            counters = into.counters
        limits = gate.house.limits
        assert limits is not None
        assert Counter(number for _, number in arrived(gate, name)) == Counter(range(count))
        assert counters["delivered"] == count
        assert limits.refused < 0.05 * counters["sent"]
        print(f"\n{options}: {count / took:.0f} records/s, {limits.refused} of {counters['sent']} wasted")


def test_shards_that_take_less_than_they_should(kinesalite: str) -> None:
    """Others write to the same shards: the rate comes down, the order of every key stays."""
    with throttled(kinesalite, 2, records_s=200.0, burst_s=0.5) as (gate, name):
        with producer(gate, name, ordering="key") as into:
            write(into, 1200)
            into.flush(60)
            assert into.counters["throttled"] > 0
        found = arrived(gate, name)
        assert Counter(number for _, number in found) == Counter(range(1200))
        assert in_order(found)


def test_faults(kinesalite: str) -> None:
    with throttled(kinesalite, 2) as (gate, name):
        lossless = ("500", "503", "unavailable", "429", "reset-before", "reset-in-body", "reset-after")
        with producer(gate, name, request_records=50, linger=0.01) as into:
            for number, fault in enumerate(lossless):
                gate.faults.add(fault, first=2 * number + 1)
            write(into, 1000)
            into.flush()
        assert sorted(gate.journal.faults) == sorted(lossless)
        assert Counter(number for _, number in arrived(gate, name)) == Counter(range(1000))


def test_a_lost_answer_repeats_and_loses_nothing(kinesalite: str) -> None:
    with throttled(kinesalite, 1) as (gate, name):
        with producer(gate, name, ordering="key", aggregate_bytes=20000) as into:
            gate.faults.add("lost-reply")
            gate.faults.add("truncated", at_bytes=20)
            write(into, 300)
            into.flush()
        found = arrived(gate, name)
        assert {number for _, number in found} == set(range(300))
        assert in_order(found)


def test_keys_that_expire_and_clocks_that_differ(kinesalite: str) -> None:
    with throttled(kinesalite, 1) as (gate, name):
        with producer(gate, name, reports=True) as into:
            gate.clock_offset_s = 1800
            gate.faults.add("expired-token")
            write(into, 10)
            into.flush()
            assert {report.attempts for report in into.reports()} == {1}
        assert len(arrived(gate, name)) == 10


@pytest.mark.parametrize("options", [{}, {"ordering": "key"}], ids=str)
def test_a_key_ends_and_the_clock_moves_between_requests(kinesalite: str, options: dict[str, object]) -> None:
    """The first key ends while requests of a batch are under way; no record pays for it with an attempt."""
    first = Key("ASIAFIRST000", "first/secret+of/the=key", "first/token==", expires_s=time.time() + 1.0)
    second = Key("ASIASECOND00", "second/secret+of/the=key", "second/token==")
    made: list[Key] = []

    def renewed() -> dict[str, object]:
        """Its end is told wrong: only the service knows it."""
        made.append(second if made else first)
        key, end = made[-1], datetime.now(UTC) + timedelta(hours=2)
        return {"access_key": key.key_id, "secret_key": key.secret, "token": key.token, "expiry_time": end}

    backend = Backend(kinesalite, "double", "double", "us-east-1", "kinesis")
    with throttled(kinesalite, 1) as (plain, name), Gate(backend, keys=[first, second]) as gate:
        credentials = pinpipe.Credentials.callback(renewed)
        with kinesis.Producer(
            name, gate.endpoint, credentials=credentials, reports=True, request_records=20, **options
        ) as into:
            began = time.monotonic()
            for number in range(600):
                into.write(b"%06d" % number, KEYS[number % len(KEYS)], tag=number)
                if number == 300:
                    gate.clock_offset_s = 1800.0
                while time.monotonic() - began < number * 0.004:
                    into.poll(0.001)
            into.flush()
            reports = into.reports()
        gate.clock_offset_s = 0.0
        assert made == [first, second]
        assert {refused.code for refused in gate.journal.refused} == {"ExpiredToken", "RequestTimeTooSkewed"}
        assert {report.attempts for report in reports} == {1} and len(reports) == 600
        found = arrived(plain, name)
        assert Counter(number for _, number in found) == Counter(range(600))
        assert not options or in_order(found)


def test_cbor_where_the_service_has_none(kinesis_ministack: _store.Store) -> None:
    given = kinesis_ministack.environment()
    key = pinpipe.Credentials.static(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    endpoint = kinesis_ministack.endpoint
    client = kinesis.Client(endpoint, credentials=key, wire="cbor")
    with stream(client, 2) as name:
        with kinesis.Producer(name, endpoint, credentials=key, wire="cbor", aggregate_bytes=2000) as into:
            write(into, 300)
            into.flush()
        kept: Counter[int] = Counter()
        for record in read_all(client, name):
            for _, data in unpack(record.data) or [("", record.data)]:
                kept[int(data[:6])] += 1
        assert kept == Counter(range(300))


def test_what_cannot_be_delivered_is_told(kinesalite: str) -> None:
    with throttled(kinesalite, 1, records_s=0.0) as (gate, name):
        into = producer(gate, name, reports=True, delivery_timeout=0.3, memory_bytes=1 << 20)
        write(into, 20)
        with pytest.raises(errors.DeadlineError, match="20 records were not delivered"):
            into.flush(10)
        assert {report.error for report in into.reports()} == {"ETIMEOUT"}
        assert into.counters["expired"] == 20
        into.flush()
        with pytest.raises(errors.DeadlineError, match="waiting for room"):
            for _ in range(100):
                into.write(bytes(20000), "k", timeout=0.01)


def test_a_stream_that_is_deleted_meanwhile(kinesalite: str) -> None:
    with gate_before(kinesalite) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        name = f"t-{uuid.uuid4().hex[:12]}"
        client.create_stream(name)
        into = producer(gate, name)
        client.delete_stream(name)
        write(into, 5)
        with pytest.raises(errors.NotFoundError, match="5 records were not delivered; the first: PutRecords"):
            into.flush()
        with pytest.raises(errors.NotFoundError):
            producer(gate, name)


def test_refused_before_it_is_queued(kinesalite: str) -> None:
    with throttled(kinesalite, 1) as (gate, name):
        into = producer(gate, name)
        with pytest.raises(errors.LimitError, match="1048576"):
            into.write(bytes(1 << 20), "k")
        with pytest.raises(errors.InvalidArgumentError, match="partition key"):
            into.write(b"x", "")
        assert into.written == 0
        for options in (
            {"ordering": "strict", "aggregate_bytes": 100},
            {"request_records": 501},
            {"in_flight": 65},
        ):
            with pytest.raises(errors.InvalidArgumentError):
                producer(gate, name, **options)


@pytest.mark.parametrize("options", [{"aggregate_bytes": 4000}, {"ordering": "key"}], ids=str)
def test_a_reshard_under_way(kinesis_local: str, options: dict[str, object]) -> None:
    """Aggregates that were packed for a shard which was split, or merged, meanwhile: a reader would drop them whole."""
    with gate_before(kinesis_local) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client, 1) as name:
            into = producer(gate, name, linger=0.05, **options)
            write(into, 100, 20)
            into.flush()
            (shard,) = client.shards(name)
            client.split_shard(name, shard.id, str(1 << 127))
            write(into, 100, 20)
            into.flush()
            low, high = client.shards(name)[1:]
            client.merge_shards(name, low.id, high.id)
            write(into, 100, 20)
            into.flush()
            ranges = {
                shard.id: (int(shard.first_hash), int(shard.last_hash)) for shard in client.shards(name)
            }
            kept = Counter[int]()
            for shard_id, (first, last) in ranges.items():
                page = client.get(client.iterator(name, shard_id))
                for record in page.records:
                    packed = unpack(record.data, first, last)
                    for _, data in packed if packed is not None else [("", record.data)]:
                        kept[int(data[:6])] += 1
            assert set(kept) == set(range(100))
            assert all(count == 3 for count in kept.values())


def test_rows_of_the_emulator(kinesis_ministack: _store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in kinesis_ministack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", kinesis_ministack.endpoint)
    user = uuid.uuid4().hex[:12]
    client = kinesis.Client(region="us-east-1")
    with pytest.raises(errors.NotFoundError, match="DescribeStreamSummary"):
        _row_sinks.open_sink("kinesis://us-east-1", user)
    for kind in _row_sinks.KINDS:
        client.create_stream(f"streaming-{user}-{kind}", 2)
    with _row_sinks.open_sink("kinesis://us-east-1", user) as sink:
        for number in range(50):
            for kind in _row_sinks.KINDS:
                sink.put(kind, b'{"ind":%d}' % number)
        sink.flush()
    for kind in _row_sinks.KINDS:
        found = [record.data for record in read_all(client, f"streaming-{user}-{kind}")]
        assert Counter(found) == Counter(b'{"ind":%d}' % number for number in range(50))
