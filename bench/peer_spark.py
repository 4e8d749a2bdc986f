"""The same full cleaning and the nine answers by Spark on one thread, in a process and environment of its own.

Never imports pinpipe: Spark gets paths and the bare text of the queries.
Rules: CONTRACT §4; recipes/peers.md §1 and §6 (try_cast, the noop sink); the session's zone is UTC.

    python peer_spark.py REQUEST ANSWER    both JSON: {"jobs": [{"name", "kind"?, "path"?, "runs", "do"}], ...}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from content import digest

SETTINGS = {
    "spark.master": "local[1]",
    "spark.driver.memory": "4g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
}
TEXTS = "unique_id STRING, title STRING, description STRING, poster_name STRING, follower_count STRING"
RAW = {
    "pin": f"index BIGINT, {TEXTS}, tag_list STRING, is_image_or_video STRING, image_src STRING,"
    " downloaded BIGINT, save_location STRING, category STRING",
    "geo": "ind BIGINT, timestamp STRING, latitude DOUBLE, longitude DOUBLE, country STRING",
    "user": "ind BIGINT, first_name STRING, last_name STRING, age BIGINT, date_joined STRING",
}
CLEAN = {
    "pin": """
        SELECT index AS ind, nullif(unique_id, '') AS unique_id,
            CASE WHEN title IN ('', 'No Title Data Available') THEN NULL ELSE title END AS title,
            CASE WHEN description IN ('', 'No description available', 'No description available Story format')
                THEN NULL ELSE description END AS description,
            CASE lower(right(follower_count, 1))
                WHEN 'k' THEN try_cast(left(follower_count, length(follower_count) - 1) AS BIGINT) * 1000
                WHEN 'm' THEN try_cast(left(follower_count, length(follower_count) - 1) AS BIGINT) * 1000000
                WHEN 'b' THEN try_cast(left(follower_count, length(follower_count) - 1) AS BIGINT) * 1000000000
                ELSE try_cast(follower_count AS BIGINT) END AS follower_count,
            CASE WHEN poster_name IN ('', 'User Info Error') THEN NULL ELSE poster_name END AS poster_name,
            CASE WHEN tag_list IN ('', 'N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e') THEN NULL ELSE tag_list END AS tag_list,
            nullif(is_image_or_video, '') AS is_image_or_video,
            CASE WHEN image_src IN ('', 'Image src error.') THEN NULL ELSE image_src END AS image_src,
            CASE WHEN startswith(save_location, 'Local save in ') THEN substr(save_location, 15)
                ELSE nullif(save_location, '') END AS save_location,
            nullif(category, '') AS category
        FROM raw""",
    "geo": """
        SELECT ind, nullif(country, '') AS country, array(latitude, longitude) AS coordinates,
            CAST(timestamp AS TIMESTAMP) AS timestamp
        FROM raw""",
    "user": """
        SELECT ind, first_name || ' ' || last_name AS user_name, age,
            CAST(date_joined AS TIMESTAMP) AS date_joined
        FROM raw""",
}
VIEWS = {"pin": "pins", "geo": "geos", "user": "users"}


def _java_id() -> str:
    """The session's own Java process: the child of this one that runs it."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return next(
        child for child in children if "java" in Path(f"/proc/{child}/comm").read_text(encoding="ascii")
    )


def _cpu_s(java: str) -> float:
    fields = Path(f"/proc/{java}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _faults(java: str) -> int:
    fields = Path(f"/proc/{java}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[7])


def _peak_kib(java: str) -> int:
    texts = [Path(f"/proc/{who}/status").read_text(encoding="ascii") for who in ("self", java)]
    return sum(int(text.split("VmHWM:")[1].split()[0]) for text in texts)


def _frame(session: Any, kind: str, path: str) -> Any:
    session.read.schema(RAW[kind]).json(path).createOrReplaceTempView("raw")
    return session.sql(CLEAN[kind])


def _whole(session: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Three files to the answers; tables are kept as they are first used."""
    for kind, path in job["paths"].items():
        _frame(session, kind, path).createOrReplaceTempView(VIEWS[kind])
        session.catalog.cacheTable(VIEWS[kind])
    for name, text in job["joins"].items():
        session.sql(text).createOrReplaceTempView(name)
        session.catalog.cacheTable(name)
    answers = {}
    for name, case in job["questions"].items():
        session.sql(case["reading"]).createOrReplaceTempView("reading")
        answers[name] = digest(session.sql(case["sql"]).toArrow())
    session.catalog.clearCache()
    return answers


def _run(session: Any, job: dict[str, Any], java: str) -> dict[str, Any]:
    for who in ("self", java):
        Path(f"/proc/{who}/clear_refs").write_text("5", encoding="ascii")
    before, faults = _cpu_s(java), _faults(java)
    figures: dict[str, Any] = {}
    if job["do"] == "clean":
        _frame(session, job["kind"], job["path"]).write.format("noop").mode("overwrite").save()
    elif job["do"] == "hash":
        figures["hash"] = digest(_frame(session, job["kind"], job["path"]).toArrow())
    else:
        figures["answers"] = _whole(session, job)
    figures["cpu_s"] = _cpu_s(java) - before
    return {**figures, "faults": _faults(java) - faults, "peak_kib": _peak_kib(java)}


def main() -> int:
    """Runs every job of the request in one session, in order."""
    spark: Any = importlib.import_module("pyspark.sql")
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = spark.SparkSession.builder
    for name, value in {**SETTINGS, "spark.sql.warehouse.dir": request["warehouse"]}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.range(1).toArrow()
    java = _java_id()
    answer = {job["name"]: [_run(session, job, java) for _ in range(job["runs"])] for job in request["jobs"]}
    version = importlib.import_module("pyspark").__version__
    Path(sys.argv[2]).write_text(json.dumps({"version": version, "jobs": answer}), encoding="utf-8")
    session.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
