# Databricks notebook source
"""Turns the objects of the S3 sink into clean Delta tables and the answers to the course's questions.

Never collects a table in the driver, never loses a record: what cannot be read lies in a table of its own.
Rules: docs/databricks.md; docs/spark.md.
"""

# COMMAND ----------

# MAGIC %md
# MAGIC # Batch: objects, clean tables, answers
# MAGIC The objects `topics/<user id>.pin|geo|user/partition=…/*.json` lie in a Unity Catalog volume, or wherever else
# MAGIC Spark reads from.
# MAGIC `pinpipe` is installed as a library of the cluster or the job: `docs/databricks.md` says how.

# COMMAND ----------

import pinpipe
from pyspark.sql import Observation

dbutils.widgets.text("topics", "/Volumes/main/pinterest/landing/topics", "Where the sink's folders lie")
dbutils.widgets.text("user_id", "0a1b2c3d4e5f", "The id that the topics begin with")
dbutils.widgets.text("schema", "main.pinterest", "Catalog and schema of the tables")
topics, user_id, schema = (dbutils.widgets.get(name) for name in ("topics", "user_id", "schema"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Clean
# MAGIC Spark lists the objects, the executors read them: every line is a record. Rows go to `<user id>_pin`, `_geo`,
# MAGIC `_user`; records that cannot be read to `<user id>_pin_rejects`, …, with the object that they lie in. The census
# MAGIC counts the hits of every rule.

# COMMAND ----------

tables = {}
for kind in ("pin", "geo", "user"):
    objects = (
        spark.read.format("binaryFile").option("recursiveFileLookup", True).load(f"{topics}/{user_id}.{kind}")
    )
    seen = Observation(f"{kind} census")
    cleaned = pinpipe.spark.clean(objects.select("path"), kind, census=seen)
    rows, rejects = pinpipe.spark.split(cleaned)
    name, rejects_name = f"{schema}.`{user_id}_{kind}`", f"{schema}.`{user_id}_{kind}_rejects`"
    spark.sql(f"CREATE TABLE IF NOT EXISTS {name} ({pinpipe.schema(kind).spark()}) USING delta")
    rows.write.mode("overwrite").insertInto(name)
    spark.sql(f"CREATE OR REPLACE TABLE {rejects_name} ({pinpipe.spark.REJECTS}) USING delta")
    if seen.get["rejected"]:  # else the objects need not be read again
        rejects.write.insertInto(rejects_name)
    tables[kind] = spark.table(name)
    print(
        kind,
        seen.get["records"],
        "records,",
        seen.get["rejected"],
        "rejected",
        dict(pinpipe.spark.census(seen.get)),
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## The questions
# MAGIC `docs/answers.md` has every question with its readings; `pinpipe.query` gives the same answers on one machine.

# COMMAND ----------

for question in ("q1", "q2", "q3a", "q3b", "q4", "q5", "q6", "q7", "q8"):
    display(pinpipe.spark.query(question, **tables))
