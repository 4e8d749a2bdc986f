"""Turns Apache Kafka's jars into one running broker on free loopback ports, and stops it.

Never leaves a process behind and never listens beyond 127.0.0.1; a missing JDK or Maven is a failure that names it.
Rules: tests/README.md; Kafka's own documentation, "KRaft" (one process as broker and controller).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from maven import jars, program
from pinpipe import errors, kafka
from servers import STOP_TIMEOUT_S, free_port

KAFKA_VERSION = "4.3.1"
CLUSTER_ID = "cGlucGlwZS10ZXN0LWNsdQ"
START_TIMEOUT_S = 60.0

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={jaas}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
"""


SASL_USER, SASL_PASSWORD = "pin", "pin-password"
JAAS = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{SASL_USER}="{SASL_PASSWORD}";'


def kafka_jars() -> Path:
    """The broker's jars, fetched once by Maven."""
    return jars("kafka", f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")


@dataclass(slots=True)
class Broker:
    """A running broker; `brokers` is its address, `sasl_brokers` the one that asks for SASL_USER (mechanism PLAIN)."""

    brokers: str
    sasl_brokers: str
    folder: Path
    command: list[str]
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener on a loopback port; its own settings are the caller's `extra`."""

    name: str
    protocol: str
    port: int


def java_command(*words: str, classes: Path | None = None) -> list[str]:
    """A Java program on the broker's class path, with a folder of classes before it."""
    java = program("java", "to run Apache Kafka (JDK 17)")
    options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    class_path = f"{classes}{os.pathsep}" if classes else ""
    return [java, *options, "-cp", f"{class_path}{kafka_jars()}/*", *words]


def wait_until_ready(broker: Broker) -> None:
    """Waits until the broker lists its topics; one that dies or is too slow is a failure with its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with kafka.Admin(broker.brokers) as admin:
        while time.monotonic() < deadline and broker.process.poll() is None:
            try:
                admin.topics(1.0)
                return
            except errors.Error:
                time.sleep(0.1)
    broker.process.kill()
    log = (broker.folder / "log").read_text(errors="replace")
    pytest.fail(f"Apache Kafka {KAFKA_VERSION} did not answer at {broker.brokers}: {log[-3000:]}")


@contextmanager
def run_kafka(
    folder: Path, extra: str = "", *, listeners: Iterable[Listener] = (), classes: Path | None = None
) -> Iterator[Broker]:
    """A broker with its data under `folder`; `extra` and `listeners` are added to its server.properties."""
    port, sasl, controller = free_port(), free_port(), free_port()
    every = [Listener("PLAINTEXT", "PLAINTEXT", port), Listener("SASL", "SASL_PLAINTEXT", sasl), *listeners]
    properties = folder / "server.properties"
    properties.write_text(
        PROPERTIES.format(
            listeners=",".join(f"{one.name}://127.0.0.1:{one.port}" for one in every),
            protocols=",".join(f"{one.name}:{one.protocol}" for one in every),
            controller=controller,
            data=folder / "data",
            jaas=JAAS,
        )
        + extra
    )
    storage = ("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties))
    format_it = java_command(*storage, classes=classes)
    done = subprocess.run(format_it, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"kafka.tools.StorageTool format: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    command = java_command("kafka.Kafka", str(properties), classes=classes)
    broker = Broker(
        f"127.0.0.1:{port}", f"127.0.0.1:{sasl}", folder, command, start_kafka(command, folder / "log")
    )
    try:
        wait_until_ready(broker)
        yield broker
    finally:
        broker.process.send_signal(signal.SIGTERM)
        try:
            broker.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            broker.process.kill()
            broker.process.wait()


def start_kafka(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """The broker's process."""
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)


def kill_and_restart(broker: Broker) -> None:
    """kill -9, and the same broker again with the same data on the same ports."""
    broker.process.kill()
    broker.process.wait()
    broker.process = start_kafka(broker.command, broker.folder / "log")
    wait_until_ready(broker)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the whole run; tests use topics and groups of their own. Topics are not created by writing."""
    with run_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
