"""Turns every option of the sink and every flag of its command into what it changes, on the embedded cluster.

Never looks at an option alone: each goes through the real parser to objects, counters, commits or one line of error.
Rules: docs/sink.md; CONTRACT §2 (arguments, exit codes).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import gzip
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pinpipe import Credentials, errors, kafka, s3
from pinpipe._sink import Names, Sink, UntilIdle, settings_table

TOPIC = "opt.pin"
COUNT = 40
FIRST_MS = 1_600_000_000_000  # 2020-09-13T12:26:40Z; a record a minute from there
NOTHING_S = 8.0  # after which a sink that is to read nothing has read nothing; the cluster's groups take 3
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LATEST = "auto.offset.reset=latest\n"


def value(n: int) -> bytes:
    at = "2021-03-01T10:00:00Z" if n < COUNT // 2 else "2022-04-02T10:00:00Z"
    return json.dumps({"n": n, "c": ("even", "odd")[n % 2], "at": at, "made": at[:10]}).encode()


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a sink left behind."""

    files: dict[str, bytes]
    counters: dict[str, int]
    committed: dict[tuple[str, int], int]
    error: errors.Error | None

    def lines(self, root: str = "topics/") -> Counter[str]:
        """Lines by folder, below the topic's."""
        found: Counter[str] = Counter()
        for path, data in self.files.items():
            if path.startswith(root):
                text = gzip.decompress(data) if path.endswith(".gz") else data
                found[path.removeprefix(f"{root}{TOPIC}/").rpartition("/")[0]] += text.count(b"\n")
        return found


def read_all(sink: Sink) -> bool:
    return sink.counters["records_read"] >= COUNT + 2


def rotated(reason: str) -> Callable[[Sink], bool]:
    return lambda sink: sink.counters[f"rotations_{reason}"] > 0


@dataclasses.dataclass(frozen=True)
class Case:
    """Options, and what is true once they have had their effect."""

    options: dict[str, Any]
    holds: Callable[[Seen], object]
    until: Callable[[Sink], bool] = read_all
    files: dict[str, str] = dataclasses.field(default_factory=dict)


def folders(options: dict[str, Any], wanted: dict[str, int]) -> Case:
    return Case(options, lambda seen: dict(seen.lines()) == wanted)


def nothing(sink: Sink) -> bool:
    return time.monotonic() - STARTED[0] >= NOTHING_S


STARTED = [0.0]
WHOLE = {"partition=0": COUNT}
TODAY = datetime.datetime.now(datetime.UTC)
CONNECT = {"behavior.on.null.values": "ignore", "topics.dir": "c", "errors.tolerance": "all"}

