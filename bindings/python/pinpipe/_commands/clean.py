"""Turns files of raw records into one clean table, a file of rejects and a census.

Never drops a readable record unless asked, never loses an unreadable one, never holds a whole file.
Rules: CONTRACT §2 (`pinpipe clean`) and §4.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from pinpipe import _expectations, _printing, _statistics
from pinpipe._inputs import is_objects
from pinpipe._outputs import replaced_file, write_output
from pinpipe._profiles import profile
from pinpipe._progress import Progress
from pinpipe._records import DEDUPES, INPUT_FORMATS, Reader
from pinpipe._schema import KINDS
from pinpipe._watch import watch

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


def default_rejects_path(output: str) -> str:
    """Where rejects lie when nothing is said: beside a local output, else in the working directory."""
    local = output.removeprefix("delta+file://")
    name = local.rstrip("/") if "://" not in local else local.rstrip("/").rsplit("/", 1)[-1]
    return f"{name}.rejects.ndjson"


class _RejectsFile:
    """A file that comes to be with the first reject; one of an earlier run goes."""

    def __init__(self, path: str) -> None:
        self.path = path
        if os.path.exists(path):
            os.unlink(path)

    def write(self, ndjson: bytes) -> None:
        if ndjson:
            with open(self.path, "ab") as file:
                file.write(ndjson)


def _batches(reader: Reader, inputs: list[str], rejects: _RejectsFile, progress: Progress) -> Iterator[Any]:
    def fed(size: int) -> None:
        progress.add(size)
        rejects.write(reader.take_rejects_ndjson())

    for path in inputs:
        if is_objects(path):
            for batch in reader.read_objects(path, count=progress.objects):
                rejects.write(reader.take_rejects_ndjson())
                yield batch
        elif path != "-":
            yield from reader.read_path(path, fed)
        elif reader.is_arrow_file(sys.stdin.buffer):
            yield from reader.read_file(sys.stdin.buffer)
        else:
            for piece in progress.pieces(sys.stdin.buffer):
                yield from reader.feed(piece)
                rejects.write(reader.take_rejects_ndjson())
            yield from reader.finish()
        rejects.write(reader.take_rejects_ndjson())
    yield from reader.rest()


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


def _write_census(
    path: str, reader: Reader, flow: dict[str, int], values: list[dict[str, Any]], with_results: bool
) -> None:
    told: dict[str, Any] = {"kind": reader.schema.kind, **flow, "census": reader.census(), "values": values}
    statistics = reader.watch.statistics() if reader.watch else None
    if statistics:
        told["statistics"] = statistics.to_dict()
    if reader.watch and with_results:
        told["expectations"] = [each.to_dict() for each in reader.watch.results()]
    with replaced_file(path) as file:
        file.write(json.dumps(told, indent=1, ensure_ascii=False).encode() + b"\n")


def run(arguments: argparse.Namespace) -> int:
    """Cleans; prints what went in, what came out and what was changed; returns the exit code."""
    if arguments.format in ("csv", "ndjson") and arguments.statistics and arguments.expect:
        print(f"pinpipe clean: --format {arguments.format} takes --statistics or --expect", file=sys.stderr)
        return 2
    chosen = profile(arguments.profile)
    arguments.expect = arguments.expect or chosen.expect
    reader = Reader(
        arguments.kind,
        "clean",
        arguments.input_format,
        arguments.dedupe,
        keep_rejects=False,
        profile=chosen,
    )
    watch(reader, statistics=bool(arguments.statistics or arguments.census), expect=arguments.expect)
    rejects = _RejectsFile(arguments.rejects or default_rejects_path(arguments.output))
    with Progress(f"cleaning {arguments.kind}", arguments.inputs) as progress:
        write_output(arguments.output, reader.schema, _batches(reader, arguments.inputs, rejects, progress))
    flow = {
        "records": reader.num_records,
        "cleaned": reader.num_records - reader.num_rejected - reader.dropped - reader.duplicates,
        "duplicates": reader.duplicates,
        "conflicts": reader.conflicts,
        "dropped": reader.dropped,
        "rejected": reader.num_rejected,
    }
    values = [dataclasses.asdict(value) for value in reader.dirty_values()]
    if arguments.census:
        _write_census(arguments.census, reader, flow, values, bool(arguments.expect))
    print(_rendered(_sections(arguments, reader, values), arguments.format))
    said = ", ".join(f"{count:,} {name}" for name, count in flow.items())
    print(f"pinpipe clean: {said} -> {arguments.output}", file=sys.stderr)
    if reader.num_rejected:
        print(f"pinpipe clean: rejected records lie in {rejects.path}", file=sys.stderr)
    results = reader.watch.results() if reader.watch else []
    if arguments.expect:
        print(f"pinpipe clean: {_expectations.summary_line(results)}", file=sys.stderr)
    if any(each.fatal for each in _expectations.failed(results)):
        return 1
    return 3 if reader.num_rejected else 0
