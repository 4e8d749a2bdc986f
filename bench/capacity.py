"""Turns the figures of docs/performance.md into what a core carries and how many are needed: docs/capacity.md.

Never has a figure of its own: each is found in the page by its section and row, and one that is not found ends it.
Rules: docs/capacity.md; reference/kinesis-s3.md §1.1 (limits of shards and requests).

    python bench/capacity.py [--write]        prints the tables, or writes them into the page
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "capacity.md"
FENCE = re.compile(r"(?<=<!-- bench/capacity\.py -->\n).*?(?=<!-- end -->)", re.DOTALL)
RATES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
#: How much of a core is planned for.
BUSY = 0.6
#: A pin as it is sent, and how many of them an aggregate of 51,200 bytes holds.
RECORD_BYTES, AGGREGATED = 600, 84
#: Kinesis: a shard's records and bytes a second; records and bytes of a PutRecords request.
SHARD_RECORDS, SHARD_BYTES, PUT_RECORDS, PUT_BYTES = 1_000, 1_000_000, 500, 10 << 20
#: MSK Serverless: bytes a second into a partition (Amazon MSK Developer Guide, "MSK Serverless quota").
PARTITION_BYTES = 5_000_000
#: The sink's default.
OBJECT_RECORDS = 10_000


class Figure(NamedTuple):
    """Where a cost stands: section, the beginning of its line up to the figure, and figures a µs and record."""

    part: str
    how: str
    section: str
    row: str
    divisor: float = 1.0


FIGURES = (
    Figure("gateway", "1 record a request", "Gateway", r"\| 1 record, 64 connections \| "),
    Figure("gateway", "100 records a request", "Gateway", r"\| 100 records, 16 connections \| [\d,.]+ \| "),
    Figure("sink", "10,000 records an object", "Kafka to objects", r"\| pinpipe, plain \| "),
    Figure("sink", "the same, gzip", "Kafka to objects", r"\| pinpipe, gzip by ISA-L \| "),
    Figure("sink", "1 record an object", "Kafka to objects", r"One record an object.*\(fsync\), "),
    Figure("stream", "pins, appended", "Stream to Delta", r"\| pin \| "),
    Figure("producer", "Kafka, Arrow columns", "Kafka", r"\| `produce_batch` of an Arrow array.*? \| ", 1e3),
    Figure("producer", "Kinesis, 500 a request", "Kinesis", r"\| C, JSON \| ", 500),
    Figure("producer", "Kinesis, aggregates", "Kinesis", r"\| 600 B, written, packed, sent by TLS.*? \| "),
    Figure("producer", "REST, 1 a request", "REST proxy", r"\| pinpipe from Python, `json\.dumps`.*? \| "),
    Figure(
        "cleaner", "pins, file to table", "pin", r"\| Python, path, whole table \| (?:[\d,.]+ \| ){3}", 1e3
    ),
)


def cost_us(figure: Figure, performance: str) -> float:
    """µs of CPU a record, by the page."""
    sections = re.split(r"^##+ ", performance, flags=re.MULTILINE)
    (section,) = [text for text in sections if re.match(rf"{figure.section}(?::.*)?\n", text)]
    found = re.findall(rf"^{figure.row}([\d,.]*\d)", section, re.MULTILINE)
    if len(found) != 1:
        raise SystemExit(f"capacity: {len(found)} lines of '{figure.section}' begin with {figure.row}")
    return float(found[0].replace(",", "")) / figure.divisor


def cores(rate: int, us: float) -> int:
    """How many are needed so that none is busier than planned."""
    return max(1, math.ceil(round(rate * us / 1e6 / BUSY, 6)))


def _row(*cells: object) -> str:
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    return "\n".join([_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in rows)])


def tables(performance: str) -> str:
    """What stands between the page's marks."""
    rates = tuple(f"{rate:,}/s" for rate in RATES)
    known = [(figure, cost_us(figure, performance)) for figure in FIGURES]
    carried: list[tuple[object, ...]] = [
        (figure.part, figure.how, f"{us:.3g}", int(float(f"{1e6 / us:.3g}"))) for figure, us in known
    ]
    needed: list[tuple[object, ...]] = [
        (figure.part, figure.how, *(cores(rate, us) for rate in RATES)) for figure, us in known
    ]
    put_bytes = AGGREGATED * PUT_BYTES // 51_200  # records of a full request of aggregates
    per_unit = (
        ("Kinesis shards, a record each", min(SHARD_RECORDS, SHARD_BYTES / RECORD_BYTES)),
        ("Kinesis shards, aggregates", min(SHARD_RECORDS * AGGREGATED, SHARD_BYTES / RECORD_BYTES)),
        ("PutRecords a second, a record each", PUT_RECORDS),
        ("PutRecords a second, full of aggregates", put_bytes),
        ("partitions of MSK Serverless", PARTITION_BYTES / RECORD_BYTES),
        ("objects a second, 10,000 records each", OBJECT_RECORDS),
        ("objects a second, 1 record each", 1),
        ("requests a second to the gateway, 100 records each", 100),
    )
    services: list[tuple[object, ...]] = [
        (name, *(max(1, math.ceil(rate / each)) for rate in RATES)) for name, each in per_unit
    ]
    return "\n\n".join(
        [
            _table(("part", "", "µs CPU a record", "records/s of a core"), carried),
            f"Cores, none busier than {BUSY:.0%}:",
            _table(("part", "", *rates), needed),
            f"What services have to offer for records of {RECORD_BYTES} bytes:",
            _table(("", *rates), services),
            "",
        ]
    )


def main() -> int:
    """Prints the tables, or writes them into the page."""
    made = tables((DOCS / "performance.md").read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(FENCE.sub(lambda _: made, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(made, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