CASES: dict[str, Case] = {
    "none": Case(
        {},
        lambda seen: (
            dict(seen.lines()) == WHOLE
            and dict(seen.lines("rejects/")) == {"partition=0": 1}
            and seen.counters["records_null"] == 1
            and seen.committed == {(TOPIC, 0): COUNT + 2}
        ),
    ),
    "group": Case({"group": "a-group"}, lambda seen: seen.committed == {(TOPIC, 0): COUNT + 2}),
    "settings": Case(
        {"settings": {"auto.offset.reset": "latest"}},
        lambda seen: seen.counters["records_read"] == 0,
        nothing,
    ),
    "properties": Case(
        {"properties": "client.properties"},
        lambda seen: seen.counters["records_read"] == 0,
        nothing,
        {"client.properties": LATEST},
    ),
    "flush_records": Case(
        {"flush_records": 7},
        lambda seen: seen.counters["rotations_count"] == 5 and len(seen.files) == 7,
    ),
    "flush_bytes": Case(
        {"flush_bytes": 500},
        lambda seen: (
            seen.counters["rotations_bytes"] >= 4
            and all(len(data) < 500 + len(value(COUNT)) + 1 for data in seen.files.values())
        ),
    ),
    "idle_ms": Case({"idle_ms": 150}, lambda seen: seen.counters["rotations_idle"] == 2, rotated("idle")),
    "max_buffered_bytes": Case(
        {"max_buffered_bytes": 1100},
        lambda seen: seen.counters["rotations_memory"] >= 2 and seen.counters["bytes_buffered_max"] <= 1100,
    ),
    "layout": Case(
        {"layout": "envelope"},
        lambda seen: dict(seen.lines()) == {"partition=0": COUNT + 1} and b'"headers":[]' in whole(seen),
    ),
    "rotate_interval_ms": Case(
        {"rotate_interval_ms": 600_000, "timestamp": "record", "partitioner": "daily"},
        lambda seen: seen.counters["rotations_time"] == 3 and len(seen.files) == 5,
    ),
    "rotate_schedule_ms": Case(
        {"rotate_schedule_ms": 500}, lambda seen: seen.counters["records_stored"], rotated("schedule")
    ),
    "compression gzip": Case(
        {"compression": "gzip"},
        lambda seen: [path[-8:] for path in seen.files] == [".json.gz"] * 2 and dict(seen.lines()) == WHOLE,
    ),
    "compression zstd": Case(
        {"compression": "zstd"},
        lambda seen: all(p.endswith(".zst") and d.startswith(ZSTD_MAGIC) for p, d in seen.files.items()),
    ),
    "compression_level": Case(
        {"compression": "gzip", "compression_level": 9},
        # RFC 1952, XFL 2: the slowest algorithm.
        lambda seen: all(data[8] == 2 for data in seen.files.values()) and dict(seen.lines()) == WHOLE,
    ),
    "partitioner field": folders(
        {"partitioner": "field", "partition_fields": ["c", "made"]},
        {f"c={c}/made={made}": 10 for c in ("even", "odd") for made in ("2021-03-01", "2022-04-02")},
    ),
    "partition_fields as text": folders(
        {"partitioner": "field", "partition_fields": "c"}, {"c=even": 20, "c=odd": 20}
    ),
    "partitioner time": folders(
        {
            "partitioner": "time",
            "path_format": "'y'=YYYY/'m'=mm",
            "partition_duration_ms": 1_800_000,
            "timestamp": "record",
        },
        {"y=2020/m=00": 10, "y=2020/m=30": 30},
    ),
    "partitioner daily": folders(
        {"partitioner": "daily", "timestamp": "record"}, {"year=2020/month=09/day=13": COUNT}
    ),
    "partitioner hourly, timezone": folders(
        {"partitioner": "hourly", "timestamp": "record", "timezone": "Europe/Berlin"},
        {"year=2020/month=09/day=13/hour=14": 34, "year=2020/month=09/day=13/hour=15": 6},
    ),
    "timestamp wallclock": Case(
        {"partitioner": "daily", "timestamp": "wallclock"},
        lambda seen: all(folder >= f"year={TODAY:%Y/month=%m/day=%d}" for folder in seen.lines()),
    ),
    "timestamp_field": folders(
        {"partitioner": "daily", "timestamp": "record_field", "timestamp_field": "at"},
        {"year=2021/month=03/day=01": 20, "year=2022/month=04/day=02": 20},
    ),
    "null_values skip": Case({"null_values": "skip"}, lambda seen: seen.counters["records_null"] == 1),
    "null_values keep": Case({"null_values": "keep"}, lambda seen: b"\nnull\n" in whole(seen)),
    "null_values reject": Case(
        {"null_values": "reject"}, lambda seen: dict(seen.lines("rejects/")) == {"partition=0": 2}
    ),
    "null_values fail": Case(
        {"null_values": "fail"}, lambda seen: f"offset {COUNT}: null value" in str(seen.error)
    ),
    "unreadable_values skip": Case(
        {"unreadable_values": "skip"}, lambda seen: seen.counters["records_skipped"] == 1
    ),
    "unreadable_values fail": Case(
        {"unreadable_values": "fail"}, lambda seen: f"offset {COUNT + 1}: newline in value" in str(seen.error)
    ),
    "unreadable_values reject": Case(
        {"unreadable_values": "reject"}, lambda seen: seen.counters["records_rejected"] == 1
    ),
    "dead_letter_topic": Case(
        {"dead_letter_topic": "letters"},
        lambda seen: seen.counters["records_rejected"] == 1 and not seen.lines("rejects/"),
    ),
    "topics_dir": Case({"topics_dir": "a/b"}, lambda seen: dict(seen.lines("a/b/")) == WHOLE),
    "connector mapping": Case(
        {"connector": {**CONNECT, "flush.size": 11}},
        lambda seen: dict(seen.lines("c/")) == WHOLE and seen.counters["rotations_count"] == 3,
    ),
    "connector properties": Case(
        {"connector": "sink.properties"},
        lambda seen: dict(seen.lines("c/")) == WHOLE,
        files={"sink.properties": "".join(f"{name}={text}\n" for name, text in CONNECT.items())},
    ),
    "connector json": Case(
        {"connector": "sink.json"},
        lambda seen: dict(seen.lines("c/")) == WHOLE,
        files={"sink.json": json.dumps({"config": CONNECT})},
    ),
    "connector, the last wins": Case(
        {"connector": [CONNECT, {"topics.dir": "d"}], "flush_records": 10},
        lambda seen: dict(seen.lines("d/")) == WHOLE and seen.counters["rotations_count"] == 4,
    ),
    "connector, options win": Case(
        {"connector": CONNECT, "topics_dir": "e"}, lambda seen: dict(seen.lines("e/")) == WHOLE
    ),
}


def whole(seen: Seen) -> bytes:
    return b"".join(data for path, data in sorted(seen.files.items()) if path.startswith("topics/"))


