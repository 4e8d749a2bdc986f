"""Turns the jobs, which schedulers call, into comparisons with what the functions of the package say.

Never reaches a service: streams and objects are in tests/airflow, which runs the jobs as tasks.
Rules: docs/airflow.md, "Jobs".
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pinpipe
import pytest
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("pin", "geo", "user")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Raw rows of 50 draws, with one that cannot be read."""
    monkeypatch.chdir(tmp_path)
    pinpipe.emulate(None, f"file://{tmp_path}", rows=50)
    with (tmp_path / "demo.pin.ndjson").open("ab") as file:
        file.write(b'{"index": \n')
    return tmp_path


def test_clean_counts_what_it_wrote(folder: Path) -> None:
    done = pinpipe.jobs.clean(
        "pin",
        "demo.pin.ndjson",
        "made/pin.parquet",
        dedupe="ind",
        rejects="bad/pin.ndjson",
        census="census/pin.json",
    )
    table = pinpipe.clean("pin", folder / "demo.pin.ndjson", dedupe="ind")
    assert parquet.read_table("made/pin.parquet").to_pylist() == table.to_pylist()
    assert (done.records, done.rejected, done.rejects) == (51, 1, "bad/pin.ndjson")
    assert done.records == done.cleaned + done.duplicates + done.dropped + done.rejected
    assert done.census == dict(table.census)
    assert json.loads(Path("census/pin.json").read_text())["records"] == 51
    assert len(Path("bad/pin.ndjson").read_bytes().splitlines()) == 1


def test_a_fatal_expectation_is_raised_after_the_table_is_written(folder: Path) -> None:
    rules = {"expect": {"pin": {"rows_min": 1000, "fatal": True}}}
    Path("rules.json").write_text(json.dumps(rules))
    with pytest.raises(pinpipe.ExpectationError):
        pinpipe.jobs.clean("pin", "demo.pin.ndjson", "pin.ndjson", expect="rules.json")
    assert Path("pin.ndjson").stat().st_size


def test_answers_and_page_lie_where_they_were_told_to(folder: Path) -> None:
    tables = {kind: f"{kind}.ndjson" for kind in KINDS}
    for kind in KINDS:
        pinpipe.jobs.clean(kind, f"demo.{kind}.ndjson", tables[kind])
    done = pinpipe.jobs.answer(
        tables, answers=f"file://{folder}/out/all.json", report="pages/report.html", reading={"ties": "one"}
    )
    found = json.loads((folder / "out/all.json").read_text())
    assert {question: len(rows) for question, rows in found.items()} == done.rows
    expected = pinpipe.query("q1", pin=tables["pin"], geo=tables["geo"], ties="one").to_pylist()
    assert found["q1"] == expected
    assert Path("pages/report.html").read_text().startswith("<!doctype html>")


def test_the_manuals_job_prints_its_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/airflow.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(import pinpipe\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (folder / "demo.pin.ndjson").rename("pins.ndjson")
    exec(block, {})
    read, cleaned, duplicates, rejected = map(int, capsys.readouterr().out.split())
    assert read == 51 == cleaned + duplicates + rejected and rejected == 1
