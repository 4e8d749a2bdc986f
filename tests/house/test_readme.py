"""The README's examples, taken out of it and run; the values in their comments are what they must print.

Never a copy of an example: what is read is what is run.
Rules: docs/testing.md, "The house".
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PINPIPE_BUILD", ROOT / "build"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def _run(command: list[str], folder: Path) -> list[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_python_examples(tmp_path: Path) -> None:
    blocks = [block for block in _blocks("python") if "pyspark" not in block]  # which test_spark.py runs
    assert blocks
    for block in blocks:
        promised = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert promised
        program = tmp_path / "example.py"
        program.write_text(block, encoding="utf-8")
        assert _run([sys.executable, str(program)], tmp_path) == promised


def test_c_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = _blocks("c")
    assert blocks
    prefix = tmp_path / "usr"
    _run(["cmake", "--install", str(BUILD), "--prefix", str(prefix)], ROOT)
    (folder,) = prefix.rglob("pkgconfig")
    monkeypatch.setenv("PKG_CONFIG_PATH", str(folder))
    for block in blocks:
        promised = re.findall(r"^ *printf\(.*\); /\* (.*) \*/$", block, re.MULTILINE)
        assert promised
        (tmp_path / "example.c").write_text(block, encoding="utf-8")
        flags = " ".join(_run(["pkg-config", "--cflags", "--libs", "pinpipe"], tmp_path)).split()
        warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-Wl,-rpath,{folder.parent}"]
        _run(["cc", *warnings, "example.c", "-o", "example", *flags], tmp_path)
        assert _run([str(tmp_path / "example")], tmp_path) == promised


def test_examples_are_at_most_15_lines() -> None:
    """Issue 8: one for each of those who use it."""
    blocks = re.findall(r"^```(\S.*?)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert {language for language, _ in blocks} == {"c", "python", "python airflow", "text"}
    assert max(block.count("\n") for _, block in blocks) <= 15


def test_the_whole_path_in_c_is_at_most_100_lines() -> None:
    """Issue 8; comments and all, in lines that the formatter has broken."""
    assert (ROOT / "examples/c/kafka_to_s3.c").read_text(encoding="utf-8").count("\n") <= 100


@pytest.mark.parametrize("page", sorted({*re.findall(r"\]\(([^)#]+)\)", README)}))
def test_linked_pages_exist(page: str) -> None:
    assert (ROOT / page).is_file()


def test_every_page_is_linked() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", README))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "libpinpipe/README.md", ROOT / "tests/README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_places_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [page.parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    folders = "bench|bindings|cmake|deploy|docs|examples|include|libpinpipe|tests"
    paths = [ROOT / path for path in re.findall(rf"`((?:{folders})/[\w./-]*)", text)]
    assert [str(path) for path in links + paths if not path.exists()] == []
