"""Turns each line of Airflow into one run of tests/airflow, with real servers beside it.

Never imports airflow here: each line has an environment and a process of its own.
Rules: docs/airflow.md; docs/testing.md, "Airflow".
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from airflow_lines import LINES, ROOT, airflow_environment

TIMEOUT_S = 900


@pytest.mark.parametrize("line", LINES)
def test_provider_and_dags(line: str, tmp_path: Path) -> None:
    folder = airflow_environment(line)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PINPIPE_AIRFLOW_DATABASE"] = str(folder / "airflow.db")
    command = [
        str(folder / "bin/python"),
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "tests/airflow",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
