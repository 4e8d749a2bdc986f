"""Turns the example DAGs into runs by `dag.test()`, and looks at what they left behind.

Never waits for a retry, never asks Amazon or Databricks: stand-ins on the loopback address are in the environment.
Rules: docs/airflow.md; the course's brief.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from airflow_provider_pinpipe._compat import AIRFLOW_3
from airflow_provider_pinpipe.links import ReportLink
from deltalake import DeltaTable

from tests.airflow.home import HOME, README, ROOT, read_dags

PUBLISHED = ROOT / "tests/airflow/published/0a1b2c3d4e5f_dag.py"


def test_every_dag_is_parsed(dagbag: Any) -> None:
    assert dagbag.import_errors == {}
    assert {"demo_dag", "demo_local_dag"} <= set(dagbag.dags)


def test_the_readmes_dag_runs(run: Callable[..., Any]) -> None:
    assert README.count("\n") <= 15
    assert run("daily_pins", rows=20).state == "success"
    assert (HOME / "readme/report.html").read_text().startswith("<!doctype html>")


def _link(done: Any, xcom: Callable[..., Any]) -> str:
    """The report's button: Airflow 3 asks for it when the task has ended, Airflow 2 when the page is shown."""
    if AIRFLOW_3:
        return str(xcom(done, "answer", ReportLink().xcom_key))
    return ReportLink().get_link(None, ti_key=done.get_task_instance("answer").key)


def test_the_twin_answers_the_questions(
    run: Callable[..., Any], xcom: Callable[..., Any], tmp_path: Path
) -> None:
    """Twice; the second time as Airflow 3 starts it by hand, without a logical date."""
    data = tmp_path / "data"
    assert run("demo_local_dag", {"data": str(data), "rows": 60}).state == "success"
    undated = {"logical_date": None} if AIRFLOW_3 else {}
    done = run("demo_local_dag", {"data": str(data), "rows": 40}, undated)
    assert done.state == "success"
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
    assert _link(done, xcom) == f"file://{answered['report']}"


@pytest.fixture
def topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The parameters of a run over objects as the sink stores them; Databricks is the stand-in of the outer test."""
    told = json.loads(Path(os.environ["PINPIPE_AIRFLOW_SERVICES"]).read_text())
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", told["databricks"])
    user_id = f"u{uuid.uuid4().hex[:11]}"
    pinpipe.emulate(None, f"file://{tmp_path}", rows=20, user_id=user_id)
    for kind in ("pin", "geo", "user"):
        folder = tmp_path / "topics" / f"{user_id}.{kind}" / "partition=0"
        folder.mkdir(parents=True)
        (tmp_path / f"{user_id}.{kind}.ndjson").rename(folder / f"{user_id}.{kind}+0+0000000000.json")
    return {
        "notebook_path": "batch.py",
        "topics": str(tmp_path / "topics"),
        "user_id": user_id,
        "schema": "default",
    }


def test_the_courses_dag_runs_the_notebook(run: Callable[..., Any], topics: dict[str, str]) -> None:
    """What it did, and that it ran once although the first answer was lost, is looked at by the outer test."""
    assert run("demo_dag", topics, polling_period_seconds=1).state == "success"


def test_a_notebook_that_fails_fails_the_dag(run: Callable[..., Any], topics: dict[str, str]) -> None:
    lost = {**topics, "topics": "/nowhere"}
    assert run("demo_dag", lost, polling_period_seconds=1).state == "failed"


def test_the_courses_dag_as_published_is_for_airflow_2_only() -> None:
    bag = read_dags(PUBLISHED)
    if AIRFLOW_3:
        (told,) = bag.import_errors.values()
        assert "schedule_interval" in told and not bag.dags
    else:
        assert bag.import_errors == {} and list(bag.dags) == [PUBLISHED.stem]
