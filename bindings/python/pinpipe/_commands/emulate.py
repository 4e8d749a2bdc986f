"""Turns the arguments of `pinpipe emulate` into a run of the emulator and a summary of what went in and out.

Never prints progress into a pipe.
Rules: CONTRACT §2 (arguments, URLs, exit codes); domain notes §3.1 (the course's script).
"""

from __future__ import annotations

import argparse

from pinpipe import _emulator
from pinpipe._progress import Progress
from pinpipe._schema import KINDS

HELP = "draw rows of the three tables as the course's script does and send them as JSON"
EXAMPLE = "pinpipe emulate --source db_creds.yaml --to kafka://localhost:9092 --rows 500 --rate course"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "--source",
        metavar="URL",
        help="sqlite: mysql+pymysql: postgresql+psycopg: csv: *.yaml *.ini (default: built in)",
    )
    parser.add_argument(
        "--to",
        metavar="URL",
        required=True,
        action="append",
        help="kafka://brokers, kafka-rest+http(s)://host/stage, kinesis://region, apigw+http(s)://host/stage (API key"
        " of both gateways: PINPIPE_API_KEY), file:///dir or memory:name; given twice, each takes every row",
    )
    parser.add_argument("--rows", type=_count, metavar="N", help="number of draws (default: until Ctrl-C)")
    parser.add_argument(
        "--rate", metavar="R|course", help="draws a second, or the course's pauses (default: none)"
    )
    parser.add_argument("--seed", type=int, default=100, help="seed of the sequence (default: 100)")
    parser.add_argument("--user-id", default="demo", help="begins the topics' names (default: demo)")
    parser.add_argument("--resume", action="store_true", help="go on after the last draw that was stored")


def run(arguments: argparse.Namespace) -> int:
    """Emulates and prints the summary; returns the exit code."""
    with Progress("emulating draws", total=arguments.rows or 0) as progress:
        summary = _emulator.emulate(
            arguments.source,
            arguments.to,
            rows=arguments.rows,
            seed=arguments.seed,
            user_id=arguments.user_id,
            rate=arguments.rate,
            resume=arguments.resume,
            state_dir=_emulator.default_state_dir(),
            progress=lambda _: progress.add(1),
        )
    print(_described(summary))
    return 0


def _described(summary: _emulator.Summary) -> str:
    sent = ", ".join(f"{kind} {summary.emulated[kind]:,}" for kind in KINDS)
    draws = f"draws    {summary.draws:,}"
    if summary.draws:
        draws += f", number {summary.first_draw:,} to {summary.next_draw - 1:,} of seed {summary.seed}"
    lines = [
        f"source   {summary.source}",
        f"target   {summary.sink}",
        draws,
        f"sent     {sent} rows, {summary.sent_bytes:,} bytes in {summary.elapsed_s:.2f} s",
    ]
    if summary.missing_draws:
        lacking = ", ".join(f"{kind} {summary.missing[kind]:,}" for kind in KINDS if summary.missing[kind])
        lines.append(f"missing  {summary.missing_draws:,} draws with a row that the source lacks: {lacking}")
    if summary.stopped == "interrupt":
        lines.append(f"stopped  before draw {summary.next_draw:,}; --resume goes on from there")
    return "\n".join(lines)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number
