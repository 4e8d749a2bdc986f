"""Holds Python's json, the decoder and docs/json.md to the rows of tests/vectors/json/readers.tsv.

Never decides what is JSON: RFC 8259 does, by the folder in which a text lies.
Rules: RFC 8259; tests/unit/json_test.c holds the decoder and jansson to the same rows.
"""

from __future__ import annotations

import json
from pathlib import Path

import pinpipe

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests/vectors/json"
PAGE = ROOT / "docs/json.md"


def _readers() -> dict[str, list[str]]:
    lines = (VECTORS / "readers.tsv").read_text(encoding="utf-8").splitlines()
    return {row[0]: row[1:] for row in (line.split("\t") for line in lines if not line.startswith("#"))}


def _table(heading: str) -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def _python_takes(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def test_python_reads_the_corpus_as_the_rows_say() -> None:
    readers = _readers()
    texts = sorted(VECTORS.glob("*/*.json"))
    assert len(texts) > 120
    for path in texts:
        expected = readers[path.stem][2] == "yes" if path.stem in readers else path.parent.name == "valid"
        assert _python_takes(path.read_bytes()) == expected, path.name


def test_decoder_by_python_reads_the_corpus_as_the_rows_say() -> None:
    readers = _readers()
    for path in sorted(VECTORS.glob("*/*.json")):
        expected = readers[path.stem][0] == "yes" if path.stem in readers else path.parent.name == "valid"
        table = pinpipe.decode("geo", [b'{"ind":1,"x":' + path.read_bytes() + b"}"])
        assert (table.num_rows, len(table.rejects)) == ((1, 0) if expected else (0, 1)), path.name


def test_page_is_the_rows() -> None:
    expected = []
    for name, (decoder, jansson, python, why) in _readers().items():
        is_valid = (VECTORS / "valid" / f"{name}.json").exists()
        expected.append([f"`{name}`", "yes" if is_valid else "no", decoder, jansson, python, why])
    assert _table("Where readers differ") == expected


def test_values_are_as_the_page_says() -> None:
    rows = _table("What a value becomes")
    assert len(rows) == 8
    for text, decoder, python in rows:
        record = '{"ind":1,"latitude":' + text.strip("`") + "}"
        value = pinpipe.decode("geo", [record]).to_pylist()[0]["latitude"]
        assert ("null" if value is None else repr(value)) == decoder, text
        assert repr(json.loads(record)["latitude"]) == python, text
