"""Turns one line of Airflow into a home of its own: database, DAGs folder and settings, before airflow is imported.

Never runs a scheduler and never reaches beyond this machine.
Rules: docs/testing.md, "Airflow".
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="pinpipe-airflow-"))
DAGS = HOME / "dags"
DAG_FOLDERS = (ROOT / "examples/airflow", ROOT / "tests/airflow/dags")
#: Where README's DAG writes; here it writes into the home of the test.
README_DATA = "/tmp/pinpipe"
(README,) = re.findall(
    r"^```python airflow\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)


def make() -> None:
    """The home's files, and the environment that leads to them."""
    DAGS.mkdir()
    for folder in DAG_FOLDERS:
        for path in folder.glob("*.py"):
            shutil.copy(path, DAGS)
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


def read_dags(path: Path) -> Any:
    """The DAGs of a file or a folder."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models import DagBag

    return DagBag(dag_folder=str(path))
