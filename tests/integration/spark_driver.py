"""Turns requests, one line of JSON each, into jobs of one local Spark session, in a process and environment of its own.

Never starts a second JVM: each job has a session of its own, with its zone, over the same context.
Rules: python recipe §4 (settings of a local session); tests/integration/spark_jobs.py has the jobs.

    python spark_driver.py SETTINGS.json    requests {"job", "zone", "arguments"}, answers {"answer"} or {"error"}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import spark_jobs

SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # short jobs: start counts
    "spark.databricks.delta.snapshotPartitions": "2",
}


def _answered(root: Any, line: str) -> dict[str, Any]:
    request = json.loads(line)
    session = root.newSession()
    session._jvm.org.apache.spark.sql.SparkSession.setActiveSession(
        session._jsparkSession
    )  # formats are looked up there
    session.conf.set("spark.sql.session.timeZone", request["zone"])
    try:
        return {"answer": getattr(spark_jobs, request["job"])(session, **request["arguments"])}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> int:
    """Answers until the requests end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a notebook prints is no answer
    spark: Any = importlib.import_module("pyspark.sql")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = spark.SparkSession.builder
    for name, value in {**SETTINGS, **json.loads(Path(sys.argv[1]).read_text())}.items():
        builder = builder.config(name, value)
    root = builder.getOrCreate()
    for line in sys.stdin:
        print(json.dumps(_answered(root, line)), file=answers, flush=True)
    root.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
