"""Turns the npm packages that stand in for Kinesis into running processes, and puts the strict gate before them.

Never leaves a process behind and never listens beyond 127.0.0.1; a missing tool is a failure that names it.
Rules: tests/README.md; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pinpipe
import pytest
from gates import KEY, TEMPORARY
from pinpipe import _store, kinesis
from servers import free_port, npm_packages, running

from tests.doubles.backend import Backend
from tests.doubles.gate import Gate

PACKAGES = ("kinesalite@3.3.3", "kinesis-local@0.6.2")
MINISTACK = Path(__file__).parents[2] / "build" / "ministack"


@dataclass(frozen=True, slots=True)
class Double:
    """A running stand-in with a gate before it, and how its clients write."""

    gate: Gate
    wire: str

    def client(self) -> kinesis.Client:
        """A client that knows the gate's key."""
        credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
        wire = "cbor" if self.wire == "cbor" else "json"
        return kinesis.Client(self.gate.endpoint, credentials=credentials, wire=wire, timeout=30)


def packages() -> Path:
    """The folder of the npm packages, installed once."""
    return npm_packages("kinesis", *PACKAGES)


@contextmanager
def run_kinesis_local(log: Path, tls_port: int | None = None) -> Iterator[str]:
    """The double with reshards, ChildShards, CBOR and HTTP/2 (over TLS); about 460 MB, O(n) writes."""
    folder, port = packages() / "kinesis-local", free_port()
    environment = {
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(tls_port or free_port()),
        "SHARD_LIMIT": "1000",
        "LOG_LEVEL": "WARN",
    }
    endpoint = f"http://127.0.0.1:{port}"
    command = ["sh", "-c", f'cd "{folder}" && exec node main.js']
    with running(command, f"{endpoint}/healthcheck", log, environment):
        yield endpoint


@contextmanager
def run_kinesalite(log: Path) -> Iterator[str]:
    """The double with AWS' error texts and split boundaries; JSON only."""
    port = free_port()
    command = ["node", str(packages() / "kinesalite" / "cli.js"), "--port", str(port), "--shardLimit", "1000"]
    for wait in ("--createStreamMs", "--deleteStreamMs", "--updateStreamMs"):
        command += [wait, "50"]
    endpoint = f"http://127.0.0.1:{port}"
    with running(command, endpoint, log):
        yield endpoint


def gate_before(endpoint: str, key_id: str = "double", secret: str = "double", **options: object) -> Gate:
    """A gate for Kinesis' own protocol."""
    backend = Backend(endpoint, key_id, secret, "us-east-1", "kinesis")
    return Gate(backend, keys=[KEY, TEMPORARY], **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def kinesis_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One kinesis-local for the whole run; tests use streams of their own."""
    with run_kinesis_local(tmp_path_factory.mktemp("kinesis-local") / "log") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def kinesalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One kinesalite for the whole run."""
    with run_kinesalite(tmp_path_factory.mktemp("kinesalite") / "log") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def kinesis_ministack() -> Iterator[_store.Store]:
    """One ministack for the whole run, the double of the demo."""
    with _store.Store(MINISTACK) as store:
        yield store


@pytest.fixture(params=["ministack", "kinesalite", "kinesis-local", "cbor"])
def kinesis_double(request: pytest.FixtureRequest) -> Iterator[Double]:
    """Every double in turn, and CBOR on the one that has it."""
    if request.param == "ministack":
        given = request.getfixturevalue("kinesis_ministack").environment()
        endpoint = request.getfixturevalue("kinesis_ministack").endpoint
        opened = gate_before(endpoint, given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    else:
        name = "kinesalite" if request.param == "kinesalite" else "kinesis_local"
        opened = gate_before(request.getfixturevalue(name))
    with opened as gate:
        yield Double(gate, request.param)
