"""Turns forks and processes of every start method into clients that log in by IAM, or that say whose they are.

Never lets a child hang: each has a deadline, and what it finds is its exit code.
Rules: docs/kafka.md, "Processes and builds"; reference/signing.md §9 (9).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import Any

import pytest
from kafka_iam_broker import KEY, REGION, SECRET, IamBroker
from pinpipe import Credentials, errors, kafka

PLAIN = {"security.protocol": "sasl_plaintext"}
FORKS = 1000
CHILD_S = 20
EVERY = 50  # one child in so many opens a client of its own


def deliver(brokers: str, topic: str, value: bytes) -> None:
    """One record by a client of this process."""
    key = Credentials.static(KEY, SECRET)
    with kafka.Producer(brokers, settings=PLAIN, iam=key, region=REGION) as producer:
        producer.write(topic, value)
        producer.flush(CHILD_S)
        assert producer.delivered == 1


def read_values(brokers: str, topic: str, count: int) -> list[bytes]:
    """The values of a topic, once `count` of them are there."""
    login: dict[str, Any] = {"settings": PLAIN, "iam": Credentials.static(KEY, SECRET), "region": REGION}
    values: list[bytes] = []
    until = time.monotonic() + 30
    with kafka.Consumer(brokers, topic, topic, **login) as consumer:
        while len(values) < count and time.monotonic() < until:
            values += [message.value or b"" for message in consumer.poll(1.0)]
    return values


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_child_of_every_start_method_logs_in(method: str, iam_broker: IamBroker) -> None:
    topic, key = f"iam.{method}", Credentials.static(KEY, SECRET)
    with kafka.Admin(iam_broker.plain, settings=PLAIN, iam=key, region=REGION) as admin:
        admin.create_topic(topic)
        start = multiprocessing.get_context(method)
        children = [
            start.Process(target=deliver, args=(iam_broker.plain, topic, b"%d" % number))
            for number in range(3)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
            assert child.exitcode == 0
    assert sorted(read_values(iam_broker.plain, topic, 3)) == [b"0", b"1", b"2"]


def child_run(number: int, brokers: str, topic: str, login: dict[str, Any], producer: kafka.Producer) -> None:
    """What a forked child finds: the parent's client refuses, the key goes on, a client of its own delivers."""
    signal.alarm(CHILD_S)
    for call in (lambda: producer.write(topic, b"child"), lambda: producer.flush(1), producer.poll):
        try:
            call()
        except errors.ForkedError:
            continue
        os._exit(2)
    key: Credentials = login["iam"]
    if key.secret_access_key != SECRET or not kafka.msk_token(REGION, key)[0]:
        os._exit(3)
    producer.close()
    if number % EVERY == 0:
        with kafka.Producer(brokers, **login) as own:
            own.write(topic, b"child %d" % number)
    os._exit(0)


@pytest.mark.soak
def test_forks_under_traffic_neither_hang_nor_speak_for_their_parent(
    iam_broker: IamBroker, soak_share: float
) -> None:
    """The key is shared with the children, another thread of the parent writes all the while."""
    topic, forks, written = "iam.forks", int(FORKS * soak_share), 0
    login: dict[str, Any] = {"settings": PLAIN, "region": REGION}
    login["iam"] = Credentials.callback(lambda: {"AccessKeyId": KEY, "SecretAccessKey": SECRET})
    with kafka.Admin(iam_broker.plain, **login) as admin:
        admin.create_topic(topic)
    stop = threading.Event()
    with kafka.Producer(iam_broker.plain, **login) as producer:

        def write() -> None:
            nonlocal written
            while not stop.is_set():
                producer.write(topic, b"parent")
                written += 1
                time.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()
        ends: dict[int, int] = {}
        try:
            for number in range(forks):
                child = os.fork()
                if child == 0:
                    try:
                        child_run(number, iam_broker.plain, topic, login, producer)
                    finally:
                        os._exit(1)
                _, status = os.waitpid(child, 0)
                ends[status] = ends.get(status, 0) + 1
        finally:
            stop.set()
            writer.join()
        producer.flush()
        assert (producer.delivered, producer.failed) == (written, 0)
    own = (forks + EVERY - 1) // EVERY
    values = read_values(iam_broker.plain, topic, written + own)
    print(f"{forks} forks while {written} records were written; {own} children delivered one of their own")
    assert ends == {0: forks}
    assert values.count(b"parent") == written
    assert sorted(values)[:own] == sorted(b"child %d" % number for number in range(0, forks, EVERY))
    assert {line.split()[0] for line in iam_broker.judgements()} == {"accepted"}
