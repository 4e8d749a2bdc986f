"""Turns records by the gateway into the same records of a real double's streams as by the straight road.

Never changes a sink or an example for it: they are those that speak to API Gateway.
Rules: docs/gateway.md, "Streams"; docs/kinesis.md, "API Gateway"; domain notes §3.4.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from gates import KEY
from gateways import PATIENCE_S, gateway_program
from kinesis_servers import gate_before
from pinpipe import errors, kinesis
from test_kinesis_client import read_all, stream

from tests.doubles.gate import Gate
from tests.house.outside import ROOT

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY.key_id, "AWS_SECRET_ACCESS_KEY": KEY.secret}
CALLER_SECRET = "wJalrXUtnFEMIcallerofgateway"
SCRIPT = ROOT / "examples/emulator/user_posting_emulation_streaming.py"
KINDS = ("pin", "geo", "user")
DRAWS = 60
ROWS = [json.dumps({"index": number, "title": 'caf\u00e9 "x" \\ \U0001f600'}) for number in range(40)]


@contextmanager
def _gateway(kinesis_local: str, *options: str) -> Iterator[tuple[str, kinesis.Client, Gate]]:
    """The program before the strict gate, which judges what it signs; and a client of the same gate."""
    with gate_before(kinesis_local) as gate:
        environment = ENVIRONMENT | {"AWS_ENDPOINT_URL_KINESIS": gate.endpoint}
        with gateway_program("--kinesis", "kinesis://us-east-1", *options, environment=environment) as (
            address,
            _,
        ):
            credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
            yield address, kinesis.Client(gate.endpoint, credentials=credentials, timeout=60), gate
        assert gate.journal.refused == []


def _ask(address: str, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, target, text, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None
    finally:
        connection.close()


def _change(address: str, method: str, target: str, body: Any) -> None:
    """Kinesis takes five changes a second."""
    while (answer := _ask(address, method, target, body))[0] == 429:
        time.sleep(0.2)
    assert answer == (200, None)


def _state(address: str, name: str) -> str:
    said = _ask(address, "GET", f"/test/streams/{name}")[1]
    return str(said["StreamDescription"]["StreamStatus"])


def test_emulator_script_by_the_gateway_ends_in_the_same_records(kinesis_local: str) -> None:
    users = ("direct", "gateway")
    names = [f"streaming-{user}-{kind}" for user in users for kind in KINDS]
    with _gateway(kinesis_local, "--workers", "2") as (address, client, gate):
        for name in names:
            _change(address, "POST", f"/test/streams/{name}", {"ShardCount": 2})
        for name in names:
            while _state(address, name) != "ACTIVE":
                time.sleep(0.05)
        surroundings = ENVIRONMENT | {"AWS_ENDPOINT_URL_KINESIS": gate.endpoint, "AWS_REGION": "us-east-1"}
        for user, to in (
            ("gateway", ("--invoke-url", f"http://{address}/test")),
            ("direct", ("--to", "kinesis://us-east-1")),
        ):
            done = subprocess.run(
                [
                    sys.executable,
                    str(SCRIPT),
                    "--rows",
                    str(DRAWS),
                    "--rate",
                    "1000000",
                    "--user-id",
                    user,
                    *to,
                ],
                env={**os.environ, **surroundings},
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
            assert done.returncode == 0, done.stderr
        for kind in KINDS:
            found = {
                user: Counter(record.data for record in read_all(client, f"streaming-{user}-{kind}"))
                for user in users
            }
            assert found["direct"] == found["gateway"] and sum(found["direct"].values()) == DRAWS
        assert set(names) <= set(_ask(address, "GET", "/test/streams")[1]["StreamNames"])
        for name in names:
            _change(address, "DELETE", f"/test/streams/{name}", {})


@pytest.mark.parametrize(("resource", "failures"), [("record", "masked"), ("records", "told")])
def test_own_sink_writes_and_is_told(
    kinesis_local: str, resource: Any, failures: str, tmp_path: Path
) -> None:
    """Signed for execute-api, too, with another key than the gateway has for Kinesis."""
    keys = tmp_path / "keys"
    keys.write_text(f"AKIDCALLER,{CALLER_SECRET}\n", encoding="utf-8")
    options = ("--failures", failures, "--signed-by", str(keys), "--signed-region", "us-east-1")
    caller = pinpipe.Credentials.static("AKIDCALLER", CALLER_SECRET)
    with _gateway(kinesis_local, *options) as (address, client, _), stream(client, 2) as name:
        gateway = kinesis.Gateway(f"http://{address}/test", resource=resource, iam=True)
        signed: dict[str, Any] = {"gateway": gateway, "credentials": caller, "region": "us-east-1"}
        with kinesis.Producer(name, reports=True, **signed) as producer:
            for number, row in enumerate(ROWS):
                producer.write(row, f"key-{number}", tag=number)
            producer.flush()
            assert {report.tag for report in producer.reports()} == set(range(len(ROWS)))
        found = {record.partition_key: json.loads(record.data) for record in read_all(client, name)}
        assert found == {f"key-{number}": json.loads(row) for number, row in enumerate(ROWS)}
        with (
            pytest.raises(errors.NotFoundError, match="create it with exactly this name"),
            kinesis.Producer("not-there", **signed) as producer,
        ):
            producer.write(ROWS[0], "k")
            producer.flush()
        assert _ask(address, "GET", f"/test/streams/{name}")[0] == 403, "nobody has signed it"


def test_scripts_of_the_tutorial_read_back_what_they_wrote(kinesis_local: str) -> None:
    with _gateway(kinesis_local) as (address, client, _), stream(client) as name:
        base = f"/prod/streams/{name}"
        status, placed = _ask(
            address, "PUT", f"{base}/record", {"StreamName": name, "Data": {"a": 1}, "PartitionKey": "k"}
        )
        assert status == 200 and placed["ShardId"] == "shardId-000000000000"
        rows = {"records": [{"data": json.dumps({"a": 2}), "partition-key": 'k"2'}]}
        assert _ask(address, "PUT", f"{base}/records", rows)[1]["FailedRecordCount"] == 0
        status, said = _ask(address, "GET", f"{base}/sharditerator?shard-id=shardId-000000000000")
        assert status == 200
        status, said = _ask(address, "GET", f"{base}/records", **{"Shard-Iterator": said["ShardIterator"]})
        assert [(one["Data"], one["PartitionKey"]) for one in said["Records"]] == [
            ("eyJhIjoxfQ==", "k"),
            ("eyJhIjogMn0=", 'k"2'),
        ]
        assert said["Records"][0]["SequenceNumber"] == placed["SequenceNumber"]
