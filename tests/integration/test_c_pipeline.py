"""Turns examples/c/kafka_to_s3.c into proof: a real broker's topic becomes clean objects, nothing lost, nothing leaked.

Never looks at the store's folder: objects are read through the links that the program signed.
Rules: docs/c.md, "Examples"; issue 8, "C and C++ programs".
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from debian_packages import Packages
from gates import KEY
from kafka_broker import Broker
from pinpipe import kafka

from tests.doubles.gate import Gate
from tests.house.outside import EXAMPLES, compiled
from tests.python.bad_records import PIN, as_json

TOPIC = "c.pin"
IDLE_S = "4"


@pytest.fixture(scope="module")
def program(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Under the address sanitizer, which sees every block of the library's too: a leak is an exit code of its own."""
    sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    folder = tmp_path_factory.mktemp("program")
    return compiled(EXAMPLES / "kafka_to_s3.c", folder / "kafka_to_s3", packages.prefix, more=sanitized)


def ran(program: Path, gate: Gate, brokers: str, bucket: str) -> tuple[int, list[str], str]:
    """Exit code, links, what was said."""
    environment = {
        "AWS_ENDPOINT_URL_S3": gate.endpoint,
        "AWS_ACCESS_KEY_ID": KEY.key_id,
        "AWS_SECRET_ACCESS_KEY": KEY.secret,
        "AWS_REGION": "us-east-1",
        "ASAN_OPTIONS": "exitcode=99",
    }
    command = [str(program), brokers, TOPIC, bucket, IDLE_S]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout.splitlines(), done.stderr


def until(wanted: Callable[[tuple[int, list[str], str]], bool], *arguments: Any) -> None:
    """Runs the program until that is seen: one that was still joining its group has read nothing in its time."""
    deadline = time.monotonic() + 120
    seen = ran(*arguments)
    while not wanted(seen):
        assert time.monotonic() < deadline, seen
        seen = ran(*arguments)


def test_a_topic_becomes_clean_objects(
    program: Path, kafka_broker: Broker, gate: Gate, gate_bucket: str
) -> None:
    values = [as_json(PIN | {"index": n, "title": f"naïve {n} 😀"}) for n in range(3000)]
    with kafka.Admin(kafka_broker.brokers) as admin:
        admin.create_topic(TOPIC, 2)
    with kafka.Producer(kafka_broker.brokers) as producer:
        for n, value in enumerate([*values, b'{"title": "no key"}']):
            producer.write(TOPIC, value, str(n))
        producer.flush()
    # Nothing is committed of what is not stored: all of it comes again.
    until(
        lambda seen: seen[0] == 1 and "no-such-bucket" in seen[2],
        *(program, gate, kafka_broker.brokers, "no-such-bucket"),
    )
    links: list[str] = []
    records = 0

    def all_are_stored(seen: tuple[int, list[str], str]) -> bool:
        nonlocal records
        assert seen[0] == 0, seen
        records += int(seen[2].split()[0])
        links.extend(seen[1])
        return records == len(values) + 1

    until(all_are_stored, program, gate, kafka_broker.brokers, gate_bucket)
    bodies = {link: urllib.request.urlopen(link, timeout=30).read() for link in links}
    rows = [line for link, body in bodies.items() if "/clean/" in link for line in body.splitlines()]
    wanted = pinpipe.encode(pinpipe.clean("pin", b"\n".join(values)), "ndjson").splitlines()
    assert sorted(rows) == sorted(wanted)
    (rejects,) = [body for link, body in bodies.items() if "/rejects/" in link]
    assert "ind" in json.loads(rejects)["reason"]
    # A store may hang up on a body for a bucket that it does not have.
    assert [each for each in gate.journal.refused if "no-such-bucket" not in each.target] == []
    with kafka.Consumer(kafka_broker.brokers, "kafka_to_s3", TOPIC) as consumer:
        committed = consumer.committed([(TOPIC, 0), (TOPIC, 1)])
    assert sum(committed.values()) == len(values) + 1


def test_what_is_wrong_is_said(program: Path, gate: Gate) -> None:
    code, links, said = ran(program, gate, "127.0.0.1:1", "b")
    assert code == 1 and links == [] and said.count("\n") == 1
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and "usage: " in done.stderr
