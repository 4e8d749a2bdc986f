"""Turns one command into the whole pipeline on one machine, ending with the answers.

Never needs anything that is not here: source, Kafka and S3 are embedded unless others are named.
Rules: CONTRACT §2 (`pinpipe demo`), §6 (summary.json).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pinpipe import _printing
from pinpipe._demo import Options, demo
from pinpipe._query import TITLES

HELP = "run the whole pipeline on this machine: Kafka, S3, Kinesis, clean, Delta, the nine answers"
EXAMPLE = "pinpipe demo --rows 5000 --out demo-out"
SHOWN_ROWS = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    defaults = Options()
    parser.add_argument("--rows", type=int, default=defaults.rows, metavar="N", help="draws (default: 5000)")
    parser.add_argument("--out", default=defaults.out, metavar="DIR", help="default: demo-out")
    parser.add_argument("--user-id", default=defaults.user_id, metavar="ID", help="default: demo")
    parser.add_argument("--source", metavar="URL", help="database or CSV files (default: synthetic rows)")
    parser.add_argument("--brokers", metavar="B", help="a real Kafka (default: one in this process)")
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="S", help="default: 100")


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo, prints the answers and where the rest lies; returns the exit code."""
    options = Options(
        arguments.rows, arguments.out, arguments.user_id, arguments.source, arguments.brokers, arguments.seed
    )
    summary = demo(options)
    for question, table in summary["answers"].items():
        _print_answer(question, table)
    _print_flow(summary)
    out = Path(arguments.out)
    print(
        f"\nreport:  {out / 'report.html'}\nsummary: {out / 'summary.json'}\ntables:  {out / 'batch'}/pin|geo|user"
        + (f", {out / 'stream'}/{arguments.user_id}_pin|geo|user_table" if summary["stream"] else "")
    )
    return 3 if any(flow["rejected"] for flow in summary["records"].values()) else 0


def _print_answer(question: str, table: Any) -> None:
    rows = [tuple(row.values()) for row in table.slice(0, SHOWN_ROWS).to_pylist()]
    print(f"\n{question}  {TITLES[question]}\n")
    print(_printing.render(table.column_names, rows, "table"))
    if table.num_rows > SHOWN_ROWS:
        print(f"… {table.num_rows - SHOWN_ROWS} more rows in the report")


def _print_flow(summary: dict[str, Any]) -> None:
    names = list(next(iter(summary["records"].values())))
    rows = [(kind, *flow.values()) for kind, flow in summary["records"].items()]
    print(f"\n{summary['draws']} draws, {summary['missing']} of them with a row that the source lacks\n")
    print(_printing.render(["records", *names], rows, "table"))
    _print_layers(summary["stream"].get("tables", {}))
    failed = [each for each in summary["expectations"] if not each["passed"]]
    passed = len(summary["expectations"]) - len(failed)
    told = "".join(f"; failed: {each['id']} ({each['failures']:,} of {each['rows']:,})" for each in failed)
    print(f"\n{passed} of {passed + len(failed)} expectations passed{told}")
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in summary["steps_s"].items())
    print(f"\n{summary['elapsed_s']:.1f} s, {summary['cpu_s']:.1f} s of CPU ({steps})")


def _print_layers(tables: dict[str, Any]) -> None:
    same = [kind for kind, each in tables.items() if each["identical"]]
    if same:
        print(f"\nthe stream layer's tables are the batch layer's, byte for byte: {', '.join(same)}")
    for kind in tables.keys() - same:
        each = tables[kind]
        firsts = ", ".join(map(str, each["first_different"]))
        print(f"\n{kind}: the layers' tables differ in {each['different']:,} keys: {firsts}")
