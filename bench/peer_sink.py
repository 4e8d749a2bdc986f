"""The sink that a script would be: confluent-kafka, a gzip writer, files or boto3; and Spark's, in Spark's environment.

Never imports pinpipe. The codec is named: gzip is zlib at level 1, isal is ISA-L at its level 1.
Rules: DESIGN §5 ("Speed"); gateway-and-sink-costs.md §4 (settings of the consumer).

    python peer_sink.py JOB    one JSON object: who, brokers, topic, group, target, codec, records, flush
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]
Put = Callable[[str, bytes], None]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _pack(codec: str) -> Callable[[bytes], bytes]:
    if codec == "none":
        return lambda body: body
    if codec == "isal":
        igzip: Any = importlib.import_module("isal.igzip")
        return lambda body: bytes(igzip.compress(body, 1))
    gzip: Any = importlib.import_module("gzip")
    return lambda body: bytes(gzip.compress(body, 1))


def _put_of(job: Job) -> Put:
    if not job["target"].startswith("s3://"):
        folder = Path(job["target"])

        def to_file(name: str, body: bytes) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())

        return to_file
    boto3: Any = importlib.import_module("boto3")
    client = boto3.client(
        "s3",
        endpoint_url=job["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=job["key"],
        aws_secret_access_key=job["secret"],
    )
    bucket = job["target"].removeprefix("s3://")
    return lambda name, body: client.put_object(Bucket=bucket, Key=name, Body=body)


def _confluent(job: Job) -> int:
    kafka: Any = importlib.import_module("confluent_kafka")
    consumer = kafka.Consumer(
        {
            "bootstrap.servers": job["brokers"],
            "group.id": job["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": 65536,
            "max.partition.fetch.bytes": 4 << 20,
            "socket.nagle.disable": True,
        }
    )
    consumer.subscribe([job["topic"]])
    put, pack, flush = _put_of(job), _pack(job["codec"]), job["flush"]
    open_files: dict[int, list[bytes]] = defaultdict(list)
    starts: dict[int, int] = {}
    count = 0

    def store(partition: int) -> None:
        lines = open_files.pop(partition)
        body = b"\n".join(lines) + b"\n"
        name = f"topics/{job['topic']}/partition={partition}/{job['topic']}+{partition}+{starts[partition]:010d}.json"
        put(name, pack(body))
        consumer.commit(
            offsets=[kafka.TopicPartition(job["topic"], partition, starts[partition] + len(lines))],
            asynchronous=True,
        )

    while count < job["records"]:
        for message in consumer.consume(1000, 0.2):
            partition = message.partition()
            if partition not in open_files:
                starts[partition] = message.offset()
            lines = open_files[partition]
            lines.append(message.value())
            count += 1
            if len(lines) >= flush:
                store(partition)
    for partition in list(open_files):
        store(partition)
    return count


def _spark(job: Job) -> int:
    """Structured Streaming, Kafka to JSON lines, all that is there and then the end; the JVM is a child."""
    sql: Any = importlib.import_module("pyspark.sql")
    builder = sql.SparkSession.builder.master("local[1]").appName("sink")
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.jars": job["jars"],
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    java = spark.sparkContext._gateway.proc.pid
    before = _process_cpu_s(java)
    stream = spark.readStream.format("kafka").option("kafka.bootstrap.servers", job["brokers"])
    stream = stream.option("subscribe", job["topic"]).option("startingOffsets", "earliest").load()
    lines = stream.selectExpr("CAST(value AS STRING) AS value")
    query = (
        lines.writeStream.format("text")
        .option("path", job["target"])
        .option("checkpointLocation", job["target"] + "-checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    job["cpu_s"] = _process_cpu_s(java) - before
    job["peak_kib"] = _process_peak_kib(java)
    count = int(spark.read.text(job["target"]).count())
    spark.stop()
    return count


def _process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _process_peak_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1])


def main() -> None:
    """Runs one job and prints its figures."""
    job: Job = json.loads(sys.argv[1])
    before = _cpu_s()
    count = {"confluent": _confluent, "spark": _spark}[job["who"]](job)
    found = {
        "records": count,
        "cpu_s": job.get("cpu_s", _cpu_s() - before),
        "peak_kib": job.get("peak_kib", _peak_kib()),
    }
    print(json.dumps(found), flush=True)
    os._exit(0)  # the group's farewell is not part of it


if __name__ == "__main__":
    main()
