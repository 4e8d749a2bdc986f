# Databricks notebook source
"""Turns raw rows into clean tables and one answer, as the course's notebook does, without Spark.

Never reads a row that is not in its folder; a folder without rows is a failure, as it is for Spark.
Rules: the course's batch notebook; its parameters are `dbutils.widgets`' of a real one.
"""

# COMMAND ----------

import json
import os
import sys
from pathlib import Path

import pinpipe

day = json.loads(sys.argv[1])["day"]
data = Path(os.environ["NOTEBOOK_DATA"])

# COMMAND ----------

tables = {
    kind: pinpipe.clean(kind, data / f"demo.{kind}.ndjson", dedupe="ind") for kind in ("pin", "geo", "user")
}
answer = pinpipe.query("q1", **tables).to_pylist()

# COMMAND ----------

(data / f"{day}.json").write_text(json.dumps(answer))
