"""Turns the two roads to Kafka, straight and by a REST proxy, into the same records of a real broker.

Never takes the proxy double for kafka-rest: it only stands between, and what the broker holds is compared.
Rules: docs/kafka-rest.md, docs/emulator.md; domain notes §3.2 (what kafka-rest stores).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pinpipe
from kafka_broker import Broker
from pinpipe import kafka

from tests.doubles.kafka_rest import Proxy, Request, Server

KINDS = ("pin", "geo", "user")
DRAWS = 400


def _read(broker: Broker, topic: str, count: int) -> list[Any]:
    """The topic's values in their order; fails where more come."""
    values: list[Any] = []
    with kafka.Consumer(broker.brokers, f"group-{topic}", [topic]) as consumer:
        deadline = time.monotonic() + 60
        while len(values) < count and time.monotonic() < deadline:
            values += [json.loads(message.value or b"") for message in consumer.poll(1.0)]
        values += [json.loads(message.value or b"") for message in consumer.poll(1.0)]
    return values


def test_both_roads_end_in_the_same_records(kafka_broker: Broker) -> None:
    seen = Counter[bytes]()

    def lose_some(request: Request) -> str | None:
        seen[request.body] += 1
        return "lost" if seen[request.body] == 1 and len(seen) % 9 == 0 else None

    with (
        kafka.Admin(kafka_broker.brokers) as admin,
        kafka.Producer(kafka_broker.brokers, settings={"linger.ms": 0}) as behind,
    ):
        topics = [f"{user}.{kind}" for user in ("straight", "rest") for kind in KINDS]
        for topic in topics:
            admin.create_topic(topic)
        names = {f"rest.{kind}": 1 for kind in KINDS}
        proxy = Proxy(names, fault=lose_some, store=lambda topic, _, text: behind.write(topic, text))
        with Server(proxy) as server:
            pinpipe.emulate(None, f"kafka://{kafka_broker.brokers}", rows=DRAWS, user_id="straight")
            pinpipe.emulate(None, f"kafka-rest+{server.endpoint}", rows=DRAWS, user_id="rest")
        behind.flush()
        assert proxy.refused == []
    for kind in KINDS:
        straight = _read(kafka_broker, f"straight.{kind}", DRAWS)
        stored = len(proxy.values(f"rest.{kind}"))
        rest = _read(kafka_broker, f"rest.{kind}", stored)
        assert len(straight) == DRAWS and len(rest) == stored >= DRAWS
        # Where an answer was lost, a request's records stand twice, one request after the other.
        kept = [row for at, row in enumerate(rest) if row not in rest[:at]]
        assert kept == [row for at, row in enumerate(straight) if row not in straight[:at]]
