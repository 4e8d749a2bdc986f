"""Turns a line of Airflow into fixtures: its DAGs, runs of them, what their tasks left.

Never imports airflow before its home is made; it is started by tests/integration/test_airflow.py.
Rules: docs/testing.md, "Airflow".
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.airflow import home

home.make()


def pytest_sessionfinish() -> None:
    shutil.rmtree(home.HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def dagbag() -> Any:
    """Every DAG of the examples and of the tests, parsed once."""
    return home.read_dags(home.DAGS)


@pytest.fixture
def run(dagbag: Any) -> Iterator[Callable[..., Any]]:
    """Runs a DAG to its end by `dag.test()`, without waiting for retries; the run, whatever its state."""

    def run_it(
        dag_id: str, conf: dict[str, Any] | None = None, dates: dict[str, Any] | None = None, **changed: Any
    ) -> Any:
        dag = dagbag.dags[dag_id]
        for task in dag.tasks:
            task.retries = 0
            for name, value in changed.items():
                if hasattr(task, name):
                    setattr(task, name, value)
        return dag.test(run_conf=conf or {}, **(dates or {}))

    yield run_it


@pytest.fixture
def xcom() -> Callable[..., Any]:
    """What a task of a run has pushed."""

    def pull(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
        return dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=key)

    return pull
