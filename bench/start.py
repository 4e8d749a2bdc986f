"""The benchmark's section on starting: import and first credentials in a fresh process, beside botocore's session.

Never counts the interpreter's own start, nor the compiling of sources: a first run of each fills the caches.
Rules: DESIGN §5 ("Speed"); reference/signing.md §9 (10).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import figures
import pinpipe
from sections import Bench
from sign import botocore_python

HERE = Path(__file__).resolve().parent


def _compiled(folder: Path) -> Path:
    """The package with its byte code, as an installer leaves it."""
    source = Path(pinpipe.__file__).parent
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder / "pinpipe", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def section(bench: Bench) -> dict[str, Any]:
    """ms of CPU, modules, ratio."""
    program = str(HERE / "peer_start.py")
    folder = _compiled(bench.folder.parent / "start")
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "start/secret",
        "PYTHONPATH": str(folder),
    }
    os.environ.update(environment)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    commands = {
        "pinpipe": [sys.executable, program, "pinpipe"],
        "botocore": [str(botocore_python()), program, "botocore"],
    }
    for command in commands.values():
        figures.run(command)
    runs = figures.interleaved(commands, 4 * bench.runs)
    peer = figures.median(runs["botocore"])
    found: dict[str, Any] = {}
    print(
        "\nimport and first credentials, a fresh process each: ms of CPU behind the interpreter's own start"
    )
    for name, of in runs.items():
        cpu = figures.median(of)
        found[name] = {"cpu_s": cpu, "ratio": cpu / peer} | {
            key: of[0][key] for key in ("modules", "libraries")
        }
        least = min(run["cpu_s"] for run in of)
        print(
            f"  {name:10} {of[0]['version']:8} {1000 * cpu:7.2f} ms, least {1000 * least:.2f}, "
            f"{cpu / peer:.3f} of botocore's; {of[0]['modules']} modules, {of[0]['libraries']} libraries in all"
        )
    return found
