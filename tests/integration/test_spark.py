"""Turns records into clean frames by Spark, in batches and streams, and compares them with the other roads row by row.

Never mocks Spark: a local session of the published package, with the package under test in its executors.
Rules: docs/spark.md; docs/databricks.md; DESIGN §5 (one cleaning).
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from pinpipe import _query, _synthetic
from pyarrow import parquet
from spark_session import ROOT, Session

NOTEBOOKS = ROOT / "examples" / "databricks"
ROWS = 3000
KINDS = ("pin", "geo", "user")
TABLES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
NAMES = {kind: pinpipe.schema(kind, "raw").names for kind in KINDS}


def _payloads(kind: str) -> list[bytes]:
    """Rows as the emulator sends them."""
    rows = _synthetic.tables()[TABLES[kind]][:ROWS]
    return [json.dumps(dict(zip(NAMES[kind], row, strict=True)), default=str).encode() for row in rows]


@pytest.fixture(scope="module")
def payloads() -> dict[str, list[bytes]]:
    return {kind: _payloads(kind) for kind in KINDS}


def _objects(folder: Path, user_id: str, payloads: dict[str, list[bytes]]) -> None:
    """Files as the S3 sink lays them out, with some records that cannot be read."""
    draw = random.Random(8)
    for kind, records in payloads.items():
        for partition in range(3):
            place = folder / f"{user_id}.{kind}" / f"partition={partition}"
            place.mkdir(parents=True)
            mine = [record for n, record in enumerate(records) if n % 3 == partition]
            for start in range(0, len(mine), 250):
                part = mine[start : start + 250]
                if draw.random() < 0.5:
                    part.insert(draw.randrange(len(part)), b'{"title": "no key"}')
                name = f"{user_id}.{kind}+{partition}+{start:010}.json"
                (place / name).write_bytes(b"\n".join(part) + b"\n")


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by("ind").to_pylist()


def test_the_batch_notebook_gives_the_rows_and_answers_of_the_other_road(
    spark: Session, payloads: dict[str, list[bytes]], tmp_path: Path
) -> None:
    user_id = "0a1b"
    _objects(tmp_path / "topics", user_id, payloads)
    names = [f"default.`{user_id}_{kind}`" for kind in KINDS]
    shown = spark.ask(
        "notebook",
        zone="America/New_York",
        path=str(NOTEBOOKS / "batch.py"),
        widgets={"topics": str(tmp_path / "topics"), "user_id": user_id, "schema": "default"},
        tables=[*names, f"default.`{user_id}_pin_rejects`"],
        to=str(tmp_path),
        secrets={},
    )
    clean = {kind: pinpipe.clean(kind, payloads[kind]) for kind in KINDS}
    for kind in KINDS:
        found = parquet.read_table(tmp_path / f"{user_id}_{kind}.parquet")
        assert _rows(found.cast(pinpipe.schema(kind).arrow())) == _rows(pa.table(clean[kind]))
    rejects = parquet.read_table(tmp_path / f"{user_id}_pin_rejects.parquet").to_pylist()
    assert rejects and all(reject["data"] == b'{"title": "no key"}' for reject in rejects)
    assert all(reject["source"].endswith(".json") and "missing" in reject["reason"] for reject in rejects)
    wanted = _query.query_all(clean)
    assert len(shown) == len(_query.QUESTIONS)
    for question, answer in zip(_query.QUESTIONS, shown, strict=True):
        table = wanted[question]
        assert [[field.name, str(field.type)] for field in table.schema] == answer["columns"], question
        assert [list(row.values()) for row in table.to_pylist()] == answer["rows"] != [], question
