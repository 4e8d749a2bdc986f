"""Cleans files by Spark on two cores in several ways, in a process and environment of its own, and counts all CPU.

Never measures one way after the other: they take turns, in another order each round, because compiling and collecting
garbage for one way goes on in the next. CPU is that of the driver, Java and every Python worker.
Rules: DESIGN §5 ("Speed"); domain notes §4 and §5 (what the course's notebooks do); plain PySpark on local[2].

    python peer_spark_notebook.py REQUEST ANSWER    JSON: {"paths": {kind: path}, "sample": {...}, "runs", "warehouse"}
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from content import digest
from peer_spark import CLEAN, RAW, SETTINGS

MARKERS = {
    "title": ["No Title Data Available"],
    "description": ["No description available", "No description available Story format"],
    "poster_name": ["User Info Error"],
    "follower_count": ["User Info Error"],
    "tag_list": ["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"],
    "image_src": ["Image src error."],
}
ORDER = {
    "pin": "ind unique_id title description follower_count poster_name tag_list is_image_or_video image_src"
    " save_location category",
    "geo": "ind country coordinates timestamp",
    "user": "ind user_name age date_joined",
}


def course(session: Any, kind: str, path: str) -> Any:
    """As the course's notebooks do it: JSON of an inferred schema, then a column after the other."""
    f: Any = importlib.import_module("pyspark.sql.functions")
    frame = session.read.json(path)
    if kind == "pin":
        for name in [field for field, type_ in frame.dtypes if type_ == "string"]:
            frame = frame.withColumn(name, f.when(f.col(name) == "", None).otherwise(f.col(name)))
        for name, texts in MARKERS.items():
            for text in texts:
                frame = frame.withColumn(name, f.when(f.col(name) == text, None).otherwise(f.col(name)))
        frame = frame.withColumn("follower_count", f.regexp_replace("follower_count", "k", "000"))
        frame = frame.withColumn("follower_count", f.regexp_replace("follower_count", "M", "000000"))
        frame = frame.withColumn("follower_count", f.col("follower_count").cast("bigint"))
        frame = frame.withColumn("save_location", f.regexp_replace("save_location", "Local save in ", ""))
        frame = frame.withColumnRenamed("index", "ind")
    elif kind == "geo":
        frame = frame.withColumn("coordinates", f.array("latitude", "longitude")).drop(
            "latitude", "longitude"
        )
        frame = frame.withColumn("timestamp", f.to_timestamp("timestamp"))
    else:
        frame = frame.withColumn("user_name", f.concat("first_name", f.lit(" "), "last_name"))
        frame = frame.drop("first_name", "last_name").withColumn("date_joined", f.to_timestamp("date_joined"))
    return frame.select(*ORDER[kind].split())


def schema_given(session: Any, kind: str, path: str) -> Any:
    """The benchmark's own best: one SELECT over JSON whose schema is given."""
    session.read.schema(RAW[kind]).json(path).createOrReplaceTempView("raw")
    return session.sql(CLEAN[kind])


def ours(session: Any, kind: str, path: str) -> Any:
    """Files, read and cleaned by the C core in the executors, as the notebook does; rejects are split off."""
    pinpipe: Any = importlib.import_module("pinpipe")
    files = session.read.format("binaryFile").load(path).select("path")
    return pinpipe.spark.split(pinpipe.spark.clean(files, kind))[0]


def texts(session: Any, kind: str, path: str) -> Any:
    """Lines that Spark reads, cleaned by the C core in the executors."""
    pinpipe: Any = importlib.import_module("pinpipe")
    return pinpipe.spark.split(pinpipe.spark.clean(session.read.text(path), kind))[0]


def counted(session: Any, kind: str, path: str) -> Any:
    """Files with the census."""
    pinpipe: Any = importlib.import_module("pinpipe")
    seen = importlib.import_module("pyspark.sql").Observation(kind)
    files = session.read.format("binaryFile").load(path).select("path")
    return pinpipe.spark.split(pinpipe.spark.clean(files, kind, census=seen))[0]


def lines(session: Any, kind: str, path: str) -> Any:
    """The lines alone, uncleaned: what Spark takes to read them."""
    return session.read.text(path)


def through(session: Any, kind: str, path: str) -> Any:
    """The lines through Python and back, untouched: what mapInArrow takes by itself."""
    return session.read.text(path).mapInArrow(lambda batches: batches, "value STRING")


WAYS: dict[str, Callable[[Any, str, str], Any]] = {
    "pinpipe.spark.clean, files": ours,
    "the same, with census": counted,
    "pinpipe.spark.clean, lines": texts,
    "PySpark, as the course's notebooks": course,
    "PySpark, schema given, one SELECT": schema_given,
    "lines alone": lines,
    "lines through mapInArrow": through,
}
UNCLEANED = ("lines alone", "lines through mapInArrow")


def tree_cpu_s() -> float:
    """CPU seconds of this process and all below it, those that have ended too."""
    ticks, waiting = 0, [str(os.getpid())]
    while waiting:
        process = waiting.pop()
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            tasks = list(Path(f"/proc/{process}/task").iterdir())
            below = [(task / "children").read_text(encoding="ascii").split() for task in tasks]
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
        waiting.extend(child for children in below for child in children)
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Runs every way by turns in one session."""
    spark: Any = importlib.import_module("pyspark.sql")
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = spark.SparkSession.builder
    settings = {**SETTINGS, "spark.master": "local[2]", "spark.sql.warehouse.dir": request["warehouse"]}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    found: dict[str, Any] = {"hashes": {}, "cpu_s": {}}
    for kind, path in request["sample"].items():
        found["hashes"][kind] = {
            name: digest(way(session, kind, path).toArrow())
            for name, way in WAYS.items()
            if name not in UNCLEANED
        }
    order = random.Random(8)
    for kind, path in request["paths"].items():
        runs: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(request["runs"] + 1):
            for name, way in order.sample(list(WAYS.items()), len(WAYS)):
                before = tree_cpu_s()
                way(session, kind, path).write.format("noop").mode("overwrite").save()
                runs[name].append(tree_cpu_s() - before)
        found["cpu_s"][kind] = runs
    found["version"] = session.version
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    session.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
