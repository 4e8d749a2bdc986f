"""Turns the arguments of `pinpipe stream` into a run from a Kinesis stream to a Delta table, and a summary of it.

Never prints progress into a pipe; never ends on a signal without committing what it has read.
Rules: CONTRACT §2 (arguments, exit codes); docs/stream.md.
"""

from __future__ import annotations

import argparse
import threading
from datetime import UTC, datetime
from typing import Any

from pinpipe import _printing, _stream
from pinpipe._progress import Progress
from pinpipe._schema import KINDS
from pinpipe._stopping import stopped_by_signals

HELP = "clean a Kinesis stream into a Delta table, each record once"
EXAMPLE = "pinpipe stream --stream streaming-demo-pin --to delta+file:///data/demo_pin_table --available-now"
_COUNTS = (
    "read",
    "written",
    "equal",
    "updated",
    "duplicates",
    "conflicts",
    "rejected",
    "dropped",
    "commits",
    "lost",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("--stream", required=True, metavar="S", help="name or ARN")
    parser.add_argument(
        "--to", required=True, metavar="URL", help="delta+file:///dir or delta+s3://bucket/prefix"
    )
    parser.add_argument(
        "--record", choices=KINDS, help="record type (default: what the stream's name ends in)"
    )
    parser.add_argument(
        "--mode",
        choices=("append", "merge"),
        default="append",
        help="merge = one row for each ind, the latest",
    )
    parser.add_argument(
        "--checkpoint", metavar="URL", help="file:///….json or s3://….json (default: in the table's folder)"
    )
    parser.add_argument(
        "--rejects", metavar="URL", help="file:///dir or s3://bucket/prefix (default: beside the table)"
    )
    parser.add_argument("--available-now", action="store_true", help="end where the stream ends now")
    parser.add_argument(
        "--start",
        type=_start,
        default="earliest",
        metavar="earliest|latest|TIME",
        help="where a shard without a position begins (default: earliest); TIME as 2026-11-21T08:00:00Z",
    )
    parser.add_argument(
        "--profile", default="course", metavar="NAME|FILE", help="course, keep, or a rule file"
    )
    parser.add_argument("--region", metavar="R", help="of the stream")
    parser.add_argument(
        "--commit-records",
        type=int,
        default=10_000,
        metavar="N",
        help="records of a commit (default: 10,000)",
    )
    parser.add_argument(
        "--commit-interval",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="of a commit at most (default: 5)",
    )
    parser.add_argument("--group", metavar="NAME", help="of the processes that share the stream's shards")
    parser.add_argument(
        "--leases",
        metavar="URL",
        help="file:///dir (one host) or s3://bucket/prefix, where the group's leases lie",
    )
    parser.add_argument(
        "--lease",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="after which a silent process's shards are others' (default: 10)",
    )
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="of the summary")


def run(arguments: argparse.Namespace) -> int:
    """Streams until the end or a signal; returns the exit code."""
    stop = threading.Event()
    with stopped_by_signals(stop), Progress(f"streaming {arguments.stream}") as progress:

        def until(summary: _stream.StreamSummary) -> bool:
            progress.lag(summary.read, summary.behind_s)
            return stop.is_set()

        summary = _stream.stream(
            arguments.stream,
            arguments.to,
            record=arguments.record,
            mode=arguments.mode,
            checkpoint=arguments.checkpoint,
            rejects=arguments.rejects,
            start=arguments.start,
            available_now=arguments.available_now,
            until=until,
            profile=arguments.profile,
            commit_records=arguments.commit_records,
            commit_interval=arguments.commit_interval,
            group=arguments.group,
            leases=arguments.leases,
            lease=arguments.lease,
            region=arguments.region,
        )
    print(_printing.render(("what", "name", "value"), _rows(summary, arguments.format), arguments.format))
    return 3 if summary.rejected else 0


def _rows(summary: _stream.StreamSummary, form: str) -> list[tuple[Any, ...]]:
    counts = [("records", name, getattr(summary, name)) for name in _COUNTS]
    rows = [row for row in counts if row[2] or form != "table"]
    return rows + [("rule", rule, hits) for rule, hits in sorted(summary.census.items())]


def _start(text: str) -> str | datetime:
    if text in ("earliest", "latest"):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither earliest nor latest nor a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
