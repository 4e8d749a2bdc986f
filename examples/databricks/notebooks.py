"""Turns the notebooks beside this file, Databricks' .py sources, into runs on any Spark and into .ipynb files.

Never needs Databricks: `dbutils` and `display` are stand-ins that do what these notebooks use. Never writes two
different .ipynb from one source: the cells' ids are their numbers.
Rules: docs/databricks.md; Databricks' source format; nbformat 4.5.

    python notebooks.py run batch.py topics=/data/topics user_id=0a1b    needs pyspark and the Delta jars
    python notebooks.py ipynb batch.py -o batch.ipynb
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST_LINE = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC "


@dataclass(frozen=True)
class Cell:
    """A cell. magic: what `# MAGIC` says, such as md, pip or run; None for Python. line: its first, from 1."""

    magic: str | None
    text: str
    line: int


def cells(source: str) -> list[Cell]:
    """The cells of a .py source. Raises ValueError where it is none."""
    lines = source.splitlines()
    if not lines or lines[0] != FIRST_LINE:
        raise ValueError(f"the first line is not '{FIRST_LINE}'")
    found: list[Cell] = []
    start = 1
    for at in range(1, len(lines) + 1):
        if at < len(lines) and lines[at] != SEPARATOR:
            continue
        while start < at and not lines[start].strip():
            start += 1
        body = lines[start:at]
        while body and not body[-1].strip():
            body.pop()
        if body:
            found.append(_cell(body, start + 1))
        start = at + 1
    return found


def _cell(body: list[str], line: int) -> Cell:
    if not all(each.startswith(MAGIC.rstrip()) for each in body):
        return Cell(None, "\n".join(body), line)
    text = "\n".join(each.removeprefix(MAGIC.rstrip()).removeprefix(" ") for each in body)
    if not text.startswith("%"):
        return Cell(None, text, line)
    magic, _, rest = text[1:].partition("\n")
    word, _, argument = magic.partition(" ")
    return Cell(word, "\n".join(part for part in (argument, rest) if part), line)


class Widgets:
    """`dbutils.widgets`: values by name, those of the caller before the notebook's own."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """Takes the caller's values."""
        self._given = dict(given)
        self._known: dict[str, str] = {}

    def text(self, name: str, default: str, label: str | None = None) -> None:
        """Declares a widget."""
        self._known[name] = self._given.get(name, default)

    def get(self, name: str) -> str:
        """The value of a declared widget."""
        return self._known[name]


class Secrets:
    """`dbutils.secrets`: values by (scope, key)."""

    def __init__(self, given: Mapping[tuple[str, str], str]) -> None:
        """Takes the caller's values."""
        self._given = dict(given)

    def get(self, scope: str, key: str) -> str:
        """A secret. Raises KeyError where there is none."""
        return self._given[scope, key]


@dataclass
class Utilities:
    """The parts of `dbutils` that the notebooks use."""

    widgets: Widgets
    secrets: Secrets


@dataclass
class Run:
    """What a run left behind. displayed: what `display` was given, in order; names: the notebook's own."""

    displayed: list[Any] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)


def run(
    path: Path,
    spark: Any,
    widgets: Mapping[str, str] | None = None,
    secrets: Mapping[tuple[str, str], str] | None = None,
) -> Run:
    """Runs a notebook's Python cells in order, and those of the notebooks that it names by %run."""
    done = Run()
    utilities = Utilities(Widgets(widgets or {}), Secrets(secrets or {}))
    done.names.update(
        spark=spark, dbutils=utilities, display=done.displayed.append, __name__="__main__", __file__=str(path)
    )
    _run_cells(path, done.names)
    return done


def _run_cells(path: Path, names: dict[str, Any]) -> None:
    for cell in cells(path.read_text(encoding="utf-8")):
        if cell.magic is None:
            code = "\n" * (cell.line - 1) + cell.text  # so that errors name the line of the file
            exec(compile(code, str(path), "exec"), names)
        elif cell.magic == "run":
            _run_cells(path.parent / f"{cell.text.strip()}.py", names)
        elif cell.magic not in ("md", "pip"):
            raise ValueError(f"{path}:{cell.line}: %{cell.magic} runs on Databricks only")


def ipynb(source: str) -> str:
    """The same as a Jupyter notebook."""
    made = []
    for number, cell in enumerate(cells(source)):
        text = cell.text if cell.magic in (None, "md") else f"%{cell.magic} {cell.text}"
        one: dict[str, Any] = {
            "cell_type": "markdown" if cell.magic == "md" else "code",
            "id": f"cell-{number:03}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        if one["cell_type"] == "code":
            one |= {"execution_count": None, "outputs": []}
        made.append(one)
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": python}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _session() -> Any:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the workers' Python is the first of PATH
    return SparkSession.builder.getOrCreate()


def main() -> int:
    """Runs or converts one notebook."""
    parser = argparse.ArgumentParser(description="Databricks notebooks without Databricks")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="on the Spark that spark-defaults.conf describes")
    running.add_argument("notebook", type=Path)
    running.add_argument("widgets", nargs="*", metavar="NAME=VALUE")
    making = commands.add_parser("ipynb", help="make a Jupyter notebook")
    making.add_argument("notebook", type=Path)
    making.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "ipynb":
        arguments.output.write_text(ipynb(arguments.notebook.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    given = dict(each.split("=", 1) for each in arguments.widgets)
    for frame in run(arguments.notebook, _session(), given).displayed:
        frame.show(truncate=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
