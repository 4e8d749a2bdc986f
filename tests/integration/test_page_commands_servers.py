"""The command lines of the pages that name their reader's servers, run against real ones and stand-ins of this test.

Never has a line of its own: tests/house/page_commands.py lists them, with what must hold.
Rules: issue 8, "the docs' every example is run by a test".
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pinpipe
import pytest
from databases import Database
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from gates import backend_of
from gateways import gateway_program
from kafka_iam_broker import KEY, REGION, SECRET, IamBroker
from pinpipe import _synthetic, kafka
from servers import run_versitygw
from units import PATIENCE_S, wait_until

from tests.doubles.gate import Gate
from tests.doubles.kafka_rest import Server
from tests.doubles.kinesis_gateway import KinesisGateway, tutorial
from tests.doubles.sigv4_verifier import Key
from tests.house import page_commands as commands

KINDS = ("pin", "geo", "user")
#: Topics and how many records are in them from the beginning.
TOPICS = {f"{user}.{kind}": 0 for user in ("demo", "0a1b2c3d4e5f") for kind in KINDS}
TOPICS |= {"sunk.pin": 10_000, "connected.pin": 6, "secured.pin": 6}
#: 20 records of 15 pins are in each stream that is read.
PINS = [b'{"index":%d}' % (number % 15) for number in range(20)]
STREAMS = {"streaming-demo-pin": PINS, "streaming-0a1b-pin": PINS}
STREAMS |= {f"streaming-0a1c-{kind}": [] for kind in KINDS}
CONNECTOR = """topics.regex={0}\\..*
s3.bucket.name=bucket
s3.region={1}
flush.size=3
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The servers' names, the environment in which lines find them, and clients of its own."""

    known: dict[str, str]
    environment: dict[str, str]
    s3: pinpipe.s3.Client
    kinesis: pinpipe.kinesis.Client
    files: dict[str, str]

    def count(self, place: str) -> int:
        """The records at a place."""
        scheme, found, rest = place.rpartition("://")
        if not found:
            return commands.count_file(Path(place))
        if scheme == "kafka":
            path = f"http://{self.known['gateway']}/topics/{rest}/partitions/0/offsets"
            return int(json.load(urllib.request.urlopen(path, timeout=PATIENCE_S))["end_offset"])
        if scheme == "kinesis":
            return self._streamed(rest)
        if scheme == "s3":
            bucket, _, prefix = rest.partition("/")
            keys = [thing.key for thing in self.s3.list(bucket, prefix=prefix)]
            return sum(self._lines(key, bytes(self.s3.get(bucket, key))) for key in keys)
        url, options = f"{scheme.removeprefix('delta+')}://{rest}", self._delta_options()
        try:
            return int(DeltaTable(url, storage_options=options).to_pyarrow_table().num_rows)
        except TableNotFoundError:
            return 0

    def _streamed(self, stream: str) -> int:
        (shard,) = self.kinesis.shards(stream)
        page = self.kinesis.get(self.kinesis.iterator(stream, shard.id))
        found = len(page.records)
        while page.records and page.iterator:
            page = self.kinesis.get(page.iterator)
            found += len(page.records)
        return found

    @staticmethod
    def _lines(key: str, data: bytes) -> int:
        lines = gzip.decompress(data) if key.endswith(".gz") else data
        return lines.count(b"\n") if "topics/" in key else 1

    def _delta_options(self) -> dict[str, str]:
        own = {"AWS_ENDPOINT_URL": self.known["store"], "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION}
        return own | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gate that takes the broker's IAM key, before a store whose bucket is called `bucket`."""
    with run_versitygw(tmp_path_factory.mktemp("store")) as behind:
        own = pinpipe.Credentials.static(behind.key, behind.secret)
        pinpipe.s3.Client(behind.endpoint, region=behind.region, credentials=own).create_bucket("bucket")
        with Gate(backend_of(behind), keys=[Key(KEY, SECRET)], region=REGION) as gate:
            yield gate.endpoint
            assert gate.journal.refused == []


@pytest.fixture(scope="module")
def topics(iam_broker: IamBroker) -> str:
    """The broker's address, once it has its topics."""
    brokers = iam_broker.broker.brokers
    with kafka.Admin(brokers) as admin, kafka.Producer(brokers) as producer:
        for topic, count in TOPICS.items():
            admin.create_topic(topic)
            for number in range(count):
                producer.write(topic, b'{"index":%d}' % number)
        producer.flush()
    return brokers


@pytest.fixture(scope="module")
def streams(kinesalite: str) -> Iterator[pinpipe.kinesis.Client]:
    """A client of the stream service, once it has its streams."""
    client = pinpipe.kinesis.Client(
        kinesalite, region=REGION, credentials=pinpipe.Credentials.static(KEY, SECRET)
    )
    for stream, records in STREAMS.items():
        client.create_stream(stream)
        for record in records:
            client.put(stream, record, "key")
    yield client
    for stream in STREAMS:
        client.delete_stream(stream)


@pytest.fixture(scope="module")
def scene(
    iam_broker: IamBroker,
    topics: str,
    streams: pinpipe.kinesis.Client,
    kinesalite: str,
    store: str,
    mysql: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """All servers, and what their lines read."""
    folder = tmp_path_factory.mktemp("scene")
    environment = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": store,
        "AWS_ENDPOINT_URL_KINESIS": kinesalite,
        "PINPIPE_STATE_DIR": str(folder),
        "SSL_CERT_FILE": str(iam_broker.certificate.file),
    }
    s3 = pinpipe.s3.Client(store, region=REGION, credentials=pinpipe.Credentials.static(KEY, SECRET))
    s3.put("bucket", "topics/t/partition=0/t+0+0000000000.json", b'{"index": 7528}\n')
    files = {
        "connector.properties": CONNECTOR.format("connected", REGION),
        "secured.properties": CONNECTOR.format("secured", REGION),
        "db_creds.yaml": mysql.credentials(),
    }
    with ExitStack() as running:
        gateway, _ = running.enter_context(gateway_program("--brokers", topics))
        apigw = running.enter_context(Server(KinesisGateway(kinesalite, tutorial())))
        known = {"brokers": topics, "iam": iam_broker.tls, "store": store, "gateway": gateway}
        known |= {"apigw": apigw.endpoint, "rows": str(_synthetic.ensure_database(folder / "pinterest.db"))}
        yield Scene(known, environment, s3, streams, files)


@pytest.mark.parametrize("text", commands.WITH_SERVERS)
def test_line_does_what_it_says(text: str, scene: Scene, tmp_path: Path) -> None:
    line, known = commands.WITH_SERVERS[text], scene.known | {"folder": str(tmp_path)}
    for name, content in scene.files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    places = {_place(place, known, tmp_path): count for place, count in line.holds.items()}
    before = {place: scene.count(place) for place in places}
    process = subprocess.Popen(
        commands.resolved(text, line, known),
        cwd=tmp_path,
        env=os.environ | scene.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if line.asks:
            _ask(line.asks, process)
        if line.serves:
            wait_until(lambda: all(scene.count(at) - before[at] >= places[at] for at in places), process)
            process.terminate()
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    commands.judged(line, process.returncode, out, err)
    grown = {place: scene.count(place) - before[place] for place in places}
    if line.endless:
        assert all(grown[place] >= count for place, count in places.items())
    else:
        assert grown == places


def _place(place: str, known: dict[str, str], folder: Path) -> str:
    return commands.filled(place, known) if "://" in place else str(folder / place)


def _ask(asks: tuple[commands.Ask, ...], process: subprocess.Popen[str]) -> None:
    """Sends the requests to where the process says that it listens."""
    assert process.stderr
    found = re.search(r"listens on http://(\S+)", process.stderr.readline())
    assert found
    connection = http.client.HTTPConnection(found[1], timeout=PATIENCE_S)
    for ask in asks:
        connection.request(
            ask.method, ask.path, ask.body, {"Content-Type": "application/vnd.kafka.json.v2+json"}
        )
        answer = connection.getresponse()
        assert (answer.status, ask.path) == (ask.status, ask.path), answer.read()
        answer.read()
    connection.close()
