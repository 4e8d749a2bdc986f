"""Turns the document of `pinpipe openapi gateway` into verdicts of independent programs on it and on the gateway.

Never a template that only our own code has read: velocityjs renders them, openapi-spec-validator and jsonschema judge
the document, schemathesis makes requests of it.
Rules: docs/gateway.md, "OpenAPI"; reference/kinesis-s3.md §4; OpenAPI 3.0.3.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from environments import judges
from gateways import gateway_program
from pinpipe._openapi import AUTHS, Target, gateway_document
from servers import npm_packages
from test_gateway_streams import ENVIRONMENT

from tests.house.outside import ROOT

HERE = Path(__file__).parent
VELOCITY = "velocityjs@2.1.7"
CASES = json.loads((ROOT / "tests/vectors/gateway/streams/streams.json").read_text(encoding="utf-8"))["cases"]
DOCUMENT = gateway_document(Target.plain("us-east-1", "arn:aws:iam::123456789012:role/r", "http://h:8082"))
#: What schemathesis looks for. Kinesis refuses much that the document allows: a stream that does not exist.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
)


@pytest.fixture(scope="module")
def tools() -> Path:
    """The programs that judge the document."""
    return judges("openapi")


def _integration(case: dict[str, Any]) -> dict[str, Any]:
    """Of the operation that the case asks for."""
    found: list[dict[str, Any]] = [
        method["x-amazon-apigateway-integration"]
        for path, methods in DOCUMENT["paths"].items()
        for name, method in methods.items()
        if name == case["request"]["method"].lower() and _fits(path, case["request"]["target"])
    ]
    assert len(found) == 1, case["name"]
    return found[0]


def _fits(path: str, target: str) -> bool:
    bare = urlsplit(target).path.removeprefix("/test")
    return bool(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), bare))


def _parameters(case: dict[str, Any]) -> dict[str, str]:
    target = urlsplit(case["request"]["target"])
    names = target.path.partition("/streams/")[2].split("/")
    return {"stream-name": unquote(names[0]), **dict(parse_qsl(target.query)), **case["request"]["headers"]}


def _rendered(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What velocityjs makes of templates."""
    modules = npm_packages("velocity", VELOCITY)
    done = subprocess.run(
        ["node", str(HERE / "velocity_render.js"), str(modules)],
        input="\n".join(map(json.dumps, asked)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_templates_ask_kinesis_for_the_same_as_the_gateway() -> None:
    cases = [case for case in CASES if case["call"]]
    asked = [
        {
            "template": _integration(case)["requestTemplates"]["application/json"],
            "body": case["request"]["body"],
            "parameters": _parameters(case),
        }
        for case in cases
    ]
    for case, made in zip(cases, _rendered(asked), strict=True):
        integration = _integration(case)
        assert integration["uri"].endswith(f":kinesis:action/{case['call']['action']}"), case["name"]
        assert json.loads(made["text"]) == case["call"]["body"], case["name"]


def test_templates_answer_with_the_status_and_body_of_the_gateway() -> None:
    cases = [case for case in CASES if case["call"] and not case["masked"]]
    chosen = []
    for case in cases:
        responses = _integration(case)["responses"]
        status = str(case["kinesis"]["status"])
        keys = [key for key in responses if key != "default" and re.fullmatch(key, status)] or ["default"]
        chosen.append(responses[keys[0]])
    asked = [
        {
            "template": response.get("responseTemplates", {}).get("application/json", "$input.body"),
            "body": case["kinesis"]["body"],
            "parameters": {},
        }
        for case, response in zip(cases, chosen, strict=True)
    ]
    for case, response, made in zip(cases, chosen, _rendered(asked), strict=True):
        assert (made["status"] or int(response["statusCode"])) == case["answer"]["status"], case["name"]
        same = made["text"] == case["kinesis"]["body"]
        assert same or json.loads(made["text"]) == json.loads(case["kinesis"]["body"]), case["name"]


def test_document_is_one_and_its_schemas_refuse_what_the_gateway_refuses(tools: Path) -> None:
    documents = [
        gateway_document(target, auth)
        for auth in AUTHS
        for target in (
            Target.plain("us-east-1", "arn:aws:iam::123456789012:role/r", "http://h:8082"),
            Target.cloudformation("Role.Arn", None),
        )
    ]
    broken = json.loads(json.dumps(DOCUMENT))
    del broken["paths"]["/streams"]["get"]["responses"]
    bodies = []
    wanted = []
    for case in CASES:
        action = _integration(case)["uri"].rpartition("/")[2] if case["answer"]["status"] != 405 else ""
        schema = {"PutRecord": "Record", "PutRecords": "Records", "CreateStream": "Shards"}.get(action)
        is_json = not case["answer"]["body"] or "Could not parse" not in case["answer"]["body"]
        if schema and is_json and case["request"]["body"]:
            bodies.append((DOCUMENT["components"]["schemas"][schema], json.loads(case["request"]["body"])))
            wanted.append(case["call"] is not None)
    said = subprocess.run(
        [str(tools / "python"), str(HERE / "openapi_judge.py")],
        input=json.dumps({"documents": [*documents, broken], "bodies": bodies}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    verdict = json.loads(said.stdout)
    assert verdict["faults"][:-1] == [[]] * len(documents) and verdict["faults"][-1] != []
    assert verdict["fits"] == wanted and {True, False} == set(wanted)


def test_requests_made_of_the_document_break_nothing(tools: Path, kinesalite: str, tmp_path: Path) -> None:
    """kinesalite refuses as AWS does where kinesis-local fails: an iterator that is none."""
    document = tmp_path / "openapi.json"
    document.write_text(
        json.dumps(gateway_document(Target.plain("us-east-1", "arn:aws:iam::1:role/r", None)))
    )
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--generation-deterministic"]
    with gateway_program(
        "--kinesis",
        "kinesis://us-east-1",
        environment=ENVIRONMENT | {"AWS_ENDPOINT_URL_KINESIS": kinesalite},
    ) as (address, process):
        done = subprocess.run(
            [
                str(tools / "schemathesis"),
                "run",
                str(document),
                *("--url", f"http://{address}/test", "--checks", ",".join(CHECKS)),
                *options,
                *("--no-color", "--continue-on-failure", "--warnings", "off"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
        assert process.poll() is None
    found = re.search(r"(\d+) generated", done.stdout)
    assert found and int(found[1]) > 100 and "Tested: 8" in done.stdout, done.stdout[-2000:]
    print(f"schemathesis: {found[1]} requests")
