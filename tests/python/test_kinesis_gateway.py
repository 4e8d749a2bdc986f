"""Turns answers of gateways before Kinesis into checks of the producer that writes through one.

Never needs a server beside the process; templates before a real double: tests/integration/test_kinesis_templates.py.
Rules: docs/kinesis.md, "API Gateway"; libpinpipe/kinesis/gateway.def.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from pinpipe import _row_sinks, errors, kinesis, native

from tests.doubles.certificate import make_certificate
from tests.doubles.kafka_rest import Answer, Request, Server

STREAM = "streaming-0a1b2c3d4e5f-pin"
JSON = {"Content-Type": "application/json"}
ROW = b'{"index": 7528, "title": "caf\xc3\xa9 \\"quoted\\""}'


def placed(number: int = 0) -> dict[str, str]:
    return {"SequenceNumber": f"4954{number:04}", "ShardId": "shardId-000000000000"}


def accept(request: Request) -> Answer:
    """What Kinesis says of everything, behind a gateway."""
    told = json.loads(request.body)
    if "records" in told:
        entries = [placed(number) for number in range(len(told["records"]))]
        return Answer(200, json.dumps({"FailedRecordCount": 0, "Records": entries}).encode(), JSON)
    return Answer(200, json.dumps(placed()).encode(), JSON)


def answers(*said: tuple[int, Any]) -> Callable[[Request], Answer]:
    """One answer a request, then everything is accepted."""
    left = list(said)

    def answer(request: Request) -> Answer:
        if not left:
            return accept(request)
        status, body = left.pop(0)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, raw, JSON)

    return answer


def producer(server: Server, stage: str = "/test", **options: Any) -> kinesis.Producer:
    own = {name: options.pop(name) for name in ("form", "resource", "api_key") if name in options}
    gateway = kinesis.Gateway(f"apigw+{server.endpoint}{stage}", **own)
    return kinesis.Producer(STREAM, gateway=gateway, **({"linger": 0} | options))


SENT: list[tuple[dict[str, str], str, str, Any]] = [
    (
        {},
        "PUT",
        f"/test/streams/{STREAM}/records",
        {"records": [{"data": ROW.decode(), "partition-key": "k"}]},
    ),
    (
        {"resource": "record"},
        "PUT",
        f"/test/streams/{STREAM}/record",
        {"StreamName": STREAM, "Data": json.loads(ROW), "PartitionKey": "k"},
    ),
    (
        {"form": "solutions-construct"},
        "POST",
        "/test/records",
        {"records": [{"data": ROW.decode(), "partitionKey": "k"}]},
    ),
    (
        {"form": "solutions-construct", "resource": "record"},
        "POST",
        "/test/record",
        {"StreamName": STREAM, "data": json.loads(ROW), "partitionKey": "k"},
    ),
]


@pytest.mark.parametrize(("options", "method", "path", "body"), SENT, ids=lambda part: str(part)[:40])
def test_the_request(options: dict[str, str], method: str, path: str, body: Any) -> None:
    with Server(accept) as server, producer(server, reports=True, api_key="aKey", **options) as into:
        into.write(ROW, "k", tag=7)
        into.flush()
        (report,) = into.reports()
        (request,) = server.requests
    assert (request.method, request.target, json.loads(request.body)) == (method, path, body)
    assert request.headers["content-type"] == "application/json" and request.headers["x-api-key"] == "aKey"
    assert "authorization" not in request.headers and "x-amz-target" not in request.headers
    assert (report.tag, report.error, report.shard) == (7, None, "shardId-000000000000")


def test_many_records_a_request_each_with_its_place() -> None:
    with Server(accept) as server, producer(server, reports=True, linger=60.0) as into:
        for number in range(1200):
            into.write(b'{"n":%d}' % number, f"key-{number}", tag=number)
        into.flush()
        reports = into.reports()
    assert sorted(report.tag for report in reports) == list(range(1200))
    assert all(report.error is None and report.sequence_number for report in reports)
    assert len(server.requests) == 3
    sent = [json.loads(item["data"])["n"] for r in server.requests for item in json.loads(r.body)["records"]]
    assert sorted(sent) == list(range(1200))


def masked(code: str, message: str = "") -> tuple[int, Any]:
    return 200, {"__type": code, "message": message}


VALIDATION = (
    "1 validation error detected: Value {} at '{}' failed to satisfy constraint: Member must not be null"
)
TOLD: list[tuple[str, dict[str, str], tuple[int, Any], str, str]] = [
    ("PutRecord behind records", {}, masked("ValidationException", VALIDATION.format("null", "data")), "EINVAL",
     "set it to PutRecords"),
    ("PutRecords behind record", {"resource": "record"},
     masked("ValidationException", VALIDATION.format("null", "records")), "EINVAL", "set it to PutRecord"),
    ("other names", {}, masked("ValidationException", VALIDATION.format("'[]'", "records")), "EINVAL",
     "choose the form"),
    ("no key", {"resource": "record"}, masked("ValidationException", VALIDATION.format("''", "partitionKey")),
     "EINVAL", "finds no partition key"),
    ("no key in an entry", {},
     masked("ValidationException", VALIDATION.format("''", "records.1.member.partitionKey")), "EINVAL",
     "finds no partition key"),
    ("Putrecords", {}, (200, {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}}), "EINVAL",
     "in these very letters"),
    ("no content type", {}, (404, b"<UnknownOperationException/>\n"), "EINVAL", "in quotes"),
    ("a broken template", {}, masked("SerializationException"), "EDATA", "Data wants $util.base64Encode"),
    ("no stream", {}, masked("ResourceNotFoundException", "Stream x under account 1 not found."), "ENOTFOUND",
     "correct the user id"),
    ("the role", {}, masked("AccessDeniedException",
     "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: kinesis:PutRecords on resource: s"), "EAUTH",
     "allow kinesis:PutRecord"),
    ("another code", {}, masked("KMSDisabledException", "the key is off"), "EREFUSED", "KMSDisabledException"),
    ("the same, not masked", {}, (400, {"__type": "ResourceNotFoundException"}), "ENOTFOUND", "no such stream"),
    ("a wrong stage", {}, (403, {"message": "Missing Authentication Token"}), "ENOTFOUND", "check the stage"),
    ("no API key", {}, (403, {"message": "Forbidden"}), "EAUTH", "API key"),
    ("a quota", {}, (429, {"message": "Limit Exceeded"}), "ETHROTTLED", "raise it in the usage plan"),
    ("too large", {}, (413, {"message": "Request Too Long"}), "ELIMIT", "10 MB"),
    ("nothing", {}, (200, b""), "EDATA", "an empty answer"),
    ("a page", {}, (200, b"<html></html>"), "EDATA", "a web page"),
    ("a text", {}, (200, b"ok"), "EDATA", "is not Kinesis' answer"),
    ("Kafka", {}, (200, {"offsets": []}), "EDATA", "kafka-rest+https"),
    ("a template", {"resource": "record"}, (200, {"status": "success"}), "EDATA", "without a sequence number"),
    ("a null place", {"resource": "record"}, (200, {"SequenceNumber": None, "ShardId": None}), "EDATA", "HTTP 200"),
    ("one for many", {}, (200, placed()), "EDATA", "many records were sent"),
    ("too few", {}, (200, {"FailedRecordCount": 0, "Records": []}), "EDATA", "answers for 0 records, and 1 were sent"),
    ("an entry of nothing", {}, (200, {"FailedRecordCount": 0, "Records": [{}]}), "EDATA", "neither a sequence number"),
    ("an entry that is refused", {},
     (200, {"FailedRecordCount": 1, "Records": [{"ErrorCode": "KMSDisabledException", "ErrorMessage": "off"}]}),
     "EREFUSED", "KMSDisabledException: off"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said", "status", "says"), [case[1:] for case in TOLD], ids=[c[0] for c in TOLD]
)
def test_what_is_wrong_is_named(
    options: dict[str, str], said: tuple[int, Any], status: str, says: str
) -> None:
    with Server(answers(said)) as server:
        into = producer(server, reports=True, **options)
        into.write(ROW, "k")
        with pytest.raises(errors.Error, match=re.escape(says)) as caught:
            into.flush()
        assert caught.value.status == status
        assert "1 records were not delivered" in str(caught.value)
        assert [report.error for report in into.reports()] == [status]
        assert len(server.requests) == 1
        into.write(ROW, "k")
        into.flush()


PASSING: list[tuple[int, Any]] = [
    masked("ProvisionedThroughputExceededException", "Rate exceeded"),
    masked("InternalFailure"),
    masked("LimitExceededException"),
    (400, {"__type": "ProvisionedThroughputExceededException"}),
    (429, {"message": "Too Many Requests"}),
    (500, {"message": "Internal server error"}),
    (502, {"message": "Bad Gateway"}),
    (503, {"message": "Service Unavailable"}),
    (504, {"message": "Endpoint request timed out"}),
]


@pytest.mark.parametrize("resource", ["record", "records"])
@pytest.mark.parametrize("said", PASSING, ids=str)
def test_what_passes_is_tried_again(said: tuple[int, Any], resource: str) -> None:
    with Server(answers(said, said)) as server, producer(server, reports=True, resource=resource) as into:
        into.write(ROW, "k")
        into.flush()
        (report,) = into.reports()
    assert (report.error, report.attempts, len(server.requests)) == (None, 3, 3)


def test_only_refused_entries_are_sent_again() -> None:
    entry = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
    mixed = {"FailedRecordCount": 2, "Records": [placed(), entry, placed(), entry]}
    with Server(answers((200, mixed))) as server, producer(server, linger=60.0, reports=True) as into:
        for number in range(4):
            into.write(str(number), f"k{number}", tag=number)
        into.flush()
        attempts = {report.tag: report.attempts for report in into.reports()}
        counters = into.counters
    assert attempts == {0: 1, 1: 2, 2: 1, 3: 2}
    again = json.loads(server.requests[1].body)["records"]
    assert [item["data"] for item in again] == ["1", "3"]
    assert (counters["throttled"], counters["retried"], counters["delivered"]) == (2, 2, 4)


def test_order_is_kept_by_one_request_after_another() -> None:
    throttle = masked("ProvisionedThroughputExceededException")
    with (
        Server(answers(throttle, (503, {}), throttle)) as server,
        producer(server, resource="record", ordering="key") as into,
    ):
        for number in range(20):
            into.write(str(number), "one")
        into.flush()
    sent = [json.loads(request.body)["Data"] for request in server.requests]
    assert [number for at, number in enumerate(sent) if number not in sent[:at]] == list(range(20))
    assert len(sent) == 23 and sent == sorted(sent)


def test_linger_holds_while_nobody_calls() -> None:
    with Server(accept) as server:
        into = producer(server, linger=0.05)
        into.write(b"1", "k")
        while not server.requests or into.delivered == 0:
            time.sleep(0.005)  # the counters of a producer move nothing
        assert into.counters["requests"] == 1


def test_where_the_key_is_a_callback_only_calls_move_the_producer() -> None:
    with Server(accept) as server:
        gateway = kinesis.Gateway(f"{server.endpoint}/test", iam=True)
        credentials = pinpipe.Credentials.callback(
            lambda: pinpipe.Credentials.static("AKID", "a/Secret/Long")
        )
        with kinesis.Producer(STREAM, gateway=gateway, region="eu-west-1", credentials=credentials) as into:
            into.write(b"1", "k")
            time.sleep(0.3)
            assert server.requests == []  # it lingers, and nobody polls
            into.poll(5.0)
            assert into.delivered == 1


def test_refused_before_it_is_sent() -> None:
    with Server(accept) as server:
        into = producer(server)
        for key in ('a"b', "a\\b", "a\nb"):
            with pytest.raises(errors.InvalidArgumentError, match="breaks the gateway's mapping template"):
                into.write(b"1", key)
        with pytest.raises(errors.InvalidArgumentError, match="hash key"):
            into.write(b"1", "k", hash_key="7")
        with pytest.raises(errors.DataError, match="byte 1 is not UTF-8"):
            into.write(b"a\xff", "k")
        with pytest.raises(errors.LimitError):
            into.write(b'"' * (6 << 20), "k")
        single = producer(server, resource="record")
        with pytest.raises(errors.DataError, match="the record's data is not JSON: byte 4"):
            single.write(b"{'a': 1}"[:1] + b'"a"}', "k")
        assert into.written == single.written == 0
        for options in ({"aggregate_bytes": 1000}, {"ordering": "strict"}, {"wire": "cbor"}):
            with pytest.raises(errors.InvalidArgumentError, match="gateway"):
                producer(server, **options)
        with pytest.raises(errors.InvalidArgumentError, match="a gateway takes a name"):
            kinesis.Producer("arn:aws:kinesis:r:1:stream/s", gateway=kinesis.Gateway(server.endpoint))
        assert server.requests == []


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        (
            "https://a.execute-api.eu-west-1.amazonaws.com/test/streams/s/record",
            "/streams/<stream>/records is added",
        ),
        ("http://a.execute-api.eu-west-1.amazonaws.com/test", "speaks https only"),
        ("ftp://a/test", "endpoint"),
    ],
)
def test_endpoints(endpoint: str, says: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=re.escape(says)):
        kinesis.Producer(STREAM, gateway=kinesis.Gateway(endpoint))


def test_the_stage_is_missing_and_the_scheme_is_wrong(tmp_path: Path) -> None:
    with Server(answers((403, {"message": "Missing Authentication Token"}))) as server:
        into = producer(server, stage="")
        into.write(b"1", "k")
        with pytest.raises(errors.NotFoundError, match="the URL has no stage"):
            into.flush()
        wrong = kinesis.Gateway(server.endpoint.replace("http:", "https:") + "/test")
        into = kinesis.Producer(STREAM, gateway=wrong, linger=0)
        into.write(b"1", "k")
        with pytest.raises(errors.InvalidArgumentError, match="begin the URL with http"):
            into.flush()
    certificate = make_certificate(tmp_path)
    with Server(accept, certificate=certificate) as server:
        gateway = kinesis.Gateway(f"{server.endpoint}/test")
        with kinesis.Producer(STREAM, gateway=gateway, linger=0, ca_file=certificate.file) as into:
            into.write(b"1", "k")


def test_no_key_is_asked_for_and_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    secret = "anApiKeyThatIsLongEnough0123"
    for said in ((403, {"message": f"key {secret}"}), (200, {"__type": secret, "message": secret})):
        with Server(answers(said)) as server:
            into = producer(server, api_key=secret)
            into.write(b"1", "k")
            with pytest.raises(errors.Error) as caught:
                into.flush()
            assert secret not in str(caught.value)


FAULTS = [
    (b'{"a":1}', b'""', "under another name"),
    (b'{"a":1}', b"", "under another name"),
    (b'{"a":1}', b'"' + base64.b64encode(b'{"a":1}') + b'"', "encodes it twice"),
    (b'{"a":1}', base64.b64encode(b'{"a":1}'), "encodes it twice"),
    (b'{"a":1,"b":"x"}', b"{a=1, b=x}", "a Java map"),
    (b'{"a":1}', b'"{\\"a\\":1}"', "a quoted JSON string"),
    (b'{"a": 1}', b'{"a":1}', None),
    (b'{"a":1}', b'{"a":1}', None),
    (b'""', b'""', None),
    (b"{}", b"{}", None),
]


@pytest.mark.parametrize(("sent", "stored", "says"), FAULTS)
def test_what_a_template_made_of_it(sent: bytes, stored: bytes, says: str | None) -> None:
    found = native.pinpipe_kinesis_gateway_fault_text(sent, stored)
    assert found is None if says is None else says in found


@pytest.mark.parametrize("query", ["", "?form=solutions-construct", "?resource=record&form=aws-tutorial"])
def test_rows_of_the_emulator(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_row_sinks.API_KEY_VARIABLE, "aKey")
    with Server(accept) as server:
        with _row_sinks.open_sink(f"apigw+{server.endpoint}/test{query}", "0a1b") as sink:
            for number in range(3):
                for kind in _row_sinks.KINDS:
                    sink.put(kind, b'{"ind":%d}' % number)
            sink.flush()
            assert "?" not in sink.name
        assert all(request.headers["x-api-key"] == "aKey" for request in server.requests)
        if "construct" not in query:
            streams = {request.target.split("/")[3] for request in server.requests}
            assert streams == {f"streaming-0a1b-{kind}" for kind in _row_sinks.KINDS}
        with pytest.raises(errors.InvalidArgumentError, match=re.escape("is not ?auth=iam or ?form=")):
            _row_sinks.open_sink(f"apigw+{server.endpoint}/test?auth=basic")
