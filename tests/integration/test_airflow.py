"""Turns each line of Airflow into one run of tests/airflow, with real servers beside it.

Never imports airflow here: each line has an environment and a process of its own.
Rules: docs/airflow.md; docs/testing.md, "Airflow".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_lines import (
    LINES,
    LOCKS,
    ROOT,
    airflow_environment,
    build_wheel,
    provider_wheel,
)
from environments import UV_ENVIRONMENT, uv
from kafka_broker import Broker
from pinpipe import _query, _store
from spark_session import Session

from tests.doubles.databricks import Workspace

TIMEOUT_S = 900
KINDS = ("pin", "geo", "user")


@pytest.fixture(scope="module")
def databricks(spark: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Databricks, as far as one-time runs go: notebooks run on the tests' Spark, their answers are those of DuckDB."""

    def notebook(path: Path, parameters: dict[str, str]) -> None:
        to = tmp_path_factory.mktemp("notebook")
        tables = {kind: f"{parameters['schema']}.`{parameters['user_id']}_{kind}`" for kind in KINDS}
        try:
            shown = spark.ask(
                "notebook",
                path=str(path),
                widgets=parameters,
                tables=list(tables.values()),
                to=str(to),
                secrets={},
            )
        except BaseException as error:  # a failure of this thread is the run's, not the test's
            raise RuntimeError(str(error)) from None
        written = {kind: to / f"{parameters['user_id']}_{kind}.parquet" for kind in KINDS}
        wanted = _query.query_all(written)
        found = [answer["rows"] for answer in shown]
        assert found == [[list(row.values()) for row in each.to_pylist()] for each in wanted.values()]

    with Workspace(ROOT / "examples/databricks", "dapi-of-the-test", notebook) as opened:
        yield opened


@pytest.mark.parametrize("line", LINES)
def test_provider_and_dags(
    line: str,
    kafka_broker: Broker,
    kinesis_ministack: _store.Store,
    databricks: Workspace,
    tmp_path: Path,
) -> None:
    folder = airflow_environment(line)
    databricks.answers_lost, before = 1, len(databricks.runs)
    told = {
        "brokers": kafka_broker.brokers,
        "endpoint": kinesis_ministack.endpoint,
        "region": kinesis_ministack.region,
        "key": kinesis_ministack.environment()["AWS_ACCESS_KEY_ID"],
        "secret": kinesis_ministack.environment()["AWS_SECRET_ACCESS_KEY"],
        "databricks": databricks.connection(),
    }
    services = tmp_path / "services.json"
    services.write_text(json.dumps(told))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PINPIPE_AIRFLOW_DATABASE"] = str(folder / "airflow.db")
    environment["PINPIPE_AIRFLOW_SERVICES"] = str(services)
    options = ["-q", "-x", "--durations=5", "-p", "no:cacheprovider"]
    command = [str(folder / "bin/python"), "-m", "pytest", *options, "tests/airflow"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    good, bad = databricks.runs[before:]
    assert good.error is None and bad.error is not None and "/nowhere" in bad.error
    assert good.asked["existing_cluster_id"] == "1108-162752-8okw8dgg" and databricks.refused == []


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """pinpipe's wheel and the provider's."""
    return [build_wheel(ROOT, tmp_path_factory.mktemp("wheels")), provider_wheel()]


def mwaa(wheels: list[Path], pins: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """The kit for an image with these pins."""
    build = [sys.executable, str(ROOT / "deploy/mwaa/build.py"), *map(str, wheels), "--uv", uv()]
    build += ["--pins", str(pins), "--airflow", "2.11.2", "--python", "3.11", "-o", str(out)]
    environment = os.environ | UV_ENVIRONMENT
    return subprocess.run(
        build, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )


def test_the_kit_for_mwaa_resolves_to_the_images_pins(wheels: list[Path], tmp_path: Path) -> None:
    lock = LOCKS / "2.11.txt"
    done = mwaa(wheels, lock, tmp_path)
    assert done.returncode == 0, done.stderr
    own = {"pinpipe==0.1.0", "airflow-provider-pinpipe==0.1.0"}
    installed = set(done.stdout.split())
    assert own <= installed and installed - own <= set(lock.read_text().split())
    assert "apache-airflow==2.11.2" in installed
    with zipfile.ZipFile(tmp_path / "plugins.zip") as archive:
        assert set(archive.namelist()) == {*(path.name for path in wheels), "constraints.txt"}
    told = (tmp_path / "requirements.txt").read_text()
    assert "--find-links /usr/local/airflow/plugins\n" in told and "\npinpipe==0.1.0\n" in told
    shell = subprocess.run(["sh", "-n", str(tmp_path / "startup.sh")], capture_output=True, check=False)
    assert shell.returncode == 0 and b"exit" not in (tmp_path / "startup.sh").read_bytes()
    first = (tmp_path / "plugins.zip").read_bytes()
    assert mwaa(wheels, lock, tmp_path).returncode == 0
    assert (tmp_path / "plugins.zip").read_bytes() == first, "the same wheels are the same archive"


def test_a_pin_that_contradicts_is_told(wheels: list[Path], tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text((LOCKS / "2.11.txt").read_text().replace("pyarrow==26.0.1", "pyarrow==12.0.0"))
    done = mwaa(wheels, pins, tmp_path / "out")
    assert done.returncode == 1 and "pyarrow" in done.stderr


def test_the_provider_is_typed() -> None:
    """Against the types of Airflow 3, whose own classes are not all typed."""
    python = airflow_environment("3.3") / "bin/python"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--allow-untyped-calls", "--follow-imports=silent"]
    mypy += ["--ignore-missing-imports", "--python-executable", str(python)]
    sources = ["bindings/airflow/airflow_provider_pinpipe", "deploy/mwaa/build.py"]
    done = subprocess.run([*mypy, *sources], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
