"""The benchmark's section on the object sink: a broker's topic into objects, beside a script, Connect and Spark.

Never judges a figure; all threads of the measured process count, the broker's and the store's do not.
Rules: DESIGN §5 ("Speed"); gateway-and-sink-costs.md §4; recipes/kafka.md §6 (Connect's floor does less than a sink).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import figures
import rows
from sections import Bench

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = figures.PEERS / "sink"
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration")]

TOPIC, PARTITIONS, BUCKET = "bench.pin", 4, "bench-sink"
FLUSH = 10_000
SINGLES = 20_000
FOLDERS = 250  # what a commit can tell of in each partition: docs/sink.md
CONNECT_VERSION = "4.3.1"
#: Spark's Kafka source and what PySpark lacks of its needs: one by one, because Spark's own description names a
#: repository that not every machine reaches.
SPARK_KAFKA = (
    "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
    "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.0.0",  # of 4.2.0 Maven Central had no copy here
    "org.apache.kafka:kafka-clients:3.9.2",
    "org.apache.commons:commons-pool2:2.13.1",
)
CONNECT = ("connect-runtime", "connect-json", "connect-file")
CONNECT_TIMEOUT_S = 600
WORKER = """bootstrap.servers={brokers}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.storage.file.filename={folder}/offsets
listeners=http://127.0.0.1:{port}
plugin.discovery=service_load
consumer.auto.offset.reset=earliest
"""
CONNECTOR = """name={group}
connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector
tasks.max=1
topics={topic}
file={folder}/out
"""


def _peers_python() -> str:
    """The interpreter of the script's environment, made once."""
    return figures.environment(FOLDER / "venv", "sink-requirements.txt")


def _jars(name: str, coordinates: Iterable[str], needs: Literal["with their needs", "alone"]) -> Path:
    """Jars, fetched once by Maven."""
    folder = FOLDER / f"jars-{name}"
    if not folder.exists():
        part = FOLDER / f"part-{name}"
        part.mkdir(parents=True, exist_ok=True)
        every = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
        without = f"<exclusions>{every if needs == 'alone' else ''}</exclusions>"
        wanted = "".join(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>".format(
                *one.split(":"), without
            )
            for one in coordinates
        )
        (part / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            f"<groupId>pinpipe</groupId><artifactId>{name}</artifactId><version>1</version>"
            f"<packaging>pom</packaging><dependencies>{wanted}</dependencies></project>",
            encoding="utf-8",
        )
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        subprocess.run([*command, f"-DoutputDirectory={part / 'lib'}"], cwd=part, check=True)
        (part / "lib").rename(folder)
    return folder


def _without_isal() -> str:
    """The same program in a build whose gzip is zlib's."""
    build = FOLDER / "zlib"
    command = ["cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja", "-DPINPIPE_WITH_ISAL=OFF"]
    subprocess.run([*command, "-DPINPIPE_BUILD_TESTS=ON"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(build), "--target", "sink"], check=True, capture_output=True)
    return str(build / "bench/sink")


