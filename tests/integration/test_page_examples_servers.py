"""Turns the examples of docs/ that need a stream or a store into runs against real stand-ins of them.

Never has an example of its own: tests/house/page_examples.py lists them.
Rules: issue 8, "the docs' every example is run by a test".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pytest
from servers import Store, run_versitygw

from tests.doubles.kafka_rest import Server
from tests.doubles.kinesis_gateway import KinesisGateway, tutorial
from tests.house.page_examples import WITH_SERVERS, ran

STREAM = "streaming-0a1b-pin"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of these examples' own: they call their bucket `bucket`."""
    with run_versitygw(tmp_path_factory.mktemp("store")) as running:
        client_of(running).create_bucket("bucket")
        yield running


def client_of(store: Store) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(store.key, store.secret)
    return pinpipe.s3.Client(store.endpoint, region=store.region, credentials=credentials)


def environment(store: Store, **more: str) -> dict[str, str]:
    own = {"AWS_ENDPOINT_URL_S3": store.endpoint, "AWS_REGION": store.region}
    return own | {"AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret} | more


@pytest.mark.parametrize("name", ["s3.md 1", "testing.md 1"])
def test_examples_of_objects(name: str, store: Store, tmp_path: Path) -> None:
    client_of(store).put("bucket", "topics/t.pin/partition=0/t.pin+0+0000000000.json", b'{"index": 7528}')
    (tmp_path / "large.bin").write_bytes(b"x" * (9 << 20))
    known = {"store": store.endpoint, "key": store.key, "secret": store.secret}
    ran(name, WITH_SERVERS[name], tmp_path, known, **environment(store))


def test_examples_of_streams(kinesalite: str, store: Store, tmp_path: Path) -> None:
    """One after the other: the first makes the stream."""
    client = pinpipe.kinesis.Client(
        kinesalite, region="eu-west-1", credentials=pinpipe.Credentials.static("a", "b")
    )
    more = environment(store, AWS_ENDPOINT_URL_KINESIS=kinesalite)
    try:
        with Server(KinesisGateway(kinesalite, tutorial())) as server:
            for name in ("kinesis.md 1", "kinesis.md 2", "kinesis.md 3", "stream.md 1"):
                known = {"gateway": f"{server.endpoint}/test"}
                ran(name, WITH_SERVERS[name], tmp_path, known, **more)
    finally:
        client.delete_stream(STREAM)


def test_all_of_them_are_here() -> None:
    streams = {name for name in WITH_SERVERS if name.startswith(("kinesis.md", "stream.md"))}
    assert WITH_SERVERS.keys() - streams == {"s3.md 1", "testing.md 1"}
