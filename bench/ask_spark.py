"""Asks Spark for a list of jobs: makes its environment where it is missing, and starts it in its own process.

Never shares the environment of this program: Spark wants another pandas.
Rules: recipes/peers.md, "Method"; the first job in a session pays for Spark's own start, and is told apart.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import figures

HERE = Path(__file__).resolve().parent
FOLDER = figures.PEERS / "spark"
START_TIMEOUT_S = 3600


def python() -> Path:
    """The interpreter of Spark's environment, made once."""
    if not shutil.which("java"):
        raise SystemExit("bench: java is missing: Spark needs JDK 17; --without spark leaves it out")
    return Path(figures.environment(FOLDER / "venv", "spark-requirements.txt"))


def ask(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """{"version": text, "jobs": {name: [figures of each run]}}."""
    program = python()
    request, answer = FOLDER / "request.json", FOLDER / "answer.json"
    asked = {"warehouse": str(FOLDER / "warehouse"), "jobs": jobs}
    request.write_text(json.dumps(asked), encoding="utf-8")
    command = [str(program), str(HERE / "peer_spark.py"), str(request), str(answer)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=START_TIMEOUT_S, cwd=FOLDER
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: Spark failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return result
