"""The whole job in one process: three files to the nine answers, by this library or by DuckDB alone.

Never leaves the de-duplication out: both look for keys that come twice.
Rules: CONTRACT §5 (the default readings); recipes/peers.md §3. The SQL of the answers is the same text for all.

    python whole.py pinpipe|duckdb|questions PATHS    PATHS is JSON: record type -> file
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import peer_duckdb
import pinpipe
import pyarrow.compute  # noqa: F401  (imports are not counted: the questions need it, DuckDB's answers need the rest)
from content import digest
from peer import measured
from pinpipe import _query

Answers = tuple[dict[str, Any], float]


def _questions() -> dict[str, dict[str, str]]:
    """Question -> its SQL and its reading."""
    reading = _query.Reading()
    return {
        name: {"sql": _query.sql(name), "reading": _query.reading_query(reading.row(name))}
        for name in _query.QUESTIONS
    }


def _by_pinpipe(paths: dict[str, str]) -> Answers:
    before = time.process_time()
    tables = {kind: pinpipe.clean(kind, path) for kind, path in paths.items()}
    spent = time.process_time() - before
    return _query.query_all(tables), spent


def _by_duckdb(paths: dict[str, str]) -> Answers:
    connection = peer_duckdb.connect()
    connection.execute(
        "SET preserve_insertion_order = false"
    )  # as our questions do: every answer names its order
    before = time.process_time()
    for kind, path in paths.items():
        connection.execute(
            f"CREATE TABLE {_query.VIEWS[kind]} AS {peer_duckdb.read_query(kind, path, 'TIMESTAMP')}"
        )
    spent = time.process_time() - before
    for view in _query.VIEWS.values():
        counts = connection.sql(f"SELECT count(*), count(DISTINCT ind) FROM {view}").fetchall()[0]
        if counts[0] != counts[1]:
            raise SystemExit(f"{view}: a key comes twice, which this input has not")
    for name, text in _query.joins().items():
        connection.execute(f"CREATE TEMP TABLE {name} AS {text}")
    answers = {}
    for name, case in _questions().items():
        connection.execute("CREATE OR REPLACE TEMP TABLE reading AS " + case["reading"])
        answers[name] = connection.sql(case["sql"]).to_arrow_table()
    return answers, spent


def main() -> None:
    """One run; prints a line of JSON."""
    if sys.argv[1] == "questions":
        print(json.dumps({"joins": _query.joins(), "questions": _questions()}))
        return
    paths = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    job = _by_pinpipe if sys.argv[1] == "pinpipe" else _by_duckdb
    peer_duckdb.prepare()
    (answers, spent), figures = measured(lambda: job(paths))
    figures["clean_s"] = spent
    figures["answers"] = {name: digest(table) for name, table in answers.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