@pytest.fixture(scope="module")
def cluster() -> kafka.MockCluster:
    made = kafka.MockCluster()
    made.create_topic(TOPIC)
    made.create_topic("letters")
    with kafka.Producer(made.brokers) as producer:
        for n in range(COUNT):
            producer.write(TOPIC, value(n), str(n), timestamp_ms=FIRST_MS + 60_000 * n)
        producer.write(TOPIC, None, "null", timestamp_ms=FIRST_MS)
        producer.write(TOPIC, b"{\n}", "torn", timestamp_ms=FIRST_MS)
    return made


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def seen(cluster: kafka.MockCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """Every case at once, because each has to wait for its group."""
    sinks: dict[str, tuple[Sink, Path]] = {}
    failed: dict[str, errors.Error] = {}
    STARTED[0] = time.monotonic()
    for number, (name, case) in enumerate(CASES.items()):
        folder = tmp_path_factory.mktemp("sink")
        for file, text in case.files.items():
            (folder.parent / file).write_text(text)
        options = {"group": f"case-{number}", "idle_ms": 600_000, **case.options}
        for key in ("properties", "connector"):
            if isinstance(options.get(key), str):
                options[key] = folder.parent / options[key]
        sinks[name] = Sink(cluster.brokers, TOPIC, folder.as_uri(), **options), folder
    open_names = set(sinks)
    while open_names and time.monotonic() - STARTED[0] < 60:
        for name in list(open_names):
            sink, _ = sinks[name]
            try:
                sink.poll(0.005)
                if CASES[name].until(sink):
                    sink.flush()
                    open_names.discard(name)
            except errors.DataError as error:
                failed[name] = error
                open_names.discard(name)
    results = {
        name: Seen(files_below(folder), sink.counters, sink.committed_offsets, failed.get(name))
        for name, (sink, folder) in sinks.items()
    }
    closing = [threading.Thread(target=sink.close) for sink, _ in sinks.values()]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    return results


@pytest.mark.parametrize("name", CASES)
def test_options(seen: dict[str, Seen], name: str) -> None:
    found = seen[name]
    assert (found.error is not None) == name.endswith(" fail"), found.error
    assert CASES[name].holds(found), (found.counters, sorted(found.files), found.committed)


def test_every_option_has_a_case() -> None:
    tried = {key for case in CASES.values() for key in case.options}
    elsewhere = {"brokers", "topics", "to", "iam", "region", "s3", "store_timeout", "workers"}  # below
    names = set(Sink.__init__.__annotations__) - {"return", "names"}
    assert names | set(Names.__annotations__) == tried | elsewhere


def test_group_is_the_one_that_commits(seen: dict[str, Seen], cluster: kafka.MockCluster) -> None:
    assert seen["group"].committed
    with kafka.Consumer(cluster.brokers, "a-group", TOPIC) as consumer:
        # Behind its joining, which may wait until the broker has given up a member that came and went.
        assert consumer.committed([(TOPIC, 0)], timeout=90) == {(TOPIC, 0): COUNT + 2}


def thread_names() -> list[str]:
    """Of this process, the threads that are there to be looked at."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # librdkafka's come and go by themselves
            names.append(task.joinpath("comm").read_text().rstrip())
    return names


def test_workers_are_threads(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    def opened(workers: int) -> int:
        before = thread_names().count("pinpipe-upload")
        sink = Sink(cluster.brokers, "none", tmp_path.as_uri(), group="threads", workers=workers)
        names = thread_names()
        sink.close()
        return names.count("pinpipe-upload") - before

    assert opened(9) == 9
    assert opened(2) == 2
    with pytest.raises(errors.InvalidArgumentError, match="workers 65 is more than 64"):
        opened(65)


def test_a_group_that_does_not_answer_has_a_deadline(
    cluster: kafka.MockCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinpipe._sink.JOIN_TIMEOUT_S", 1.0)
    cluster.create_topic("silent", 1)
    with kafka.Consumer(cluster.brokers, "silent", "silent") as member:
        deadline = time.monotonic() + 60
        while not member.generation and time.monotonic() < deadline:
            member.poll(0.2)
        assert member.generation == 1
        # Who does not poll does not rejoin, and the group waits for it.
        with Sink(cluster.brokers, "silent", tmp_path.as_uri(), group="silent") as sink:
            with pytest.raises(errors.DeadlineError, match="no partitions for 1 s"):
                sink.run(UntilIdle(0.1))
            assert sink.generation == 0


def test_store_timeout_ends_a_store_that_is_away(cluster: kafka.MockCluster) -> None:
    client = s3.Client(
        "http://127.0.0.1:1", region="us-east-1", credentials=Credentials.static("key", "secret"), attempts=1
    )
    with Sink(
        cluster.brokers, TOPIC, "s3://bucket", group="away", s3=client, store_timeout=0.5, idle_ms=100
    ) as sink:
        started = time.monotonic()
        with pytest.raises(errors.NetworkError) as caught:
            sink.run(lambda s: time.monotonic() - started > 30)
        assert caught.value.service == "http"
        sink.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"region": "us-east-1"}, "IAM login, which was not asked for"),
        (
            {
                "iam": Credentials.static("key", "secret"),
                "region": "us-east-1",
                "settings": {"security.protocol": "plaintext"},
            },
            "security.protocol",
        ),
        ({"settings": {"no.such.setting": 1}}, "no.such.setting"),
        ({"properties": "/nowhere/client.properties"}, "/nowhere/client.properties"),
        ({"connector": {"flush.sise": 3}}, "flush.sise"),
        ({"connector": {"errors.deadletterqueue.topic.name": "d"}}, "errors.tolerance=all"),
        ({"dead_letter_topic": TOPIC}, "among the topics"),
        ({"dead_letter_topic": "d", "unreadable_values": "fail"}, "errors.tolerance=all"),
        ({"compression": "brotli"}, "s3.compression.type 'brotli'"),
        ({"partitioner": "weekly"}, "partitioner.class 'weekly'"),
        ({"timezone": "Nowhere/City", "partitioner": "daily"}, "Nowhere/City"),
        ({"store_timeout": -1}, "timeout -1"),
    ],
)
def test_options_that_are_none(
    cluster: kafka.MockCluster, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(errors.Error, match=told):
        Sink(cluster.brokers, TOPIC, tmp_path.as_uri(), **options)


def test_table_of_settings() -> None:
    table = {name: (support, text) for name, support, text in settings_table()}
    assert table["errors.deadletterqueue.topic.name"][0] == "supported"
    assert table["aws.access.key.id"][0] == "refused"
    assert table["tasks.max"][0] == "accepted"


def command(cluster: kafka.MockCluster, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "pinpipe", "sink", "--brokers", cluster.brokers, "--topics", TOPIC]
    return subprocess.run(
        [*start, "--to", folder.as_uri(), *flags], capture_output=True, text=True, check=False, timeout=60
    )


def test_flags(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    """All flags of one run; what it tells is CSV, and 3 says that there is a reject."""
    (tmp_path / "sink.properties").write_text("behavior.on.null.values=keep\ntopics.dir=unused\n")
    (tmp_path / "client.properties").write_text(LATEST)
    done = command(
        cluster,
        tmp_path / "out",
        *("--config", str(tmp_path / "sink.properties"), "--connector", "topics.dir=cli"),
        *("--connector", "s3.compression.type=gzip", "--layout", "envelope", "--workers", "2"),
        *("--flush-records", "30", "--flush-bytes", "2000", "--idle-ms", "400", "--group", "flags"),
        *("--properties", str(tmp_path / "client.properties"), "--set", "auto.offset.reset=earliest"),
        *("--until-idle", "6", "--format", "csv"),
    )
    assert (done.returncode, done.stderr) == (3, "")
    told = {row.split(",")[1]: int(row.split(",")[2]) for row in done.stdout.splitlines()[1:]}
    assert (told["records_stored"], told["records_rejected"]) == (COUNT + 1, 1)
    assert told["rotations_bytes"] >= 2
    assert told["rotations_idle"] == 2
    found = files_below(tmp_path / "out")
    lines = [
        json.loads(line)
        for path, data in sorted(found.items())
        if path.startswith("cli/")
        for line in gzip.decompress(data).splitlines()
    ]
    assert [line["offset"] for line in lines] == list(range(COUNT + 1))
    assert all(line["value"] == json.loads(value(line["offset"])) for line in lines[:COUNT])
    assert lines[COUNT]["value"] is None


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--region", "us-east-1"), 1, "IAM login"),
        (("--iam", "--region", "us-east-1"), 1, "no credentials"),
        (("--set", "no.such.setting=1"), 1, "no.such.setting"),
        (("--config", "/nowhere/sink.properties"), 1, "/nowhere/sink.properties"),
        (("--connector", "format.class=x"), 1, "format.class 'x'"),
        (("--layout", "table"), 2, "invalid choice: 'table'"),
        (("--workers", "65"), 1, "workers 65"),
        (("--flush-bytes", "-1"), 1, "flush_bytes -1"),
        (("--format", "xml"), 2, "invalid choice: 'xml'"),
    ],
)
def test_flags_that_are_none(
    cluster: kafka.MockCluster, tmp_path: Path, flags: tuple[str, ...], code: int, told: str
) -> None:
    done = command(cluster, tmp_path, *flags, "--until-idle", "1")
    assert told in done.stderr
    assert done.returncode == code
