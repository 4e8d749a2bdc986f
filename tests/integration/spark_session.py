"""Turns Spark's packages into an environment of their own, and that into one running session for every test.

Never installs Spark into the product's environment; the session has the package under test, by a link.
Rules: tests/README.md; python recipe §4; docs/testing.md, "Spark".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import maven
import pinpipe
import pytest
from servers import alone

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
PACKAGES = ("pyspark==4.2.0", "pyarrow==26.0.1", "pandas==2.3.3", "setuptools==80.9.0")
PACKAGES_35 = ("pyspark==3.5.7", *PACKAGES[1:])
DELTA = ("io.delta:delta-spark_4.2_2.13:4.4.0", "io.delta:delta-storage:4.4.0")
ANSWER_TIMEOUT_S = 600
STOP_TIMEOUT_S = 60


def spark_python(folder: str, packages: Sequence[str]) -> Path:
    """The interpreter of an environment below build/spark, made once."""
    maven.program("java", "by Spark, which wants JDK 17")
    home = BUILD / "spark" / folder
    python = home / "bin" / "python"
    with alone(f"spark-{folder}"):
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            for command in (
                [sys.executable, "-m", "venv", str(home)],
                [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    pytest.fail(f"{' '.join(command)}: {done.stderr[-2000:]}")
            (home / "ready").touch()
    return python


def package_folder(folder: Path) -> Path:
    """A folder that has the package under test and nothing else, for PYTHONPATH."""
    folder.mkdir()
    (folder / "pinpipe").symlink_to(Path(pinpipe.__file__).parent, target_is_directory=True)
    return folder


class Session:
    """A running Spark, which does jobs of spark_jobs.py."""

    def __init__(self, python: Path, folder: Path, settings: dict[str, str]) -> None:
        """folder: for its files, new; settings: beside those of spark_driver.py."""
        told = folder / "settings.json"
        told.write_text(json.dumps({"spark.sql.warehouse.dir": str(folder / "warehouse"), **settings}))
        path = os.pathsep.join(
            [str(package_folder(folder / "packages")), str(ROOT / "examples" / "databricks")]
        )
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), str(Path(__file__).with_name("spark_driver.py")), str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, "TZ": "Asia/Tokyo"},
            )

    def ask(self, job: str, *, zone: str = "UTC", **arguments: Any) -> Any:
        """What a job returns; its error is the test's failure, with the end of Spark's log."""
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"job": job, "zone": zone, "arguments": arguments}) + "\n")
        process.stdin.flush()
        watch = threading.Timer(ANSWER_TIMEOUT_S, process.kill)
        watch.start()
        line = process.stdout.readline()
        watch.cancel()
        if not line:
            pytest.fail(f"Spark ended in {job}: {self._log.read_text(errors='replace')[-4000:]}")
        found = json.loads(line)
        if "error" in found:
            pytest.fail(f"{job}: {found['error'][-6000:]}")
        return found["answer"]

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One Spark 4.2 with Delta for the whole run."""
    jars = sorted(maven.jars("delta", *DELTA, needs="not").glob("*.jar"))
    settings = {
        "spark.jars": ",".join(map(str, jars)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    session = Session(spark_python("venv", PACKAGES), tmp_path_factory.mktemp("spark"), settings)
    yield session
    session.close()
