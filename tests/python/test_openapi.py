"""Turns the document of `pinpipe openapi gateway` into requests, and holds the gateway against it.

Never a list of paths of its own: the document's is walked. Independent judges: tests/integration/test_openapi.py.
Rules: docs/gateway.md, "OpenAPI"; libpinpipe/gateway/operations.def.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from gateway_serving import AMZ, STORED, ask, serving_streams
from pinpipe._openapi import Target, gateway_document

from tests.doubles.kafka_rest import Answer, Request

ROLE = "arn:aws:iam::123456789012:role/kinesis-proxy"
DOCUMENT = gateway_document(Target.plain("eu-west-1", ROLE, "http://h:8082/"))


def _body(method: dict[str, Any]) -> bytes | None:
    """The example of the body's schema."""
    if "requestBody" not in method:
        return None
    name = method["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return json.dumps(DOCUMENT["components"]["schemas"][name].get("example", {})).encode()


def test_every_operation_is_answered_and_no_other() -> None:
    actions: list[str] = []

    def answer(request: Request) -> Answer:
        actions.append(request.headers["x-amz-target"].partition(".")[2])
        place = STORED.decode()
        return Answer(200, f'{{"FailedRecordCount":0,"Records":[{place}]}}'.encode(), AMZ)

    with serving_streams(answer) as gateway:
        paths = {path: methods for path, methods in DOCUMENT["paths"].items() if "proxy" not in path}
        for path, methods in paths.items():
            target = f"/test{path.replace('{stream-name}', 'a-stream')}"
            for name, method in methods.items():
                query = "?shard-id=shardId-000000000000" if "sharditerator" in path else ""
                headers = {"Shard-Iterator": "AAAA"} if method["operationId"] == "GetRecords" else {}
                status, _, said = ask(gateway.address, name.upper(), target + query, _body(method), headers)
                assert status == 200, (name, path, said)
                integration = method["x-amazon-apigateway-integration"]
                assert integration["uri"] == f"arn:aws:apigateway:eu-west-1:kinesis:action/{actions[-1]}"
                assert integration["httpMethod"] == "POST" and integration["credentials"] == ROLE
            for name in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"):
                if name.lower() not in methods:
                    status, headers, _ = ask(gateway.address, name, target)
                    assert status == 405
                    assert set(headers["Allow"].split(", ")) == {method.upper() for method in methods}
    assert len(actions) == sum(map(len, paths.values())) == len(set(actions)) == 8


def _printed(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pinpipe", "openapi", "gateway", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_command() -> None:
    plain = _printed(
        "--role", ROLE, "--region", "cn-north-1", "--kafka-rest", "http://h:8082", "--auth", "api-key"
    )
    method = plain["paths"]["/streams"]["get"]
    assert method["x-amazon-apigateway-integration"]["uri"].startswith(
        "arn:aws-cn:apigateway:cn-north-1:kinesis:"
    )
    proxy = plain["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]
    assert proxy["x-amazon-apigateway-integration"]["uri"] == "http://h:8082/{proxy}"
    assert method["security"] == proxy["security"] == [{"api-key": []}]
    stack = _printed("--role", "Role.Arn", "--cloudformation", "--auth", "iam")
    integration = stack["paths"]["/streams"]["get"]["x-amazon-apigateway-integration"]
    assert integration["credentials"] == {"Fn::Sub": "${Role.Arn}"}
    assert (
        integration["uri"]["Fn::Sub"].endswith(":kinesis:action/ListStreams")
        and "/{proxy+}" not in stack["paths"]
    )


@pytest.mark.parametrize("options", [(), ("--cloudformation",)])
def test_a_role_is_needed(options: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "pinpipe", "openapi", "gateway", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "--role" in done.stderr
