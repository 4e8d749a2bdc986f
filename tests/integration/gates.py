"""Turns the strict store into one behind the strict gate, over http and over TLS, with keys of its own.

Never lets a client know the store's key: what passes was signed for the gate and signed again by it.
Rules: docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pinpipe
import pytest
from servers import Store

from tests.doubles.backend import Backend
from tests.doubles.certificate import Certificate, make_certificate
from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

KEY = Key("AKIDGATE00000000PLAIN", "gate/secret+of/the=plain*key")
TEMPORARY = Key("ASIAGATE000000000TEMP", "gate/secret+of/the=temporary*key", "token/of+the=session==")


@dataclass(frozen=True, slots=True)
class TlsGate:
    """A gate over TLS and the certificate that its clients trust."""

    gate: Gate
    certificate: Certificate


def backend_of(store: Store) -> Backend:
    """The store as a gate's backend."""
    return Backend(store.endpoint, store.key, store.secret, store.region)


@pytest.fixture
def gate(versitygw: Store) -> Iterator[Gate]:
    """A gate before the run's store: its script and journal are empty."""
    with Gate(backend_of(versitygw), keys=[KEY, TEMPORARY]) as running:
        yield running


@pytest.fixture
def tls_gate(versitygw: Store, tmp_path: Path) -> Iterator[TlsGate]:
    """The same over TLS."""
    certificate = make_certificate(tmp_path)
    with Gate(backend_of(versitygw), keys=[KEY, TEMPORARY], certificate=certificate) as running:
        yield TlsGate(running, certificate)


@pytest.fixture
def gate_bucket(versitygw: Store) -> Iterator[str]:
    """A bucket in the store, made and emptied past the gates."""
    credentials = pinpipe.Credentials.static(versitygw.key, versitygw.secret)
    client = pinpipe.s3.Client(versitygw.endpoint, region=versitygw.region, credentials=credentials)
    name = f"g-{uuid.uuid4().hex[:12]}"
    client.create_bucket(name)
    yield name
    for thing in list(client.list(name)):
        client.delete(name, thing.key)
    client.delete_bucket(name)
