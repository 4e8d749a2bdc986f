"""Writes the seed corpus: whole records, bad lines and the vectors of every rule, in both shapes.

Never overwrites what a fuzzer found: it only adds files of its own names.
Rules: docs/testing.md, "Fuzz"; the first two bytes of a seed are read by tests/fuzz/decode_fuzz.c.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.python.bad_records import BAD_LINES, GEO, GOOD, PIN, USER, as_json  # noqa: E402

FORMATS = {
    "auto": 0,
    "ndjson": 1,
    "json": 2,
    "csv": 3,
    "kafka-rest": 4,
    "kinesis": 5,
    "connect": 6,
    "records": 7,
    "filestream": 8,
}
SHAPES = 2
RECORDS = {"pin": 0, "geo": 1, "user": 2}
LETTERS = 5000


def _csv(record: dict[str, object]) -> bytes:
    values = ",".join('"' + str(value).replace('"', '""') + '"' for value in record.values())
    return f"{','.join(record)}\n{values}\n".encode()


def _vectors() -> Iterator[tuple[str, bytes]]:
    """(record, line) of every rule's vectors; `$` stands for the columns of a plain record, `#` for many letters."""
    plain = {"pin": PIN, "geo": GEO, "user": USER}
    for row in (ROOT / "tests/vectors/rules/rules.tsv").read_bytes().split(b"\n"):
        if not row or row.startswith(b"# "):
            continue
        name, _, _, line, *_ = row.split(b"\t")
        kind = name.decode()

        def columns(match: re.Match[bytes], kind: str = kind) -> bytes:
            left_out = (match.group(1) or b"").decode()
            kept = {k: v for k, v in plain[kind].items() if k not in (left_out, "index", "ind")}
            return as_json(kept)[1:-1]

        yield kind, re.sub(rb"\$(?:-(\w+))?", columns, line).replace(b"#", b"A" * LETTERS)


def _envelopes(line: bytes, record: dict[str, object]) -> Iterator[tuple[str, bytes]]:
    """(format, one record in it)."""
    data = base64.b64encode(line)
    yield "kafka-rest", b'[{"topic":"t","key":null,"value":' + line + b',"partition":0,"offset":1}]'
    yield "kinesis", b"partitionKey,data,sequenceNumber\np," + data + b",1\np,IiI=,2\n"
    yield "kinesis", b'{"data":"' + base64.b64encode(data) + b'","partitionKey":"p","sequenceNumber":"1"}'
    yield "connect", b'{"schema":{},"payload":' + line + b"}\n"
    yield "records", b'{"records":[{"value":' + line + b'},{"Data":"' + data + b'"}],"n":1}'
    yield "filestream", b"{" + b", ".join(f"{k}={v}".encode() for k, v in record.items()) + b"}\n"
    yield "ndjson", json.dumps(line.decode()).encode()
    yield "ndjson", b'{"Data":{"index":' + line + b"}}"


def _inputs() -> Iterator[tuple[str, str, bytes]]:
    """(record, format, bytes)."""
    for name, record in (("pin", PIN), ("geo", GEO), ("user", USER)):
        line = as_json(record)
        yield name, "ndjson", b"\n".join([line] * 4)
        yield name, "json", b"[" + b", ".join([line] * 4) + b"]"
        yield name, "auto", line
        yield name, "csv", _csv(record)
        for form, envelope in _envelopes(line, record):
            yield name, form, envelope
            yield name, "auto", envelope
    for bad in BAD_LINES.values():
        yield "geo", "ndjson", GOOD[0] + b"\n" + bad + b"\n" + GOOD[1]
        yield "geo", "json", b"[" + bad + b"]"
    yield from ((kind, "ndjson", line) for kind, line in _vectors())


def main(folder: Path) -> None:
    """Writes the seeds of the decoder's target below `folder`."""
    target = folder / "decode_fuzz"
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for record, form, data in _inputs():
        for shape in range(SHAPES):
            choice = RECORDS[record] + 3 * shape + 6 * FORMATS[form]
            seed = bytes([choice, len(data) % 251]) + data
            (target / f"seed-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)
            count += 1
    print(f"{count} seeds in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
