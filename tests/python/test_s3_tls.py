"""Turns bodies that come over TLS in every shape into objects: none is torn, none waits for bytes that have come.

Never times anything: an answer that is not seen ends as ETIMEOUT.
Rules: docs/s3.md, "Connections"; RFC 8446 §5.1.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pytest

from tests.doubles.certificate import make_certificate
from tests.doubles.torn_tls import RECORD_MAX, Shape, TornTls

SEED = int(os.environ.get("PINPIPE_TLS_SEED", "20261121"))
#: A body that waits for ever is what is looked for; a server of many small records may take long under load.
TIMEOUT_S = 120.0
RANDOM_SHAPES = 80
#: poll(2) is told to wait for 256 KiB while more than that and a buffer of 128 KiB are to come.
LOW, BUFFER = 256 << 10, 128 << 10
SHAPES = {
    "empty": Shape(0, chunked=True),
    "one byte": Shape(1),
    "one byte with its head": Shape(1, head_alone=False),
    "a record": Shape(RECORD_MAX),
    "two records": Shape(2 * RECORD_MAX),
    "a record and a byte": Shape(RECORD_MAX + 1),
    "records of a byte": Shape(3000, records=(1, 1)),
    "segments of a byte": Shape(3000, segments=(1, 1)),
    "small records at once": Shape(200_000, records=(1, 40)),
    "chunks whose sizes are records": Shape(300_000, records=(1, 5000), chunked=True),
    "the last bytes late": Shape(LOW + BUFFER + 1, segments=(60_000, 60_000), pauses=0.5, pause_s=0.05),
    "as much as poll waits for": Shape(LOW + BUFFER),
    "more": Shape(LOW + BUFFER + 1),
    "two parts": Shape((8 << 20) + LOW + BUFFER + 1),
    "a slow sender": Shape(700_000, segments=(20_000, 40_000), pauses=1.0, pause_s=0.02),
    "a slow sender of small records": Shape(500_000, records=(1, 3000), segments=(1, 30_000), pauses=0.5),
}


def shape_drawn(dice: random.Random) -> Shape:
    """Any shape: small and large, whole and torn."""
    size = dice.choice([dice.randint(1, 40_000), dice.randint(40_000, 900_000)])
    largest = dice.choice([100, 1000, 4096, RECORD_MAX])
    return Shape(
        size,
        records=(dice.choice([1, largest]) if size < 100_000 else largest, largest),
        segments=dice.choice([(1, 20_000), (16_000, 18_000), (1 << 20, 1 << 20)]),
        pauses=dice.choice([0.0, 0.0, 0.3]),
        chunked=dice.random() < 0.2,
        head_alone=dice.random() < 0.5,
    )


@pytest.fixture
def torn(tmp_path: Path) -> Iterator[TornTls]:
    """A server whose answers come in shapes."""
    with TornTls(make_certificate(tmp_path), SEED).running() as server:
        yield server


def client_of(server: TornTls) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static("key", "tls/secret/key")
    ca_file = server.certificate.file
    return pinpipe.s3.Client(server.endpoint, credentials=credentials, ca_file=ca_file, attempts=1)


@pytest.mark.parametrize("name", SHAPES)
def test_a_body_of_this_shape_comes_whole(torn: TornTls, name: str) -> None:
    torn.shapes["k"] = SHAPES[name]
    client = client_of(torn)
    for _ in range(2):
        assert client.get("bucket", "k", timeout=TIMEOUT_S) == SHAPES[name].body()
    assert torn.connections <= 4  # kept alive


def test_bodies_of_any_shape_come_whole_one_after_the_other(torn: TornTls) -> None:
    dice = random.Random(SEED)
    torn.shapes |= {f"k{number}": shape_drawn(dice) for number in range(RANDOM_SHAPES)}
    client = client_of(torn)
    for key, shape in torn.shapes.items():
        assert client.get("bucket", key, timeout=TIMEOUT_S) == shape.body(), (SEED, key, shape)
    assert torn.connections == 1
    print(f"{RANDOM_SHAPES} shapes over one connection, seed {SEED}")
