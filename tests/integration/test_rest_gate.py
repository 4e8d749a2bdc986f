"""Turns the producer for the REST proxy into the client of the strict gate: IAM signatures, and faults by script.

Never trusts the library's signer: the gate's verifier shares nothing with it.
Rules: docs/kafka-rest.md; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from pinpipe import errors, kafka

from tests.doubles.backend import Backend
from tests.doubles.certificate import make_certificate
from tests.doubles.gate import Gate
from tests.doubles.kafka_rest import Proxy, Server
from tests.doubles.sigv4_verifier import Key

TOPIC = "0a1b2c3d4e5f.pin"
KEY = Key("AKIDREST", "gate/secret+of/the=api")
SESSION = Key("ASIAREST", "gate/secret+of/the=session", "token/of+the=session==")


@contextmanager
def _api(proxy: Proxy, **options: Any) -> Iterator[Gate]:
    """A gateway that wants IAM before a proxy."""
    with Server(proxy) as server:
        backend = Backend(server.endpoint, "AKIDBEHIND", "behind", "eu-west-1", "execute-api")
        with Gate(backend, keys=[KEY, SESSION], **options) as gate:
            yield gate


def _producer(gate: Gate, key: Key = KEY, stage: str = "/test", **options: Any) -> kafka.RestProducer:
    credentials = pinpipe.Credentials.static(key.key_id, key.secret, key.token or None)
    return kafka.RestProducer(gate.endpoint + stage, iam=credentials, region="eu-west-1", **options)


def _values(count: int) -> list[str]:
    return [f'{{"n":{number},"text":"caf\u00e9"}}' for number in range(count)]


@pytest.mark.parametrize("key", [KEY, SESSION], ids=["key", "session"])
@pytest.mark.parametrize(
    "stage", ["/test", "/a b/%c3%a9".replace(" ", "%20"), ""], ids=["plain", "encoded", "none"]
)
def test_the_gate_accepts_every_signature(key: Key, stage: str) -> None:
    proxy = Proxy({TOPIC: 1}, stage=stage)
    with _api(proxy) as gate, _producer(gate, key, stage, api_key="k", batch_records=10) as producer:
        results = producer.produce_batch(TOPIC, _values(95))
        assert gate.journal.refused == []
        assert producer.counters["requests"] == 10
    assert [result.offset for result in results] == list(range(95)) and proxy.refused == []


def test_the_emulator_signs_with_the_environments_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    proxy = Proxy({f"demo.{kind}": 1 for kind in ("pin", "geo", "user")}, stage="/test")
    with _api(proxy) as gate:
        pinpipe.emulate(None, f"kafka-rest+{gate.endpoint}/test?auth=iam", rows=50)
        assert gate.journal.refused == []
    assert len(proxy.values("demo.user")) == 50


def test_over_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    proxy = Proxy({TOPIC: 1})
    with _api(proxy, certificate=certificate) as gate:
        producer = _producer(gate, stage="", ca_file=certificate.file)
        assert producer.produce_batch(TOPIC, _values(1))[0].offset == 0
        assert gate.journal.refused == []


def test_a_wrong_secret_is_refused_and_not_shown() -> None:
    with _api(Proxy({TOPIC: 1})) as gate:
        producer = _producer(gate, Key(KEY.key_id, "wrong/secret"), stage="")
        (result,) = producer.produce_batch(TOPIC, _values(1))
        assert isinstance(result.error, errors.Error) and result.may_repeat is False
        assert "wrong/secret" not in str(result.error)
        assert len(gate.journal.refused) == 1


@pytest.mark.parametrize(
    ("fault", "may_repeat"),
    [
        ("unavailable", True),
        ("500", True),
        ("429", False),
        ("reset-before", True),
        ("reset-in-body", True),
        ("reset-after", True),
        ("lost-reply", True),
        ("truncated", True),
        ("reset-in-reply", True),
        ("delayed", False),
    ],
)
def test_a_fault_costs_an_attempt_and_no_record(fault: str, may_repeat: bool) -> None:
    proxy = Proxy({TOPIC: 1})
    with _api(proxy, seed=1) as gate, _producer(gate, stage="") as producer:
        gate.faults.add(fault, at_bytes=10, seconds=0.2)
        results = producer.produce_batch(TOPIC, _values(3))
        assert gate.journal.refused == []
    assert all(result.error is None for result in results)
    assert {result.may_repeat for result in results} == {may_repeat}
    stored = Counter(value["n"] for value in proxy.values(TOPIC))
    assert set(stored) == {0, 1, 2} and max(stored.values()) <= 1 + may_repeat


def test_many_faults_leave_every_record_told() -> None:
    proxy = Proxy({TOPIC: 2, "b.geo": 1})
    with _api(proxy, seed=7) as gate, _producer(gate, stage="", batch_records=5, attempts=6) as producer:
        for fault in (
            "unavailable",
            "reset-before",
            "reset-in-body",
            "reset-after",
            "lost-reply",
            "reset-in-reply",
        ):
            gate.faults.add(fault, count=None, probability=0.05, at_bytes=7)
        results = producer.produce_batch(TOPIC, _values(600), timeout=110)
        assert gate.journal.refused == [] and producer.counters["retries"] > 0
    stored = Counter(value["n"] for value in proxy.values(TOPIC))
    for number, result in enumerate(results):
        least = 0 if result.error else 1
        assert stored[number] >= least
        assert stored[number] == least or result.may_repeat
