"""Turns records by the gateway into the same records of a real broker as by the straight road.

Never changes a sink or an emulator for it: they are those that speak to kafka-rest.
Rules: docs/gateway.md; docs/kafka-rest.md; domain notes §3.2.
"""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pinpipe
from kafka_broker import Broker
from pinpipe import kafka

KINDS = ("pin", "geo", "user")
DRAWS = 400
PATIENCE_S = 60.0
BODY = b'{"records":[{"value":{"n":1}}]}'
HEADERS = {"Content-Type": "application/vnd.kafka.json.v2+json"}


@contextmanager
def _gateway(brokers: str, *options: str) -> Iterator[str]:
    """The program, and its address."""
    command = [
        sys.executable,
        "-m",
        "pinpipe",
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--brokers",
        brokers,
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        found = re.search(r"listens on http://(\S+)", process.stderr.readline())
        assert found
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate()


def _read(broker: Broker, topic: str, count: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    with kafka.Consumer(broker.brokers, f"group-{topic}", [topic]) as consumer:
        deadline = time.monotonic() + PATIENCE_S
        while len(values) < count and time.monotonic() < deadline:
            values += [message.value for message in consumer.poll(1.0)]
        values += [message.value for message in consumer.poll(0.5)]
    return values


def test_emulator_by_the_gateway_ends_in_the_same_bytes(kafka_broker: Broker) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        for user in ("direct", "gateway"):
            for kind in KINDS:
                admin.create_topic(f"{user}.{kind}")
    pinpipe.emulate(None, f"kafka://{kafka_broker.brokers}", rows=DRAWS, user_id="direct")
    with _gateway(kafka_broker.brokers, "--workers", "2") as address:
        pinpipe.emulate(None, f"kafka-rest+http://{address}/test", rows=DRAWS, user_id="gateway")
    for kind in KINDS:
        direct = _read(kafka_broker, f"direct.{kind}", DRAWS)
        assert _read(kafka_broker, f"gateway.{kind}", DRAWS) == direct and len(direct) == DRAWS


def test_unknown_topic_is_told_while_others_are_served(kafka_broker: Broker) -> None:
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic("gateway.known")
    with _gateway(kafka_broker.brokers) as address:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
        taken: dict[str, list[float]] = {"known": [], "never": []}
        for number in range(20):
            for name, status in (("known", 200), ("never", 404)):
                topic = f"gateway.{name}" + (str(number) if name == "never" else "")
                begun = time.monotonic()
                connection.request("POST", f"/test/topics/{topic}", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
                taken[name].append(1e3 * (time.monotonic() - begun))
                assert answer.status == status
        connection.close()
    for name, times in taken.items():
        print(f"{name}: first {times[0]:.1f}, median {sorted(times)[10]:.1f}, last {times[-1]:.1f} ms")
