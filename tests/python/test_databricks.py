"""Turns the Databricks notebooks into Jupyter's form, and the bundle into resources that Databricks' own models take.

Never runs a notebook: tests/integration/test_spark.py does.
Rules: docs/databricks.md; nbformat 4.5; iac recipe §8 (what can be checked of a bundle without Databricks).
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job

from tests.house.page_commands import other_lines

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "databricks"
BUNDLE = ROOT / "deploy" / "databricks"
SOURCES = sorted(path for path in FOLDER.glob("*.py") if path.name != "notebooks.py")


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("notebooks")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_notebook_becomes_the_same_ipynb_each_time(notebooks: Any, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    made = notebooks.ipynb(source)
    assert made == notebooks.ipynb(source)
    whole = json.loads(made)
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    cells = whole["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells) > 5
    assert {cell["cell_type"] for cell in cells} == {"code", "markdown"}
    texts = ["".join(cell["source"]) for cell in cells]
    assert not any(line.startswith("# MAGIC") for text in texts for line in text.splitlines())
    code = "\n".join(text for cell, text in zip(cells, texts, strict=True) if cell["cell_type"] == "code")
    kept = [line for line in source.splitlines() if line and not line.startswith(("# MAGIC", "# COMMAND"))]
    assert [line for line in code.splitlines() if line] == kept[1:], "every line of Python, in order"
    ast.parse(code)


def test_the_bundle_is_of_known_fields_and_its_paths_exist() -> None:
    bundle = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    assert set(bundle["targets"]) == {"dev", "prod"}
    assert (BUNDLE / bundle["artifacts"]["pinpipe"]["path"] / "pyproject.toml").is_file()
    assert all((BUNDLE / path).is_dir() for path in bundle["sync"]["paths"])
    found = [path for pattern in bundle["include"] for path in BUNDLE.glob(pattern)]
    assert found
    for path in found:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["resources"]["jobs"].values():
            tasks: list[Any] = list(Job.from_dict(job).tasks)
            assert [task.task_key for task in tasks] == ["batch", "stream"]
            for task in tasks:
                text = (path.parent / task.notebook_task.notebook_path).read_text(encoding="utf-8")
                assert text.startswith("# Databricks notebook source\n")
                known = set(re.findall(r'dbutils\.widgets\.text\(\s*"(\w+)"', text))
                assert set(task.notebook_task.base_parameters) <= known
        with pytest.raises((TypeError, ValueError), match="notebook_paths"):
            Job.from_dict(
                {"name": "x", "tasks": [{"task_key": "a", "notebook_task": {"notebook_paths": "x"}}]}
            )


def test_the_pages_commands_name_what_the_bundle_has() -> None:
    """Only a workspace could run them."""
    bundle = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    jobs = yaml.safe_load((BUNDLE / "resources/pinterest.yml").read_text(encoding="utf-8"))["resources"][
        "jobs"
    ]
    lines = [line for line in other_lines() if re.match("databricks bundle (deploy|run)", line)]
    assert (
        {target for line in lines for target in re.findall(r"-t (\w+)", line)}
        == {"dev"}
        <= set(bundle["targets"])
    )
    assert {name for line in lines for name in re.findall(r"--var (\w+)=", line)} <= set(bundle["variables"])
    assert [job for line in lines for job in re.findall(r"bundle run (\w+)", line)] == list(jobs)
