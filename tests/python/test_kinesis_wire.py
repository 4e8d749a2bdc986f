"""Turns services that do not know CBOR into checks of clients that were told to write it.

Never needs a server beside the process.
Rules: docs/kinesis.md, "Wire".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pinpipe
import pytest
from pinpipe import errors, kinesis

from tests.doubles.kafka_rest import Answer, Request, Server

CREDENTIALS = pinpipe.Credentials.static("AKIDWIRE", "wire/secret+of/the=test")
JSON = {"Content-Type": "application/x-amz-json-1.1"}
REFUSALS = [
    Answer(400, b'{"__type":"UnknownOperationException"}', JSON),
    Answer(400, b'{"__type":"SerializationException","Message":"no"}', JSON),
    Answer(404, b"<UnknownOperationException/>\n", {"Content-Type": "application/xml"}),
    Answer(415, b"", {}),
    Answer(500, b"Internal Server Error", {"Content-Type": "text/plain"}),
]


def service(refusal: Answer) -> Callable[[Request], Answer]:
    """JSON only."""

    def answer(request: Request) -> Answer:
        if "cbor" in request.headers["content-type"]:
            return refusal
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        if operation == "GetShardIterator":
            return Answer(200, b'{"ShardIterator":"next"}', JSON)
        if operation == "PutRecord":
            return Answer(200, b'{"SequenceNumber":"49","ShardId":"shardId-000000000000"}', JSON)
        if operation == "PutRecords":
            entry = {"SequenceNumber": "49", "ShardId": "shardId-000000000000"}
            records = [entry] * len(json.loads(request.body)["Records"])
            return Answer(200, json.dumps({"FailedRecordCount": 0, "Records": records}).encode(), JSON)
        return Answer(400, b'{"__type":"AccessDeniedException"}', JSON)

    return answer


def kinds(server: Server) -> list[str]:
    return [request.headers["content-type"].rpartition("-")[0][-4:] for request in server.requests]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: f"{answer.status} {answer.body[:30]!r}")
def test_the_same_in_json(refusal: Answer) -> None:
    with Server(service(refusal)) as server:
        client = kinesis.Client(server.endpoint, credentials=CREDENTIALS, wire="cbor")
        place = client.put("s", b"\x00\xff foo", 'k"\u00e9', hash_key=str(2**128 - 1))
        assert place == ("shardId-000000000000", "49")
        at = datetime(2020, 8, 31, 15, 14, 32, 3000, tzinfo=UTC)
        assert client.iterator("s", "shardId-000000000000", at=at) == "next"
        assert kinds(server) == ["cbor", "json", "json"]
        told = json.loads(server.requests[1].body)
        assert told == {
            "StreamName": "s",
            "Data": "AP8gZm9v",
            "PartitionKey": 'k"\u00e9',
            "ExplicitHashKey": str(2**128 - 1),
        }
        again = kinesis.Client(server.endpoint, credentials=CREDENTIALS, wire="cbor")
        assert again.iterator("s", "shardId-000000000000", at=at) == "next"
        assert json.loads(server.requests[-1].body)["Timestamp"] == 1598886872.003
        assert server.requests[-1].body == server.requests[2].body


def test_a_producer_that_may_only_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(service(REFUSALS[0])) as server:
        with kinesis.Producer("s", server.endpoint, credentials=CREDENTIALS, wire="cbor") as producer:
            for number in range(1200):
                producer.write(b"%d" % number, f"k{number}")
            producer.flush()
            assert producer.delivered == 1200
        assert kinds(server).count("cbor") == 1


def test_an_error_that_is_none_of_the_wire() -> None:
    with Server(lambda _: Answer(400, b'{"__type":"ResourceNotFoundException"}', JSON)) as server:
        client = kinesis.Client(server.endpoint, credentials=CREDENTIALS, wire="cbor")
        with pytest.raises(errors.NotFoundError):
            client.put("s", b"x", "k")
        assert kinds(server) == ["cbor"]