def _leave_core(pid: int) -> None:
    """Servers do not share the one core of the measured process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))


def _fill(broker: Any, bench: Bench, topic: str, count: int, folders: int = 0) -> float:
    """Bytes a record; with `folders` its first member names one of so many."""
    from pinpipe import kafka

    lines = rows.write("pin", min(bench.rows, count), bench.folder).read_bytes().splitlines()
    with kafka.Admin(broker.brokers) as admin:
        admin.create_topic(topic, PARTITIONS)
    with kafka.Producer(broker.brokers, settings={"linger.ms": 50}) as producer:
        for number in range(count):
            line = lines[number % len(lines)]
            producer.write(topic, b'{"folder":"%d",' % (number % folders) + line[1:] if folders else line)
        producer.flush(300)
    return sum(map(len, lines)) / len(lines)


class _Ours:
    """Runs of the C program, each with a group and a folder of its own."""

    def __init__(self, brokers: str, folder: Path) -> None:
        self._brokers = brokers
        self._folder = folder

    def run(
        self, program: str, topic: str, records: int, environment: Any = None, **words: Any
    ) -> dict[str, Any]:
        """One run; `target` is a folder of this run unless it says otherwise."""
        group = f"g-{uuid.uuid4().hex[:8]}"
        given = {"target": f"file://{self._folder / group}", **words}
        command = [
            program,
            f"brokers={self._brokers}",
            f"topic={topic}",
            f"group={group}",
            f"records={records}",
        ]
        command += [f"{name}={value}" for name, value in given.items()]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, **(environment or {})}
            )
        finally:
            shutil.rmtree(self._folder / group, ignore_errors=True)
        return dict(json.loads(done.stdout))


def _script(brokers: str, folder: Path, codec: str, records: int, flush: int, **more: Any) -> dict[str, Any]:
    group = f"g-{uuid.uuid4().hex[:8]}"
    job: dict[str, Any] = {"who": "confluent", "brokers": brokers, "topic": TOPIC, "group": group}
    job |= {"codec": codec}
    job |= {"target": str(folder / group), "records": records, "flush": flush, **more}
    found = figures.run([_peers_python(), str(HERE / "peer_sink.py"), json.dumps(job)])
    shutil.rmtree(folder / group, ignore_errors=True)
    return found


def _spark(brokers: str, folder: Path, records: int) -> dict[str, Any]:
    import ask_spark

    jars = ",".join(map(str, _jars("spark", SPARK_KAFKA, "alone").glob("*.jar")))
    job = {"who": "spark", "brokers": brokers, "topic": TOPIC, "jars": jars}
    job["target"] = str(folder / f"spark-{uuid.uuid4().hex[:8]}")
    found = figures.run([str(ask_spark.python()), str(HERE / "peer_sink.py"), json.dumps(job)])
    if found["records"] < records:
        raise SystemExit(f"bench: sink: Spark wrote {found['records']} of {records}")
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _connect(brokers: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    from servers import free_port

    folder.mkdir()
    jars = _jars(
        "connect", [f"org.apache.kafka:{name}:{CONNECT_VERSION}" for name in CONNECT], "with their needs"
    )
    worker, connector = folder / "worker.properties", folder / "sink.properties"
    worker.write_text(WORKER.format(brokers=brokers, folder=folder, port=free_port()), encoding="utf-8")
    group = f"c-{uuid.uuid4().hex[:8]}"
    connector.write_text(CONNECTOR.format(group=group, topic=TOPIC, folder=folder), encoding="utf-8")
    command = ["java", "-Xmx1g", "-cp", f"{jars}/*", "org.apache.kafka.connect.cli.ConnectStandalone"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, str(worker), str(connector)], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _connect_run(brokers: str, folder: Path, records: int) -> dict[str, Any]:
    """From Connect's first line on, so that the start of its JVM is not counted."""
    home = folder / f"connect-{uuid.uuid4().hex[:8]}"
    out = home / "out"
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    with _connect(brokers, home) as process:
        while not (out.exists() and out.stat().st_size) and process.poll() is None:
            time.sleep(0.02)
        before, lines, at = _cpu_s(process.pid), 0, 0
        first = -1
        while lines < records and time.monotonic() < deadline and process.poll() is None:
            with out.open("rb") as file:
                file.seek(at)
                while block := file.read(1 << 20):
                    lines += block.count(b"\n")
                    at += len(block)
            first = lines if first < 0 else first
            time.sleep(0.2)
        cpu_s = _cpu_s(process.pid) - before
    shutil.rmtree(home, ignore_errors=True)
    if lines < records:
        raise SystemExit(f"bench: sink: Connect wrote {lines} of {records}")
    return {"cpu_s": cpu_s * records / (records - first), "peak_kib": 0, "records": records}


def _show(title: str, found: dict[str, list[dict[str, Any]]], records: int) -> dict[str, dict[str, float]]:
    lines = {
        name: {
            "us": 1e6 * figures.median(runs) / records,
            "peak_mib": max(run["peak_kib"] for run in runs) / 1024,
        }
        for name, runs in found.items()
    }
    base = next(iter(lines.values()))["us"]
    print(f"\n{title}")
    for name, line in lines.items():
        print(f"  {name:44} {line['us']:9.2f} us {line['us'] / base:7.1f} x {line['peak_mib']:7.0f} MiB")
    return lines


