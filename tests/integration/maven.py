"""Turns coordinates of Maven's central registry into a folder of jars, fetched once.

Never fetches twice; a missing tool is a failure that names it.
Rules: tests/README.md; docs/testing.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import pytest
from servers import TOOLS, alone

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pinpipe</groupId><artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    {dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>{3}</dependency>"
)
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


def program(name: str, what_for: str) -> str:
    """The path of a program that the machine must have."""
    path = shutil.which(name)
    if not path:
        pytest.fail(f"{name} is missing: it is needed {what_for}")
    return path


def jars(name: str, *coordinates: str, needs: Literal["too", "not"] = "too") -> Path:
    """The jars of `group:artifact:version`, the first of which names the folder, and of all that they need, or not."""
    version = coordinates[0].rpartition(":")[2]
    home = TOOLS / name
    folder = home / f"lib-{version}"
    with alone("maven"):
        if not folder.exists():
            command = [
                program("mvn", f"to fetch {coordinates[0]}"),
                "-q",
                "-B",
                "dependency:copy-dependencies",
            ]
            part = home / f"part-{os.getpid()}"
            part.mkdir(parents=True, exist_ok=True)
            excluded = _ALONE if needs == "not" else ""
            dependencies = "\n    ".join(
                _DEPENDENCY.format(*told.split(":"), excluded) for told in coordinates
            )
            (part / "pom.xml").write_text(_POM.format(name=name, dependencies=dependencies))
            done = subprocess.run(
                [*command, "-DincludeScope=runtime", f"-DoutputDirectory={part / 'lib'}"],
                cwd=part,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(f"Maven did not fetch {coordinates[0]}: {done.stdout[-2000:]}")
            (part / "lib").rename(folder)
            shutil.rmtree(part)
    return folder
