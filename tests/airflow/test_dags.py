"""Turns the example DAGs into runs by `dag.test()`, and looks at what they left behind.

Never waits for a retry, never asks Amazon or Databricks: stand-ins on the loopback address are in the environment.
Rules: docs/airflow.md; the course's brief.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable


def test_every_dag_is_parsed(dagbag: Any) -> None:
    assert dagbag.import_errors == {}
    assert {"demo_dag", "demo_local_dag"} <= set(dagbag.dags)


def test_the_twin_answers_the_questions(
    run: Callable[..., Any], xcom: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    for day, rows in (("first", 60), ("second", 40)):
        done = run("demo_local_dag", {"data": str(data), "rows": rows})
        assert done.state == "success", day
    cleaned = xcom(done, "clean_pin")
    assert cleaned["records"] == 100 == cleaned["cleaned"] + cleaned["duplicates"]
    assert xcom(done, "emulate")["first_draw"] == 60
    assert cleaned["census"] and len(json.dumps(cleaned)) < 2000
    assert DeltaTable(str(data / "batch/pin")).to_pyarrow_table().num_rows == cleaned["cleaned"]
    answered = xcom(done, "answer")
    answers = json.loads(Path(answered["answers"]).read_text())
    assert {question: len(rows) for question, rows in answers.items()} == answered["rows"]
    assert pa.Table.from_pylist(answers["q1"]).column_names == ["country", "category", "category_count"]
    page = Path(answered["report"]).read_text()
    assert page.startswith("<!doctype html>") and "What cleaning changed" in page
    assert xcom(done, "answer", "pinpipe_report_link") == f"file://{answered['report']}"