def _many(bench: Bench, broker: Any, folder: Path, records: int) -> dict[str, list[dict[str, Any]]]:
    ours, program = _Ours(broker.brokers, folder), bench.program("sink")
    zlib, brokers = _without_isal(), broker.brokers
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "pinpipe, plain": lambda: ours.run(program, TOPIC, records),
        "pinpipe, read and dropped": lambda: ours.run(program, TOPIC, records, target=""),
        "pinpipe, gzip by ISA-L": lambda: ours.run(program, TOPIC, records, compression="gzip"),
        "pinpipe, gzip by zlib-1": lambda: ours.run(zlib, TOPIC, records, compression="gzip"),
        "pinpipe, zstd-1": lambda: ours.run(program, TOPIC, records, compression="zstd"),
        "script: confluent-kafka, plain": lambda: _script(brokers, folder, "none", records, FLUSH),
        "script: confluent-kafka, gzip by ISA-L": lambda: _script(brokers, folder, "isal", records, FLUSH),
        "script: confluent-kafka, gzip by zlib-1": lambda: _script(brokers, folder, "gzip", records, FLUSH),
        "Kafka Connect's FileStreamSink, plain": lambda: _connect_run(brokers, folder, records),
        "Spark Structured Streaming, plain": lambda: _spark(brokers, folder, records),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(min(bench.runs, 3)):
        for name, way in ways.items():
            found[name].append(way())
    return found


def _singles(bench: Bench, broker: Any, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """One record an object: to files, and to a store over http."""
    import pinpipe
    from servers import run_versitygw

    ours, program, found = _Ours(broker.brokers, folder), bench.program("sink"), {}
    with run_versitygw(folder / "store") as store:
        _leave_core(store.process.pid)
        credentials = pinpipe.Credentials.static(store.key, store.secret)
        pinpipe.s3.Client(store.endpoint, credentials=credentials).create_bucket(BUCKET)
        environment = {
            "AWS_ENDPOINT_URL_S3": store.endpoint,
            "AWS_REGION": store.region,
            "AWS_ACCESS_KEY_ID": store.key,
            "AWS_SECRET_ACCESS_KEY": store.secret,
        }
        more = {"endpoint": store.endpoint, "key": store.key, "secret": store.secret}
        found["pinpipe, files, an object a record"] = [ours.run(program, "bench.one", SINGLES, flush=1)]
        found["pinpipe, S3 over http, an object a record"] = [
            ours.run(program, "bench.one", SINGLES, environment, flush=1, target=f"s3://{BUCKET}/ours")
        ]
        found["script: boto3, S3 over http, an object a record"] = [
            _script(
                broker.brokers,
                folder,
                "none",
                SINGLES,
                1,
                topic="bench.one",
                **{**more, "target": f"s3://{BUCKET}"},
            )
        ]
    return found


def section(bench: Bench) -> dict[str, Any]:
    """10,000 records an object beside the peers, then one, then 1,000 files open at once."""
    from kafka_broker import run_kafka

    records = 4 * bench.rows
    found: dict[str, Any] = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        (folder / "kafka").mkdir()
        with run_kafka(folder / "kafka") as broker:
            _leave_core(broker.process.pid)
            size = _fill(broker, bench, TOPIC, records)
            title = (
                f"{records} records of {size:.0f} B, {PARTITIONS} partitions, {FLUSH} an object: CPU a record"
            )
            found["many"] = _show(title, _many(bench, broker, folder, records), records)
            _fill(broker, bench, "bench.one", SINGLES)
            title = f"{SINGLES} records, one an object: CPU a record"
            found["one"] = _show(title, _singles(bench, broker, folder), SINGLES)
            _fill(broker, bench, "bench.folders", records, FOLDERS)
            ours = _Ours(broker.brokers, folder)
            runs = [
                ours.run(bench.program("sink"), "bench.folders", records, field="folder", flush=1_000_000)
                for _ in range(min(bench.runs, 3))
            ]
            title = f"{FOLDERS * PARTITIONS} files open, 64 MiB for them: CPU a record, peak memory"
            found["folders"] = _show(title, {"pinpipe, plain": runs}, records)
    return found
