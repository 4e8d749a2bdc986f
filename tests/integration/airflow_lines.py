"""Turns a lock into one line of Airflow in a virtual environment of its own, with this checkout's packages in it.

Never resolves anything: what is installed are the versions of the lock, by uv.
Rules: docs/testing.md, "Airflow"; tests/airflow/locks.
"""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path

import pinpipe
from environments import must_run, uv
from servers import alone

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tests/airflow/locks"
LINES = ("2.10", "2.11", "3.3")
_MARK = "installed"


def airflow_environment(line: str) -> Path:
    """The folder of a line's environment, installed once for each content of its lock; with an empty `airflow.db`."""
    folder = ROOT / "build" / "airflow" / line
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = LOCKS / f"{line}.txt"
    with alone(f"airflow-{line}"):
        mark = folder / _MARK
        if not mark.exists() or mark.read_text() != lock.read_text():
            shutil.rmtree(folder, ignore_errors=True)
            must_run([uv(), "-q", "venv", "--python", sys.executable, str(folder)])
            must_run([uv(), "-q", "pip", "sync", "--python", str(folder / "bin/python"), str(lock)])
            _migrate(folder)
            mark.write_text(lock.read_text())
        _install(folder)
    return folder


def _migrate(folder: Path) -> None:
    home = folder / "home"
    variables = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    home.mkdir()
    must_run([str(folder / "bin/airflow"), "db", "migrate"], variables)
    shutil.move(home / "airflow.db", folder / "airflow.db")
    shutil.rmtree(home)


def _install(folder: Path) -> None:
    """The provider by its wheel; pinpipe as it lies where these tests found it, which is what they test."""
    python, wheel = str(folder / "bin/python"), str(provider_wheel())
    must_run([uv(), "-q", "pip", "install", "--no-deps", "--reinstall", "--python", python, wheel])
    packages = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    shutil.rmtree(packages / "pinpipe", ignore_errors=True)
    shutil.copytree(Path(pinpipe.__file__).parent, packages / "pinpipe")


@functools.cache
def provider_wheel() -> Path:
    """The provider's wheel, built once a run."""
    folder = ROOT / "build" / "airflow" / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    return build_wheel(ROOT / "bindings/airflow", folder)


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source folder, by what is installed here."""
    made = folder / source.name
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index"]
    with alone("wheel"):
        must_run([*command, "-w", str(made), str(source)])
    (wheel,) = made.glob("*.whl")
    return wheel
