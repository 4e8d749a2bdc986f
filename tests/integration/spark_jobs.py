"""Turns what a test asks of Spark into frames, and frames into files and plain values that the test compares.

Never compares anything itself: the test has no Spark, Spark's environment no DuckDB.
Rules: python recipe §4 (times leave Spark by Arrow, not by collect); docs/testing.md, "Spark".
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

READING = (
    "shown_rows STRING, kept_ties STRING, median_kind STRING, counted_over STRING,"
    " first_year BIGINT, last_year BIGINT"
)


def _plain(table: Any) -> dict[str, Any]:
    return {
        "columns": [[field.name, str(field.type)] for field in table.schema],
        "rows": [list(record.values()) for record in table.to_pylist()],
    }


def _page(session: Any, text: str) -> dict[str, Any]:
    """What the last line of a page's example gives, over the views that are there."""
    *lines, last = text.strip().splitlines()
    known = {"spark": session}
    exec("\n".join([*lines, f"answer = {last}"]), known)
    return _plain(known["answer"].toArrow())


def answers(
    session: Any, folder: str, joins: dict[str, str], cases: list[dict[str, Any]], page: str
) -> dict[str, Any]:
    """The answers of SQL files over Parquet tables; the bare text, as a notebook would, and a page's example."""
    for view in ("pins", "geos", "users"):
        session.read.parquet(f"{folder}/{view}.parquet").createOrReplaceTempView(view)
        session.catalog.cacheTable(view)
    for name, text in joins.items():
        session.sql(text).createOrReplaceTempView(name)
        session.catalog.cacheTable(name)
    found = {}
    for case in cases:
        columns = [part.split()[0] for part in READING.split(",")]
        row = tuple(case["reading"][name] for name in columns)
        session.createDataFrame([row], READING).createOrReplaceTempView("reading")
        found[case["name"]] = _plain(session.sql(case["sql"]).toArrow())
    found["page"] = _page(session, page)
    session.catalog.clearCache()
    return found


def notebook(
    session: Any, path: str, widgets: dict[str, str], tables: list[str], to: str, secrets: dict[str, str]
) -> list[Any]:
    """Runs a notebook; what it displayed. tables: those that it wrote, left as Parquet files in `to`."""
    import notebooks

    given = {tuple(name.split("/")): value for name, value in secrets.items()}
    done = notebooks.run(Path(path), session, widgets, given)
    for table in tables:
        _write(session.table(table), f"{to}/{table.rpartition('.')[2].strip('`')}.parquet")
    return [_plain(frame.toArrow()) for frame in done.displayed]


def _write(frame: Any, path: str) -> None:
    from pyarrow import parquet

    parquet.write_table(frame.toArrow(), path)


def _counts(observed: Any) -> dict[str, int]:
    import pinpipe

    counts = {name: observed[name] for name in ("records", "rejected", "dropped") if observed[name]}
    return counts | pinpipe.spark.census(observed)


def clean_forms(
    session: Any, folder: str, profile: dict[str, Any], records: list[list[str]]
) -> dict[str, Any]:
    """The same records as raw columns, as texts, as bytes in a stream: cleaned, and what was counted and refused."""
    import pinpipe
    from pyspark.sql import Observation

    found: dict[str, Any] = {}
    raw = session.read.schema(pinpipe.schema("pin", "raw").spark()).json(f"{folder}/pins.ndjson")
    texts = session.read.text(f"{folder}/pins.ndjson")
    for name, frame, rules in (
        ("raw", raw, "course"),
        ("texts", texts, "course"),
        ("profile", texts, profile),
        ("bad", session.read.parquet(f"{folder}/bad.parquet"), "course"),
    ):
        seen = Observation(name)
        kind = "geo" if name == "bad" else "pin"
        cleaned = pinpipe.spark.clean(frame, kind, profile=rules, census=seen).persist()
        rows, rejects = pinpipe.spark.split(cleaned)
        _write(rows, f"{folder}/{name}-rows.parquet")
        _write(rejects, f"{folder}/{name}-rejects.parquet")
        found[name] = _counts(seen.get)
        cleaned.unpersist()
    stream = session.readStream.schema("value STRING").text(f"{folder}/lines")
    query = (
        pinpipe.spark.clean(stream, "pin", census="seen")
        .writeStream.format("memory")
        .queryName("cleaned")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    _write(pinpipe.spark.split(session.table("cleaned"))[0], f"{folder}/stream-rows.parquet")
    found["stream"] = _counts(query.lastProgress["observedMetrics"]["seen"])
    refused = []
    for names in records:
        try:
            pinpipe.spark.clean(session.createDataFrame([], ", ".join(names)), "pin")
        except pinpipe.Error as error:
            refused.append(str(error))
    found["refused"] = refused
    return found


def kinesis_batches(
    session: Any, options: dict[str, str], checkpoint: str, forget: int = 0, until: int = 0
) -> list[list[tuple[str, str]]]:
    """What is in a stream behind a checkpoint, by micro-batch; forget: batches whose end Spark is made to forget.

    until: runs by a short interval, stopped when so many records were taken, whatever is under way then.
    """
    import pinpipe

    session.dataSource.register(pinpipe.spark.KinesisSource)
    commits = sorted((Path(checkpoint) / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in commits[len(commits) - forget :]:
        path.unlink()
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    batches: list[list[tuple[str, str]]] = []

    def take(batch: Any, number: int) -> None:
        table = batch.toArrow()
        assert table.column_names[:2] == ["partitionKey", "data"]
        batches.append(
            sorted(
                (row["shardId"] + row["sequenceNumber"], row["data"].decode()) for row in table.to_pylist()
            )
        )

    frame = session.readStream.format("pinpipe_kinesis").options(**options).load()
    writer = frame.writeStream.foreachBatch(take).option("checkpointLocation", checkpoint)
    trigger: dict[str, Any] = {"processingTime": "100 milliseconds"} if until else {"availableNow": True}
    query = writer.trigger(**trigger).start()
    while not query.awaitTermination(0.1):
        if until and sum(map(len, batches)) >= until:
            query.stop()
    return batches


def kinesis_rows(session: Any, options: dict[str, str]) -> list[str]:
    """What is in a stream now, read as a batch."""
    import pinpipe

    session.dataSource.register(pinpipe.spark.KinesisSource)
    frame = session.read.format("pinpipe_kinesis").options(**options).load()
    return sorted(row.data.decode() for row in frame.select("data").collect())


def write_rows(
    session: Any, name: str, options: dict[str, str], rows: list[list[str]], columns: str, how: str, to: str
) -> str:
    """Writes rows by a data source of this package, in a batch or as a stream; the error's text, or nothing."""
    import pinpipe

    session.dataSource.register(pinpipe.spark.KinesisSource)
    session.dataSource.register(pinpipe.spark.KafkaRestSink)
    frame = session.createDataFrame([tuple(row) for row in rows], columns)
    try:
        if how == "batch":
            frame.write.format(name).options(**options).mode("append").save()
        else:
            frame.write.parquet(f"{to}/rows")
            stream = session.readStream.schema(columns).parquet(f"{to}/rows")
            writer = stream.writeStream.format(name).options(**options)
            writer.option("checkpointLocation", f"{to}/written").trigger(
                availableNow=True
            ).start().awaitTermination()
    except Exception as error:
        return str(error)
    return ""


def printed(session: Any, code: str) -> list[str]:
    """The lines that a piece of a page prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(code, "page", "exec"), {})
    return told.getvalue().splitlines()
