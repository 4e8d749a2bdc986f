"""Turns Apache Kafka's broker into one that takes MSK's IAM login: listeners whose validator checks every token.

Never lets a client in by anything but a valid signature on those listeners.
Rules: docs/testing.md; IamValidator.java; Kafka's documentation, "Authentication using SASL/OAUTHBEARER".
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka_broker import Broker, Listener, kafka_jars, run_kafka
from maven import program
from servers import free_port

from tests.doubles.certificate import Certificate, make_certificate

KEY, SECRET, REGION = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "eu-west-2"
SESSION = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ+/="
SHORT_AGE_S = 12
CLOCK_OFF_S = 7200
ROLE = "ASIAROLE"
MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


class Counts(NamedTuple):
    """Logins on new connections and on living ones, and how many of both failed."""

    logins: int
    logins_again: int
    failed: int
    failed_again: int


@dataclass(slots=True)
class IamBroker:
    """The broker and its IAM listeners: plain, over TLS, one whose tokens end early, one for a temporary key.

    Keys of `role` end, and those that come later are the same principal's. Those of `ahead` and `behind` are for the
    temporary key too, by a clock CLOCK_OFF_S away from this machine's.
    """

    broker: Broker
    plain: str
    tls: str
    short: str
    session: str
    ahead: str
    behind: str
    role: str
    certificate: Certificate

    def judgements(self) -> list[str]:
        """What the validator said so far: "accepted <second of signing>" or "refused <reason>"."""
        lines = (self.broker.folder / "log").read_text(errors="replace").splitlines()
        return [line.partition("iam-validator ")[2] for line in lines if "iam-validator " in line]

    def counts(self, listener: str) -> Counts:
        """What the broker itself counted on a listener, a second ago at most."""
        lines = (self.broker.folder / "log").read_text(errors="replace").splitlines()
        found = [line for line in lines if line.startswith(f"iam-counts {listener} ")]
        return Counts(*json.loads(found[-1].split(maxsplit=2)[2]))


def validator_classes(folder: Path) -> Path:
    """The compiled validator."""
    source = Path(__file__).with_name("IamValidator.java")
    command = [program("javac", "to compile the broker's IAM validator (JDK 17)"), "-d", str(folder)]
    done = subprocess.run(
        [*command, "-cp", f"{kafka_jars()}/*", str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"javac {source.name}: {done.stderr[-2000:]}")
    return folder


def listener_properties(name: str, options: str = "") -> str:
    """The server.properties of one listener; tokens are asked for anew every 6 s."""
    prefix = f"listener.name.{name.lower()}"
    entry = f'{MODULE} required accessKey="{KEY}" secretKey="{SECRET}" region="{REGION}"{options};'
    return (
        f"{prefix}.sasl.enabled.mechanisms=OAUTHBEARER\n"
        f"{prefix}.oauthbearer.sasl.jaas.config={entry}\n"
        f"{prefix}.oauthbearer.sasl.server.callback.handler.class=IamValidator\n"
        f"{prefix}.oauthbearer.sasl.login.callback.handler.class=IamValidator\n"
        f"{prefix}.oauthbearer.connections.max.reauth.ms=6000\n"
    )


def tls_properties(folder: Path, certificate: Certificate) -> str:
    """TLS of the listener IAMTLS: one PEM file with key and certificate."""
    pem = folder / "broker.pem"
    pem.write_text(certificate.key_file.read_text() + certificate.file.read_text())
    return f"listener.name.iamtls.ssl.keystore.type=PEM\nlistener.name.iamtls.ssl.keystore.location={pem}\n"


@contextmanager
def run_iam_kafka(folder: Path) -> Iterator[IamBroker]:
    """The broker while it runs."""
    certificate = make_certificate(folder)
    ports = {
        name: free_port()
        for name in ("IAM", "IAMTLS", "IAMSHORT", "IAMSESSION", "IAMAHEAD", "IAMBEHIND", "IAMROLE")
    }
    listeners = [
        Listener(name, "SASL_SSL" if name == "IAMTLS" else "SASL_PLAINTEXT", port)
        for name, port in ports.items()
    ]
    extra = listener_properties("IAM") + listener_properties("IAMTLS") + tls_properties(folder, certificate)
    extra += listener_properties("IAMSHORT", f' maxAgeS="{SHORT_AGE_S}"')
    extra += listener_properties("IAMSESSION", f' sessionToken="{SESSION}"')
    extra += listener_properties("IAMAHEAD", f' sessionToken="{SESSION}" clockOffsetS="{CLOCK_OFF_S}"')
    extra += listener_properties("IAMBEHIND", f' sessionToken="{SESSION}" clockOffsetS="-{CLOCK_OFF_S}"')
    extra += listener_properties("IAMROLE", f' role="{ROLE}"')
    classes = validator_classes(folder / "classes")
    with run_kafka(folder, extra, listeners=listeners, classes=classes) as broker:
        at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield IamBroker(broker, *at.values(), certificate)


@pytest.fixture(scope="module")
def iam_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IamBroker]:
    """One broker for the module; tests use topics and groups of their own."""
    with run_iam_kafka(tmp_path_factory.mktemp("iam")) as broker:
        yield broker
