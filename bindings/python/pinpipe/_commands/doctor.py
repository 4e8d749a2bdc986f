"""Turns what this machine has into a list of checks: versions, packages, credentials, and the services that are named.

Never shows a secret, never changes anything, never waits longer than ten seconds for a service.
Rules: CONTRACT §2 (`pinpipe doctor`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from importlib import util
from typing import NamedTuple

from pinpipe import _printing
from pinpipe._credentials import Credentials
from pinpipe._versions import versions
from pinpipe.errors import AuthError, Error

HELP = "show versions, optional packages, credentials, and whether the named services answer"
EXAMPLE = "pinpipe doctor --brokers 127.0.0.1:9092 --s3 http://127.0.0.1:9000 --source sqlite:///pinterest.db"
TIMEOUT_S = 10.0
#: Whose endpoints are shown.
SERVICES = ("s3", "kinesis", "sts")

#: Optional module -> what needs it.
OPTIONAL = {
    "pyarrow": "Arrow, Parquet and Delta outputs; query; report",
    "duckdb": "query",
    "deltalake": "Delta tables",
    "sqlalchemy": "databases as sources; the embedded rows",
    "pymysql": "mysql+pymysql sources",
    "psycopg": "postgresql+psycopg sources",
    "yaml": "db_creds.yaml",
    "matplotlib": "report",
}


class Check(NamedTuple):
    """One line. state: ok, missing (nothing fails by it alone) or failed."""

    what: str
    state: str
    detail: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("--brokers", metavar="B", help="ask this Kafka for its topics")
    parser.add_argument(
        "--s3", metavar="URL", nargs="?", const="", help="ask S3 (at URL) for a bucket's head"
    )
    parser.add_argument("--source", metavar="URL", help="open this source and read row 0")
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="how to print")


def _packages() -> Iterator[Check]:
    for name, version in versions().items():
        yield Check(name, "ok", version)
    for module, purpose in OPTIONAL.items():
        if util.find_spec(module) is None:
            yield Check(module, "missing", f"needed for: {purpose}")


def _identity() -> Iterator[Check]:
    """Which key would be used, and for which region and endpoints."""
    try:
        credentials = Credentials.default()
    except AuthError as error:
        yield Check("credentials", "missing", str(error))
        return
    except Error as error:
        yield Check("credentials", "failed", str(error))
        return
    expires = credentials.expires
    detail = f"{credentials!r}: {credentials.description}"
    detail += f", expires {expires:%Y-%m-%dT%H:%M:%SZ}" if expires else ""
    detail += f", account {credentials.account_id}" if credentials.account_id else ""
    yield Check("credentials", "ok", detail)
    yield Check("region", "ok" if credentials.region else "missing", credentials.region or "none is set")
    for service in SERVICES:
        try:
            yield Check(f"endpoint {service}", "ok", credentials.endpoint(service))
        except Error as error:
            yield Check(f"endpoint {service}", "missing", str(error))


def _environment() -> Iterator[Check]:
    for name in ("AWS_PROFILE", "PINPIPE_STATE_DIR"):
        if os.environ.get(name):
            yield Check(name, "ok", os.environ[name])


def _asked(what: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(what, "ok", ask())
    except Error as error:
        return Check(what, "failed", str(error))


def _ask_kafka(brokers: str) -> str:
    from pinpipe.kafka import Admin

    with Admin(brokers) as admin:
        return f"{len(admin.topics(timeout=TIMEOUT_S))} topics"


def _ask_s3(endpoint: str) -> str:
    from pinpipe.s3 import Client

    client = Client(endpoint or None)
    bucket = "pinpipe-doctor-asks-for-nothing"
    try:
        next(client.list(bucket, timeout=TIMEOUT_S), None)
    except Error as error:
        if error.status != "ENOTFOUND":
            raise
    return "answers, and takes the signature"


def _ask_source(url: str) -> str:
    from pinpipe._sources import open_source

    with open_source(url) as source:
        found = source.rows(0)
        present = ", ".join(kind for kind, row in found.items() if row is not None) or "none"
        return f"{source.name}: rows with key 0 in: {present}"


def checks(arguments: argparse.Namespace) -> Iterator[Check]:
    """All checks in order."""
    yield from _packages()
    yield from _identity()
    yield from _environment()
    if arguments.brokers:
        yield _asked(f"kafka {arguments.brokers}", lambda: _ask_kafka(arguments.brokers))
    if arguments.s3 is not None:
        yield _asked(f"s3 {arguments.s3}".rstrip(), lambda: _ask_s3(arguments.s3))
    if arguments.source:
        yield _asked("source", lambda: _ask_source(arguments.source))


def run(arguments: argparse.Namespace) -> int:
    """Prints the checks; 1 when something that was asked for failed."""
    rows = list(checks(arguments))
    print(_printing.render(Check._fields, rows, arguments.format))
    return 1 if any(check.state == "failed" for check in rows) else 0
