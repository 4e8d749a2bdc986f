"""Turns random draws into posts of users, as the course's script of this name does, on pinpipe's C core.

Never opens an engine a draw, never replays by surprise, never takes a failure for a success, ends cleanly on Ctrl-C.
Rules: the course's draw (seed 100, a pause of 0 or 1 s, a row of each table); options: pinpipe.emulate.

    python user_posting_emulation.py                          the embedded tables, printed
    python user_posting_emulation.py --source db_creds.yaml --user-id 0a1b2c3d4e5f \\
        --invoke-url https://<api>.execute-api.us-east-1.amazonaws.com/test
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
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--invoke-url", help="of the API before the REST proxy, with its stage")
    target.add_argument("--to", help="kafka://brokers or file:///dir (default: print the rows)")
    parser.add_argument("--user-id", default="demo", help="begins the topics' names (default: demo)")
    parser.add_argument("--rows", type=int, help="number of draws (default: until Ctrl-C)")
    parser.add_argument("--rate", default="course", help="draws a second, or course (default)")
    arguments = parser.parse_args()
    to = f"kafka-rest+{arguments.invoke_url}" if arguments.invoke_url else arguments.to
    try:
        summary = pinpipe.emulate(
            arguments.source, to or show, rows=arguments.rows, rate=arguments.rate, user_id=arguments.user_id
        )
    except pinpipe.Error as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{summary.draws} draws, {sum(summary.emulated.values())} rows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
