"""Turns the arguments of `pinpipe gateway` into a running HTTP gateway and a summary of what it stored.

Never ends on a signal with a request unanswered; prints where it listens to stderr, and nothing else before its end but
what became of a certificate that SIGHUP has it read again.
Rules: CONTRACT §2 (arguments, exit codes); docs/gateway.md.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from contextlib import ExitStack

from pinpipe import _kafka_arguments, _printing
from pinpipe._gateway import WORKERS_MAX, Gateway, serve
from pinpipe._inputs import file_error
from pinpipe._stopping import hangups_noted, stopped_by_signals
from pinpipe.errors import Error, InvalidArgumentError

HELP = "take records by HTTP, as Kafka's REST proxy and API Gateway's Kinesis proxy do, and write them"
EXAMPLE = "pinpipe gateway --listen 127.0.0.1:8082 --brokers localhost:9092"

FILE_CHARACTERS_MAX = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:8082", help="address (default: 127.0.0.1:8082)"
    )
    parser.add_argument("--brokers", metavar="B", help="host:port,host:port: Kafka behind /topics")
    parser.add_argument("--kinesis", metavar="URL", help="kinesis://region: Kinesis behind /streams")
    parser.add_argument(
        "--stream",
        action="append",
        default=[],
        metavar="NAME",
        help="a stream that may be named, more than one if repeated (default: any)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads that serve (default: 1)")
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="NAME",
        help="first segment of paths that is taken off, such as prod (default: any one)",
    )
    parser.add_argument(
        "--failures",
        choices=("told", "masked"),
        default="told",
        help="masked: 200 although no record was stored, as kafka-rest and API Gateway's proxy answer",
    )
    parser.add_argument(
        "--body-max-bytes", type=int, default=0, metavar="N", help="of a request (default: 10 MiB)"
    )
    parser.add_argument(
        "--records-max", type=int, default=0, metavar="N", help="without an acknowledgement (default: 50,000)"
    )
    parser.add_argument(
        "--connections-max", type=int, default=0, metavar="N", help="of one worker (default: 1,000)"
    )
    parser.add_argument(
        "--consumers-max", type=int, default=0, metavar="N", help="consumers, with one worker (default: 50)"
    )
    parser.add_argument(
        "--answer-timeout", type=float, default=0.0, metavar="SECONDS", help="to the answer (default: 25)"
    )
    parser.add_argument(
        "--api-key-file", metavar="FILE", help="its first line is the x-api-key that requests must have"
    )
    parser.add_argument(
        "--signed-by", metavar="FILE", help="keys, id,secret a line, that requests must be signed with (IAM)"
    )
    parser.add_argument("--signed-region", metavar="R", help="that they are signed for (default: any)")
    parser.add_argument("--tls-certificate", metavar="FILE", help="PEM, with its chain: TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM, of that certificate")
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        help="what browsers are told (CORS), such as '*' (default: nothing)",
    )
    _kafka_arguments.configure(parser)
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="of the summary")


def run(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM; returns the exit code."""
    if not arguments.brokers and not arguments.kinesis:
        raise InvalidArgumentError("--brokers or --kinesis: where the records go")
    if not 1 <= arguments.workers <= WORKERS_MAX:
        raise InvalidArgumentError(f"--workers {arguments.workers}: it is 1 to {WORKERS_MAX}")
    stop = threading.Event()
    waiting: set[Gateway] = set()
    gateways: list[Gateway] = []
    with (
        stopped_by_signals(stop),
        hangups_noted(lambda: waiting.update(gateways)),
        ExitStack() as open_gateways,
    ):
        scheme = "https" if arguments.tls_key else "http"
        for _ in range(arguments.workers):
            listen = gateways[0].address if gateways else arguments.listen
            gateways.append(open_gateways.enter_context(_gateway(listen, arguments)))
        print(f"pinpipe gateway: listens on {scheme}://{gateways[0].address}", file=sys.stderr, flush=True)
        serve(gateways, stop, lambda gateway: _renew(gateway, waiting, arguments))
        counters: Counter[str] = Counter()
        for gateway in gateways:
            counters.update(gateway.counters)
    rows = [(name, value) for name, value in counters.items()]
    print(_printing.render(("counter", "value"), rows, arguments.format))
    return 0


def _renew(gateway: Gateway, waiting: set[Gateway], arguments: argparse.Namespace) -> None:
    """What cannot be read, or is no certificate, is told; the gateway keeps what it has then."""
    if gateway not in waiting:
        return
    waiting.discard(gateway)
    try:
        gateway.renew(_pem(arguments))
        told = "serves with the certificate as it is now"
    except Error as error:
        told = f"keeps its certificate: {error}"
    print(f"pinpipe gateway: {told}", file=sys.stderr, flush=True)


def _gateway(listen: str, arguments: argparse.Namespace) -> Gateway:
    return Gateway(
        listen,
        arguments.brokers,
        **_kafka_arguments.access(arguments),
        stages=arguments.stage,
        failures=arguments.failures,
        body_max_bytes=arguments.body_max_bytes,
        records_max=arguments.records_max,
        connections_max=arguments.connections_max,
        answer_timeout=arguments.answer_timeout,
        api_key=_first_line(arguments.api_key_file),
        allow_origin=arguments.allow_origin,
        iam_keys=_text(arguments.signed_by),
        iam_region=arguments.signed_region,
        tls=_pem(arguments) if _is_tls(arguments) else None,
        kinesis=arguments.kinesis,
        streams=arguments.stream,
        # A connection may come to any worker, and an instance is one worker's.
        consumers_max=arguments.consumers_max if arguments.workers == 1 else -1,
    )


def _is_tls(arguments: argparse.Namespace) -> bool:
    return bool(arguments.tls_certificate or arguments.tls_key)


def _pem(arguments: argparse.Namespace) -> tuple[str, str]:
    return _text(arguments.tls_certificate) or "", _text(arguments.tls_key) or ""


def _text(path: str | None) -> str | None:
    """A file of keys; what is empty is none, which would let everybody in."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(FILE_CHARACTERS_MAX)
    except OSError as error:
        raise file_error(path, error) from error
    if not text.strip():
        raise InvalidArgumentError(f"'{path}': it is empty")
    return text


def _first_line(path: str | None) -> str | None:
    """The key; a file, because what stands on a command line can be seen by everybody on the machine."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            key = file.readline(1024).strip()
    except OSError as error:
        raise file_error(path, error) from error
    if not key:
        raise InvalidArgumentError(f"'{path}': its first line is empty")
    return key
