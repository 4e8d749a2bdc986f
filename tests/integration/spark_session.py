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
OTHERS = ("3.5.7", "4.0.5", "4.1.4")
DELTA = ("io.delta:delta-spark_4.2_2.13:4.4.0", "io.delta:delta-storage:4.4.0")
ANSWER_TIMEOUT_S = 600
STOP_TIMEOUT_S = 60


def _made(home: Path, commands: Sequence[Sequence[str]]) -> Path:
    """A folder that commands make, once."""
    with alone(f"spark-{home.name}"):
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            for command in commands:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    pytest.fail(f"{' '.join(command)}: {done.stderr[-2000:]}")
            (home / "ready").touch()
    return home


def spark_python() -> Path:
    """The interpreter of an environment with Spark 4.2 and what every Spark needs, made once."""
    maven.program("java", "by Spark, which wants JDK 17")
    home = BUILD / "spark" / "venv"
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES]
    _made(home, ([sys.executable, "-m", "venv", str(home)], install))
    return python


def unpacked(version: str) -> Path:
    """Another Spark, as its source package has it: an installation would copy and compress all of it twice."""
    home = BUILD / "spark" / version
    options = [
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--no-build-isolation",
    ]
    load = [str(spark_python()), "-m", "pip", "download", *options, "-d", str(home), f"pyspark=={version}"]
    package = f"{home}/pyspark-{version}.tar.gz"
    unpack = ["tar", "-xzf", package, "-C", str(home), "--strip-components=1"]
    return _made(home, (load, unpack, ["rm", package]))


def package_folder(folder: Path) -> Path:
    """A folder that has the package under test and nothing else, for PYTHONPATH."""
    folder.mkdir()
    (folder / "pinpipe").symlink_to(Path(pinpipe.__file__).parent, target_is_directory=True)
    return folder


class Session:
    """A running Spark, which does jobs of spark_jobs.py."""

    def __init__(self, folder: Path, settings: dict[str, str], home: Path | None = None) -> None:
        """folder: for its files, new; settings: beside those of spark_driver.py; home: of another Spark than 4.2."""
        told = folder / "settings.json"
        told.write_text(json.dumps({"spark.sql.warehouse.dir": str(folder / "warehouse"), **settings}))
        path = [package_folder(folder / "packages"), ROOT / "examples" / "databricks"]
        surroundings = {**os.environ, "TZ": "Asia/Tokyo"}
        if home:
            path += [home, *(home / "lib").glob("py4j-*.zip")]
            surroundings["SPARK_HOME"] = str(home / "deps")
        surroundings["PYTHONPATH"] = os.pathsep.join(map(str, path))
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(spark_python()), str(Path(__file__).with_name("spark_driver.py")), str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=surroundings,
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
    session = Session(tmp_path_factory.mktemp("spark"), settings)
    yield session
    session.close()
