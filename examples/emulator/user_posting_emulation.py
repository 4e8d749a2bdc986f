"""Turns random draws into posts of users, as the course's script of this name does, on pinpipe's C core.

Never opens an engine a draw, never replays by surprise, and ends cleanly on Ctrl-C.
Rules: the course's draw (seed 100, a pause of 0 or 1 s, a row of each table); options: pinpipe.emulate.

    python user_posting_emulation.py                          the embedded tables, printed
    python user_posting_emulation.py --source db_creds.yaml --to kafka://localhost:9092 --rows 500
"""

from __future__ import annotations

import argparse
import sys

import pinpipe


def show(kind: str, row: bytes) -> None:
    """Prints one row; the course's script prints the three rows of a draw one after the other."""
    print(row.decode())


def main() -> int:
    """Runs until --rows draws are done or Ctrl-C is pressed."""
    parser = argparse.ArgumentParser(description="Emulates users who post pins, as the course's script does.")
    parser.add_argument("--source", help="db_creds.yaml or a URL (default: the embedded tables)")
    parser.add_argument("--to", help="kafka://brokers or file:///dir (default: print the rows)")
    parser.add_argument("--rows", type=int, help="number of draws (default: until Ctrl-C)")
    parser.add_argument("--rate", default="course", help="draws a second, or course (default)")
    arguments = parser.parse_args()
    summary = pinpipe.emulate(
        arguments.source, arguments.to or show, rows=arguments.rows, rate=arguments.rate
    )
    print(f"{summary.draws} draws, {sum(summary.emulated.values())} rows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
