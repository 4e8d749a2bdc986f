"""Turns the arguments of `pinpipe sink` into a running object sink and a summary of what it stored.

Never prints progress into a pipe; never ends on a signal without storing what it has read.
Rules: CONTRACT §2 (arguments, exit codes); docs/sink.md.
"""

from __future__ import annotations

import argparse
import threading

from pinpipe import _kafka_arguments, _printing
from pinpipe._progress import Progress
from pinpipe._sink import Connector, Sink, UntilIdle
from pinpipe._stopping import stopped_by_signals

HELP = "store Kafka topics as objects, one JSON value a line"
EXAMPLE = "pinpipe sink --brokers localhost:9092 --topics 'demo\\..*' --to s3://bucket/topics"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("--brokers", metavar="B", help="host:port,host:port")
    parser.add_argument("--topics", metavar="RE", help="regular expression that whole topic names match")
    parser.add_argument("--to", metavar="URL", help="s3://bucket/topics or file:///folder")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings of a Confluent S3 sink connector: connector.properties, or Connect's JSON",
    )
    parser.add_argument(
        "--connector",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one such setting, such as partitioner.class=… or s3.compression.type=gzip",
    )
    parser.add_argument(
        "--layout", choices=("json", "envelope"), default="json", help="values as they are, or in envelopes"
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="threads that store (default: 4)")
    parser.add_argument(
        "--flush-records", type=int, default=0, metavar="N", help="lines of an object (default: 10,000)"
    )
    parser.add_argument(
        "--flush-bytes", type=int, default=0, metavar="N", help="bytes of an object (default: 8 MiB)"
    )
    parser.add_argument(
        "--idle-ms",
        type=int,
        default=0,
        metavar="MS",
        help="store a file when no record has come for so long (default: 10,000)",
    )
    parser.add_argument("--group", metavar="G", help="consumer group (pinpipe-sink)")
    parser.add_argument(
        "--until-idle",
        type=float,
        metavar="SECONDS",
        help="end when the group has given partitions and no record has come for so long",
    )
    _kafka_arguments.configure(parser)
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="of the summary")


def run(arguments: argparse.Namespace) -> int:
    """Runs the sink until it is idle or stopped; returns the exit code."""
    stop = threading.Event()
    with (
        stopped_by_signals(stop),
        Progress("storing records") as progress,
        Sink(
            arguments.brokers,
            arguments.topics,
            arguments.to,
            group=arguments.group,
            **_kafka_arguments.access(arguments),
            connector=_connector(arguments),
            workers=arguments.workers,
            layout=arguments.layout,
            flush_records=arguments.flush_records,
            flush_bytes=arguments.flush_bytes,
            idle_ms=arguments.idle_ms,
        ) as sink,
    ):
        sink.run(_Watch(stop, progress, arguments.until_idle))
        sink.flush()
        counters, offsets = sink.counters, sink.stored_offsets
    print(_summary(counters, offsets, arguments.format))
    return 3 if counters["records_rejected"] else 0


def _connector(arguments: argparse.Namespace) -> list[Connector]:
    """The file's settings, and those of the command line over them."""
    named = _kafka_arguments.pairs(arguments.connector)
    if arguments.config is not None:
        return [arguments.config, named]
    return [{"behavior.on.null.values": "default"}, named] if named else []


class _Watch:
    """Shows progress and says when to end."""

    def __init__(self, stop: threading.Event, progress: Progress, until_idle_s: float | None) -> None:
        self._stop = stop
        self._progress = progress
        self._idle = None if until_idle_s is None else UntilIdle(until_idle_s)
        self._read = 0

    def __call__(self, sink: Sink) -> bool:
        read = sink.counters["records_read"]
        self._progress.add(read - self._read)
        self._read = read
        return (self._idle is not None and self._idle(sink)) or self._stop.is_set()


def _summary(counters: dict[str, int], offsets: dict[tuple[str, int], int], form: str) -> str:
    rows = [("counter", name, value) for name, value in counters.items() if value or form != "table"]
    rows += [
        ("stored offset", f"{topic}/{partition}", offset)
        for (topic, partition), offset in sorted(offsets.items())
    ]
    return _printing.render(("what", "name", "value"), rows, form)
