"""Turns the arguments of `pinpipe query` into answers on standard output.

Never writes a file.
Rules: CONTRACT §2 (arguments, formats) and §5 (readings).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pinpipe import _expectations, _matches, _printing, _query

if TYPE_CHECKING:
    import pyarrow

HELP = "answer one of the eight questions, or all, from clean tables"
EXAMPLE = "pinpipe query q5 --pin pin.parquet --user user.parquet --median approx --over people"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "question",
        choices=[*_query.QUESTIONS, "all", "matches"],
        help="which question; matches: rows of one table that have no partner in another",
    )
    for kind in ("pin", "geo", "user"):
        parser.add_argument(f"--{kind}", metavar="F", help=f"the {kind} table: a file or a Delta table")
    for name, help_text in (
        ("show", "top rows or the full table (default: top; q2 all)"),
        ("ties", "keep all tied rows, or the first by name"),
        ("median", "exact, or the lower of the two middle values"),
        ("over", "what is counted and measured: posts, people, or names (q6)"),
        ("dedupe", "keep the first row of each key, one of equal rows, or every row"),
    ):
        choices = _query.CHOICES[name]
        default = None if name == "show" else choices[0]
        parser.add_argument(f"--{name}", choices=choices, default=default, help=help_text)
    parser.add_argument("--years", metavar="A-B|all", help="years of q2 (2018-2022) and q6 to q8 (2015-2020)")
    parser.add_argument("--expect", metavar="course|FILE", help="matches: a rule file's least shares")
    parser.add_argument("--fatal", action="store_true", help="matches: exit 1 where a row has no partner")
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="how to print")


def _print_matches(arguments: argparse.Namespace) -> int:
    held = _expectations.Expectations(arguments.expect) if arguments.expect else None
    table = _matches.match({kind: getattr(arguments, kind) for kind in ("pin", "geo", "user")})
    print(_rendered(table, arguments.format))
    rows = table.to_pylist()
    results = _matches.judge(rows, held.matches) if held else []
    if held:
        print(f"pinpipe query: {_expectations.summary_line(results)}", file=sys.stderr)
    lonely = arguments.fatal and any(row["unmatched_count"] for row in rows)
    return 1 if lonely or any(each.fatal for each in _expectations.failed(results)) else 0


def run(arguments: argparse.Namespace) -> int:
    """Prints the answers; returns the exit code."""
    if arguments.question == "matches":
        return _print_matches(arguments)
    if arguments.expect or arguments.fatal:
        print("pinpipe query: --expect and --fatal are options of matches", file=sys.stderr)
        return 2
    everything = arguments.question == "all"
    if everything and arguments.format in ("csv", "ndjson"):
        print(f"pinpipe query: --format {arguments.format} takes one question, not all", file=sys.stderr)
        return 2
    questions = _query.QUESTIONS if everything else (arguments.question,)
    reading = _query.Reading(
        arguments.show, arguments.ties, arguments.median, arguments.over, arguments.years
    )
    tables = {kind: getattr(arguments, kind) for kind in ("pin", "geo", "user")}
    answers = _query.answer(questions, tables, reading, arguments.dedupe)
    if not everything:
        print(_rendered(answers[arguments.question], arguments.format))
    elif arguments.format == "json":
        texts = (f'"{question}":{_rendered(table, "json")}' for question, table in answers.items())
        print("{" + ",\n".join(texts) + "}")
    else:
        titled = (
            f"{name}  {_query.TITLES[name]}\n\n{_rendered(table, 'table')}" for name, table in answers.items()
        )
        print("\n\n".join(titled))
    return 0


def _rendered(table: pyarrow.Table, form: str) -> str:
    columns = [column.to_pylist() for column in table.columns]
    return _printing.render(table.column_names, list(zip(*columns, strict=True)), form)
