"""Turns the library's record tables into schemas in every dialect, and into the list of rules.

Never knows a column: all comes from the C core's tables.
Rules: CONTRACT §4; libpinpipe/schema/*.def.
"""

from __future__ import annotations

import argparse

from pinpipe import _printing
from pinpipe._profiles import profile
from pinpipe._schema import DIALECTS, KINDS, SHAPES, Schema

HELP = "print a record type's columns, its DDL in a dialect, or its cleaning rules"
EXAMPLE = "pinpipe schema pin --dialect spark"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("kind", choices=KINDS, help="record type")
    parser.add_argument("--shape", choices=tuple(SHAPES), default="clean", help="default: clean")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dialect", choices=tuple(DIALECTS), help="print the schema in this dialect")
    what.add_argument("--rules", action="store_true", help="print the cleaning rules with their sources")
    parser.add_argument(
        "--profile", default="course", metavar="NAME|FILE", help="whose rules: course, keep, or a rule file"
    )
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="how to print")


def run(arguments: argparse.Namespace) -> int:
    """Prints; returns the exit code."""
    schema = Schema(arguments.kind, arguments.shape)
    if arguments.dialect:
        print(schema.render(arguments.dialect).rstrip("\n"))
    elif arguments.rules:
        is_clean = arguments.shape == "clean"
        rules = profile(arguments.profile).rules(arguments.kind) if is_clean else schema.rules
        print(
            _printing.render(("rule", "effect", "text", "match", "value", "source"), rules, arguments.format)
        )
    else:
        print(_printing.render(("column", "type", "nullable", "source"), schema.columns, arguments.format))
    return 0
