# Databricks notebook source
"""Turns the three Kinesis streams into clean Delta tables, each record's row once.

Never shares a checkpoint between streams, never loses a record: what cannot be read lies in a table of its own.
Rules: docs/databricks.md; docs/spark.md.
"""

# COMMAND ----------

# MAGIC %md
# MAGIC # Stream: Kinesis, clean tables
# MAGIC The course's notebook with another format's name: `pinpipe_kinesis` for `kinesis`. It needs Spark 4.2, which is
# MAGIC runtime 19; on an older one set `format` to `kinesis`, Databricks' own, and the rest stays as it is.

# COMMAND ----------

import pinpipe

dbutils.widgets.text("user_id", "0a1b2c3d4e5f", "The id that the streams' names hold")
dbutils.widgets.text("schema", "main.pinterest", "Catalog and schema of the tables")
dbutils.widgets.text(
    "checkpoints", "/Volumes/main/pinterest/landing/checkpoints", "A folder for each stream lies there"
)
dbutils.widgets.text("region", "us-east-1", "Region of the streams")
dbutils.widgets.text("format", "pinpipe_kinesis", "pinpipe_kinesis, or kinesis where Databricks has it")
dbutils.widgets.text("endpoint", "", "Endpoint of Kinesis, where it is not Amazon's")
dbutils.widgets.text("credentials", "secrets:pinterest", "secrets:<scope>, or the path of the console's CSV")
user_id, schema, checkpoints = (dbutils.widgets.get(name) for name in ("user_id", "schema", "checkpoints"))
source_format, key_place = dbutils.widgets.get("format"), dbutils.widgets.get("credentials")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Whose key
# MAGIC A secret scope has `aws_access_key` and `aws_secret_key`; the CSV that the IAM console offers is still read.

# COMMAND ----------

if key_place.startswith("secrets:"):
    scope = key_place.removeprefix("secrets:")
    access_key = dbutils.secrets.get(scope, "aws_access_key")
    secret_key = dbutils.secrets.get(scope, "aws_secret_key")
else:
    found = pinpipe.Credentials.from_csv(key_place)
    access_key, secret_key = found.access_key_id, found.secret_access_key

# COMMAND ----------

# MAGIC %md
# MAGIC ## Streams to tables
# MAGIC `availableNow` reads what is there and ends, which suits a job; for a stream that never ends take
# MAGIC `.trigger(processingTime="10 seconds")` and leave out `awaitTermination`.

# COMMAND ----------

if source_format == "pinpipe_kinesis":
    spark.dataSource.register(pinpipe.spark.KinesisSource)


def store(kind):
    """Writes a micro-batch; a batch that is run again writes nothing twice, because Delta knows its number."""

    def write(batch, number):
        rows, rejects = pinpipe.spark.split(batch.persist())
        for frame, name in ((rows, f"{user_id}_{kind}_table"), (rejects, f"{user_id}_{kind}_stream_rejects")):
            writer = frame.write.format("delta").mode("append")
            writer = writer.option("txnVersion", number).option("txnAppId", f"{checkpoints}/{user_id}_{kind}")
            writer.saveAsTable(f"{schema}.`{name}`")
        batch.unpersist()

    return write


queries = []
for kind in ("pin", "geo", "user"):
    columns = pinpipe.schema(kind).spark()
    spark.sql(f"CREATE TABLE IF NOT EXISTS {schema}.`{user_id}_{kind}_table` ({columns}) USING delta")
    reader = (
        spark.readStream.format(source_format)
        .option("streamName", f"streaming-{user_id}-{kind}")
        .option("region", dbutils.widgets.get("region"))
        .option("initialPosition", "earliest")
        .option("awsAccessKey", access_key)
        .option("awsSecretKey", secret_key)
    )
    if dbutils.widgets.get("endpoint"):
        reader = reader.option("endpoint", dbutils.widgets.get("endpoint"))
    cleaned = pinpipe.spark.clean(reader.load(), kind, census=f"{kind}_census")
    queries.append(
        cleaned.writeStream.foreachBatch(store(kind))
        .option("checkpointLocation", f"{checkpoints}/{user_id}_{kind}")
        .queryName(f"{user_id}_{kind}")
        .trigger(availableNow=True)
        .start()
    )

# COMMAND ----------

for query in queries:
    query.awaitTermination()
    for progress in query.recentProgress:
        for seen in progress["observedMetrics"].values():
            print(query.name, seen["records"], "records", dict(pinpipe.spark.census(seen)))
