"""Turns the arguments of `pinpipe clean` into a run of the cleaning, and prints what it changed.

Never reads or writes a record itself.
Rules: CONTRACT §2 (arguments, exit codes) and §4.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from pinpipe import _expectations, _printing, _statistics
from pinpipe._cleaning import Cleaning, default_rejects_path
from pinpipe._progress import Progress
from pinpipe._records import DEDUPES, INPUT_FORMATS, Reader
from pinpipe._schema import KINDS

HELP = "clean raw records into a table; bad records go to a file of their own"
SHOWN_VALUES = 3
SHOWN_CHARACTERS = 40
EXAMPLE = "pinpipe clean pin pins.ndjson -o pins.parquet --rejects bad.ndjson --census census.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("kind", choices=KINDS, help="record type")
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="files, or s3://bucket/prefix/; - = standard input"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=".ndjson .csv .arrow .parquet, delta+file://DIR or delta+s3://bucket/prefix",
    )
    parser.add_argument("--input-format", choices=tuple(INPUT_FORMATS), default="auto", help="default: auto")
    parser.add_argument(
        "--dedupe",
        choices=tuple(DEDUPES),
        default="none",
        help="keep the first of each key, or of equal rows",
    )
    parser.add_argument(
        "--profile", default="course", metavar="NAME|FILE", help="course, keep, or a rule file (.json, .toml)"
    )
    parser.add_argument(
        "--rejects", metavar="FILE", help="where bad records go (default: OUT.rejects.ndjson)"
    )
    parser.add_argument(
        "--census",
        metavar="FILE",
        help="write the rules' hits, the values they met, and statistics before and after, as JSON",
    )
    parser.add_argument(
        "--statistics", action="store_true", help="print nulls, least and greatest value of every column"
    )
    parser.add_argument(
        "--expect",
        metavar="course|FILE",
        help="check the built-in expectations, or a rule file's (default: what --profile's file expects); exit 1 when"
        " a fatal one fails",
    )
    parser.add_argument(
        "--format",
        choices=_printing.FORMATS,
        default="table",
        help="how to print; csv and ndjson take one of --statistics and --expect",
    )


def _values_text(rule: str, values: list[dict[str, Any]]) -> str:
    """The most frequent values of a rule in one line."""
    met = [value for value in values if value["rule"] == rule]
    shown = ", ".join(
        f"{value['value'][:SHOWN_CHARACTERS]!r} {value['count']:,}" for value in met[:SHOWN_VALUES]
    )
    return shown + (", …" if len(met) > SHOWN_VALUES else "")


def _sections(
    arguments: argparse.Namespace, reader: Reader, values: list[dict[str, Any]]
) -> dict[str, tuple[Any, Any]]:
    """What is printed: name -> (names, rows)."""
    form = arguments.format
    effects = {rule.id: rule.effect for rule in reader.rules}
    hits = [
        (rule, effects[rule], count, _values_text(rule, values)) for rule, count in reader.census().items()
    ]
    sections: dict[str, tuple[Any, Any]] = {"census": (("rule", "effect", "hits", "values"), hits)}
    statistics = reader.watch.statistics() if reader.watch and arguments.statistics else None
    if statistics:
        rows: Any = _statistics.printed_rows(statistics, form)
        sections["statistics"] = (_statistics.PRINTED, rows)
    if reader.watch and arguments.expect:
        rows = _expectations.printed_rows(reader.watch.results(), form)
        sections["expectations"] = (_expectations.PRINTED, rows)
    return sections


def _rendered(sections: dict[str, tuple[Any, Any]], form: str) -> str:
    """Tables one below the other; JSON as one object where there is more than the census; else the last section."""
    texts = {name: _printing.render(names, rows, form) for name, (names, rows) in sections.items()}
    if form == "table":
        return "\n\n".join(texts.values())
    if form == "json" and len(texts) > 1:
        return "{" + ",\n".join(f'"{name}":{text}' for name, text in texts.items()) + "}"
    return list(texts.values())[-1]


def run(arguments: argparse.Namespace) -> int:
    """Cleans; prints what went in, what came out and what was changed; returns the exit code."""
    if arguments.format in ("csv", "ndjson") and arguments.statistics and arguments.expect:
        print(f"pinpipe clean: --format {arguments.format} takes --statistics or --expect", file=sys.stderr)
        return 2
    cleaning = Cleaning(
        arguments.kind,
        input_format=arguments.input_format,
        dedupe=arguments.dedupe,
        profile=arguments.profile,
        statistics=bool(arguments.statistics or arguments.census),
        expect=arguments.expect,
    )
    arguments.expect = cleaning.expect
    rejects = arguments.rejects or default_rejects_path(arguments.output)
    with Progress(f"cleaning {arguments.kind}", arguments.inputs) as progress:
        cleaning.run(arguments.inputs, arguments.output, rejects, progress)
    reader, flow = cleaning.reader, cleaning.flow
    if arguments.census:
        cleaning.write_census(arguments.census)
    values = [dataclasses.asdict(value) for value in reader.dirty_values()]
    print(_rendered(_sections(arguments, reader, values), arguments.format))
    said = ", ".join(f"{count:,} {name}" for name, count in flow.items())
    print(f"pinpipe clean: {said} -> {arguments.output}", file=sys.stderr)
    if reader.num_rejected:
        print(f"pinpipe clean: rejected records lie in {rejects}", file=sys.stderr)
    results = cleaning.expectations
    if arguments.expect:
        print(f"pinpipe clean: {_expectations.summary_line(results)}", file=sys.stderr)
    if any(each.fatal for each in _expectations.failed(results)):
        return 1
    return 3 if reader.num_rejected else 0
