"""Turns one line of Airflow into a home of its own: database, DAGs folder, connections, before airflow is imported.

Never runs a scheduler and never reaches beyond this machine; it is started by tests/integration/test_airflow.py.
Rules: docs/testing.md, "Airflow".
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="pinpipe-airflow-"))
DAGS = HOME / "dags"
DAG_FOLDERS = (ROOT / "examples/airflow", ROOT / "tests/airflow/dags")

DAGS.mkdir()
for folder in DAG_FOLDERS:
    for path in folder.glob("*.py"):
        shutil.copy(path, DAGS)
(README,) = re.findall(
    r"^```python airflow\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)
#: Where README's DAG writes; here it writes into the home of the test.
README_DATA = "/tmp/pinpipe"
(DAGS / "daily_pins_dag.py").write_text(README.replace(README_DATA, str(HOME / "readme")))
shutil.copy(os.environ["PINPIPE_AIRFLOW_DATABASE"], HOME / "airflow.db")
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "*",
    }
)


def pytest_sessionfinish() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def read_dags(path: Path) -> Any:
    """The DAGs of a file or a folder."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models import DagBag

    return DagBag(dag_folder=str(path))


@pytest.fixture(scope="session")
def dagbag() -> Any:
    """Every DAG of the examples and of the tests, parsed once."""
    return read_dags(DAGS)


@pytest.fixture
def run(dagbag: Any) -> Iterator[Callable[..., Any]]:
    """Runs a DAG to its end by `dag.test()`, without waiting for retries; the run, whatever its state."""

    def run_it(dag_id: str, conf: dict[str, Any] | None = None, **changed: Any) -> Any:
        dag = dagbag.dags[dag_id]
        for task in dag.tasks:
            task.retries = 0
            for name, value in changed.items():
                if hasattr(task, name):
                    setattr(task, name, value)
        return dag.test(run_conf=conf or {})

    yield run_it


@pytest.fixture
def xcom() -> Callable[..., Any]:
    """What a task of a run has pushed."""

    def pull(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
        return dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=key)

    return pull
