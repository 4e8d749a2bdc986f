"""Turns records into a real double's stream through gateways with right and with wrong mapping templates.

Never trusts the gateway's answer: the stream is read back.
Rules: docs/kinesis.md, "API Gateway"; reference/kinesis-s3.md §4; domain.md §3.4.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pinpipe
import pytest
from gates import KEY
from kinesis_servers import gate_before
from pinpipe import _row_sinks, errors, kinesis
from test_kinesis_client import read_all, stream

from tests.doubles.backend import Backend
from tests.doubles.gate import Gate
from tests.doubles.kafka_rest import Server
from tests.doubles.kinesis_gateway import RECORD, RECORDS, Integration, KinesisGateway, construct, tutorial

CREDENTIALS = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
ROWS = [
    json.dumps(
        {"index": number, "title": 'caf\u00e9 "x" \\ \U0001f600', "tag": None}, ensure_ascii=ascii_only
    )
    for number in range(40)
    for ascii_only in (True, False)
]


@contextmanager
def a_stream(kinesalite: str, shards: int = 2) -> Iterator[tuple[kinesis.Client, str]]:
    with gate_before(kinesalite) as gate:
        client = kinesis.Client(gate.endpoint, credentials=CREDENTIALS)
        with stream(client, shards) as name:
            yield client, name


def into(server: Server, name: str, stage: str = "/test", **options: Any) -> kinesis.Producer:
    own = {key: options.pop(key) for key in ("form", "resource", "api_key", "iam") if key in options}
    gateway = kinesis.Gateway(server.endpoint + stage, **own)
    return kinesis.Producer(name, gateway=gateway, reports=True, **options)


@pytest.mark.parametrize("form", ["aws-tutorial", "solutions-construct"])
@pytest.mark.parametrize("resource", ["record", "records"])
@pytest.mark.parametrize("masks", [True, False], ids=["masked", "mapped"])
def test_every_record_arrives_as_it_was(kinesalite: str, form: Any, resource: Any, masks: bool) -> None:
    with a_stream(kinesalite) as (client, name):
        methods = tutorial() if form == "aws-tutorial" else construct(name)
        gateway = KinesisGateway(kinesalite, methods, masks=masks, api_key="aKey")
        with Server(gateway) as server:
            with into(server, name, form=form, resource=resource, api_key="aKey") as producer:
                for number, row in enumerate(ROWS):
                    producer.write(row, f"key-{number}", tag=number)
                producer.flush()
                reports = producer.reports()
            assert Counter(report.tag for report in reports) == Counter(range(len(ROWS)))
            found = {record.sequence_number: record for record in read_all(client, name)}
            assert len(found) == len(ROWS)
            for report in reports:
                stored = found[report.sequence_number or ""]
                assert json.loads(stored.data) == json.loads(ROWS[report.tag])
                assert stored.partition_key == f"key-{report.tag}"
                if resource == "records":
                    assert stored.data == ROWS[report.tag].encode()
                place = kinesis.Place(report.shard or "", report.sequence_number or "")
            assert client.gateway_fault(name, place, ROWS[report.tag]) is None


def changed(resource: str, **other: str) -> dict[tuple[str, str], Integration]:
    methods = tutorial()
    key = ("PUT", f"/streams/{{stream-name}}/{resource}")
    methods[key] = dataclasses.replace(methods[key], **other)
    return methods


REFUSED = [
    ("records", {"action": "PutRecord"}, "EINVAL", "set it to PutRecords"),
    ("record", {"action": "PutRecords"}, "EINVAL", "set it to PutRecord"),
    ("records", {"action": "Putrecords"}, "EINVAL", "in these very letters"),
    ("record", {"action": "Liststreams"}, "EINVAL", "in these very letters"),
    ("records", {"content_type": "application/json"}, "EINVAL", "in quotes"),
    ("record", {"template": RECORD.replace(".PartitionKey", ".partitionkey")}, "EINVAL", "finds no partition key"),
    ("records", {"template": RECORDS.replace("$elem.partition-key", "$!elem.partitionKey")}, "EINVAL",
     "finds no partition key"),
    ("records", {"template": RECORDS.replace("$.records", "$.Records")}, "EINVAL", "finds no records"),
    ("record", {"template": RECORD.replace("stream-name", "stream")}, "EINVAL", "no stream's name"),
    ("record", {"template": RECORD.replace("$util.base64Encode($input.json('$.Data'))", "$input.json('$.Data')")},
     "EDATA", "Data wants $util.base64Encode"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "other", "status", "says"), REFUSED)
def test_a_wrong_integration_is_named(
    kinesalite: str, resource: Any, other: dict[str, str], status: str, says: str
) -> None:
    with a_stream(kinesalite) as (client, name):
        with Server(KinesisGateway(kinesalite, changed(resource, **other))) as server:
            producer = into(server, name, resource=resource)
            producer.write(ROWS[0], "k")
            with pytest.raises(errors.Error) as caught:
                producer.flush()
        assert caught.value.status == status and says in str(caught.value), str(caught.value)
        assert read_all(client, name) == []


STORED = [
    ("record", RECORD.replace(".Data", ".data"), "under another name"),
    ("records", RECORDS.replace("$util.base64Encode($elem.data)", "$util.base64Encode($util.base64Encode($elem.data))"),
     "encodes it twice"),
    ("record", RECORD.replace("$util.base64Encode($input.json('$.Data'))",
                              "$util.base64Encode($util.base64Encode($input.json('$.Data')))"), "encodes it twice"),
    ("record", RECORD.replace("$input.json('$.Data')", "$input.path('$.Data')"), "a Java map"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "template", "says"), STORED)
def test_what_a_template_stored_is_named(kinesalite: str, resource: Any, template: str, says: str) -> None:
    with a_stream(kinesalite) as (client, name):
        gateway = KinesisGateway(kinesalite, changed(resource, template=template))
        with Server(gateway) as server, into(server, name, resource=resource) as producer:
            producer.write(ROWS[0], "k")
            producer.flush()
            (report,) = producer.reports()
        assert report.error is None  # no answer tells it
        said = client.gateway_fault(
            name, kinesis.Place(report.shard or "", report.sequence_number or ""), ROWS[0]
        )
        assert says in (said or "")


def test_the_stage_the_stream_and_the_key(kinesalite: str) -> None:
    gateway = KinesisGateway(kinesalite, tutorial(), api_key="aKey")
    with a_stream(kinesalite) as (_, name), Server(gateway) as server:
        for producer, kind, says in (
            (into(server, name, "/prod"), errors.NotFoundError, "check the stage"),
            (into(server, name, ""), errors.NotFoundError, "the URL has no stage"),
            (into(server, name), errors.AuthError, "API key"),
            (into(server, "not-there", api_key="aKey"), errors.NotFoundError, "no such stream"),
        ):
            producer.write(ROWS[0], "k")
            with pytest.raises(kind, match=says):
                producer.flush()


def test_iam_before_the_gateway(kinesalite: str) -> None:
    with a_stream(kinesalite) as (client, name):
        with Server(KinesisGateway(kinesalite, tutorial())) as server:
            backend = Backend(server.endpoint, "AKIDBEHIND", "behind", "eu-west-1", "execute-api")
            with Gate(backend, keys=[KEY]) as gate:
                signed = kinesis.Gateway(f"{gate.endpoint}/test", iam=True)
                options: dict[str, Any] = {
                    "gateway": signed,
                    "region": "eu-west-1",
                    "credentials": CREDENTIALS,
                }
                with kinesis.Producer(name, reports=True, **options) as producer:
                    gate.clock_offset_s = 1800
                    gate.faults.add("expired-token")
                    for number, row in enumerate(ROWS):
                        producer.write(row, f"key-{number}")
                    producer.flush()
                    assert {report.attempts for report in producer.reports()} == {1}
                wrong = pinpipe.Credentials.static(KEY.key_id, "another")
                producer = kinesis.Producer(name, **(options | {"credentials": wrong}))
                producer.write(ROWS[0], "k")
                with pytest.raises(errors.AuthError, match="InvalidSignatureException"):
                    producer.flush()
        assert Counter(record.data.decode() for record in read_all(client, name)) == Counter(ROWS)


@pytest.mark.parametrize("resource", ["record", "records"])
def test_the_emulator_looks_once_whether_rows_arrive(
    kinesalite: str, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", kinesalite)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
    client = kinesis.Client(region="us-east-1")
    streams = [f"streaming-{resource}-{kind}" for kind in _row_sinks.KINDS]
    for name in streams:
        client.create_stream(name)
    row = b'{"ind": 1}'
    wrong = RECORD.replace(".Data", ".data") if resource == "record" else RECORDS.replace("$elem.data", "''")
    with Server(KinesisGateway(kinesalite, tutorial())) as right:
        url = f"apigw+{right.endpoint}/test?resource={resource}&verify=us-east-1"
        with _row_sinks.open_sink(url, resource) as sink:
            for kind in _row_sinks.KINDS * 3:
                sink.put(kind, row)
            sink.flush()
    for name in streams:
        assert [json.loads(record.data) for record in read_all(client, name)] == [{"ind": 1}] * 3
    with Server(KinesisGateway(kinesalite, changed(resource, template=wrong))) as server:
        url = f"apigw+{server.endpoint}/test?resource={resource}&verify=us-east-1"
        with (
            _row_sinks.open_sink(url, resource) as sink,
            pytest.raises(errors.DataError, match="the gateway stored an empty record"),
        ):
            sink.put("pin", row)
