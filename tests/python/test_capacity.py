"""Turns the figures of docs/performance.md into the tables of docs/capacity.md again, and a few cells by hand.

Never lets a figure of either page stand alone: what was measured anew changes what is planned by it.
Rules: docs/capacity.md; bench/capacity.py.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")


@pytest.fixture
def capacity(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("capacity")


def test_the_page_is_what_the_figures_give(capacity: Any) -> None:
    page = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    assert capacity.FENCE.findall(page) == [capacity.tables(PERFORMANCE)], "python bench/capacity.py --write"


def test_cells_that_were_worked_out_by_hand(capacity: Any) -> None:
    page = "\n".join(
        f"## {figure.section}\n\n" for figure in capacity.FIGURES if figure.section != "Kafka to objects"
    )
    page += "## Kafka to objects\n\n| pinpipe, plain | 1.2 | 1.0 | 81 |\n"
    plain = next(figure for figure in capacity.FIGURES if figure.section == "Kafka to objects")
    assert capacity.cost_us(plain, page) == 1.2
    # 1.2 µs: 500,000 records/s fill 0.6 of a core, which is all that is planned for
    assert [capacity.cores(rate, 1.2) for rate in (1, 500_000, 500_001, 1_000_000)] == [1, 1, 2, 2]
    made = capacity.tables(PERFORMANCE)
    assert "| Kinesis shards, a record each | 1 | 10 | 100 | 1,000 | 10,000 |" in made
    # 1 MB/s and shard are 1,666 records of 600 bytes, whatever they are packed in
    assert "| Kinesis shards, aggregates | 1 | 6 | 60 | 600 | 6,000 |" in made


def test_a_figure_that_is_gone_is_told(capacity: Any) -> None:
    with pytest.raises(SystemExit, match="0 lines of 'Gateway'"):
        capacity.tables(PERFORMANCE.replace("| 1 record, 64 connections |", "| one |"))
