"""Turns SQL files and Parquet tables into answers by Spark SQL, in a process and environment of its own.

Never imports pinpipe: Spark gets the bare text of the files, as a notebook would.
Rules: python recipe §4 (settings of a local session) and §5 (the session's zone is UTC).

    python spark_answers.py FOLDER    reads FOLDER/request.json and *.parquet, writes FOLDER/answers.json
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

READING = (
    "shown_rows STRING, kept_ties STRING, median_kind STRING, counted_over STRING,"
    " first_year BIGINT, last_year BIGINT"
)
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
}


def main() -> int:
    """Answers every case of the request."""
    spark: Any = importlib.import_module("pyspark.sql")
    folder = Path(sys.argv[1])
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = spark.SparkSession.builder
    for name, value in {**SETTINGS, "spark.sql.warehouse.dir": str(folder / "warehouse")}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    for view in ("pins", "geos", "users"):
        session.read.parquet(str(folder / f"{view}.parquet")).createOrReplaceTempView(view)
        session.catalog.cacheTable(view)
    request = json.loads((folder / "request.json").read_text())
    for name, text in request["joins"].items():
        session.sql(text).createOrReplaceTempView(name)
        session.catalog.cacheTable(name)
    answers = {}
    for case in request["cases"]:
        columns = [part.split()[0] for part in READING.split(",")]
        row = tuple(case["reading"][name] for name in columns)
        session.createDataFrame([row], READING).createOrReplaceTempView("reading")
        table = session.sql(case["sql"]).toArrow()
        answers[case["name"]] = {
            "columns": [[field.name, str(field.type)] for field in table.schema],
            "rows": [list(record.values()) for record in table.to_pylist()],
        }
    (folder / "answers.json").write_text(json.dumps(answers))
    session.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
