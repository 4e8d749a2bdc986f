"""Turns a command line into a run of the emulator: what the scripts beside this one have in common.

Never opens an engine a draw, never replays by surprise, never takes a failure for a success, ends cleanly on Ctrl-C.
Rules: the course's draw (seed 100, a pause of 0 or 1 s, a row of each table); options: pinpipe.emulate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pinpipe


def show(kind: str, row: bytes) -> None:
    """Prints one row; the course's scripts print the three rows of a draw one after the other."""
    print(row.decode())


def options(description: str) -> argparse.ArgumentParser:
    """The options that every script has, without its targets."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--source", help="db_creds.yaml or a URL (default: the embedded tables)")
    parser.add_argument(
        "--user-id", default="demo", help="stands in the topics' and streams' names (default: demo)"
    )
    parser.add_argument("--rows", type=int, help="number of draws (default: until Ctrl-C)")
    parser.add_argument("--rate", default="course", help="draws a second, or course (default)")
    return parser


def post(arguments: argparse.Namespace, targets: Sequence[str]) -> int:
    """Runs until --rows draws are done or Ctrl-C is pressed; every target takes every row, none = they are printed."""
    try:
        summary = pinpipe.emulate(
            arguments.source,
            targets or show,
            rows=arguments.rows,
            rate=arguments.rate,
            user_id=arguments.user_id,
        )
    except pinpipe.Error as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{summary.draws} draws, {sum(summary.emulated.values())} rows", file=sys.stderr)
    return 0


def one_layer(description: str, scheme: str, told: dict[str, str]) -> int:
    """The whole of a script for one layer: `scheme` before an invoke URL makes it a target; told: help of both."""
    parser = options(description)
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--invoke-url", help=told["--invoke-url"])
    target.add_argument("--to", help=told["--to"])
    arguments = parser.parse_args()
    to = scheme + arguments.invoke_url if arguments.invoke_url else arguments.to
    return post(arguments, [to] if to else [])
