"""Turns requests to an API Gateway's Kinesis proxy into requests to a Kinesis, by its mapping templates, on loopback.

Never repairs a template: the wrong ones of the reference pipelines do here what they did there.
Rules: API Gateway Developer Guide, "Create a REST API as an Amazon Kinesis proxy"; reference/kinesis-s3.md §4: the
responses' default is HTTP 200, so that Kinesis' refusals come as successes.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from tests.doubles.kafka_rest import Answer, Request
from tests.doubles.mapping_templates import Template

AMZ_JSON = "application/x-amz-json-1.1"
BODY_MAX = 10_000_000
ANSWER_TYPE = {"Content-Type": "application/json"}

RECORD = """{
    "StreamName": "$input.params('stream-name')",
    "Data": "$util.base64Encode($input.json('$.Data'))",
    "PartitionKey": "$input.path('$.PartitionKey')"
}"""
RECORDS = """{
    "StreamName": "$input.params('stream-name')",
    "Records": [
       #foreach($elem in $input.path('$.records'))
          {
            "Data": "$util.base64Encode($elem.data)",
            "PartitionKey": "$elem.partition-key"
          }#if($foreach.hasNext),#end
        #end
    ]
}"""


@dataclass(frozen=True, slots=True)
class Integration:
    """What stands behind one method: Kinesis' action, the template, the Content-Type that is sent."""

    action: str
    template: str
    content_type: str = AMZ_JSON


def tutorial() -> dict[tuple[str, str], Integration]:
    """The proxy of Amazon's tutorial, as far as it writes."""
    return {
        ("PUT", "/streams/{stream-name}/record"): Integration("PutRecord", RECORD),
        ("PUT", "/streams/{stream-name}/records"): Integration("PutRecords", RECORDS),
    }


def construct(stream: str) -> dict[tuple[str, str], Integration]:
    """That of aws-apigateway-kinesisstreams, for its one stream."""
    return {
        ("POST", "/record"): Integration(
            "PutRecord",
            f'{{ "StreamName": "{stream}", "Data": "$util.base64Encode($input.json(\'$.data\'))", '
            '"PartitionKey": "$input.path(\'$.partitionKey\')" }',
        ),
        ("POST", "/records"): Integration(
            "PutRecords",
            f'{{ "StreamName": "{stream}", "Records": [ #foreach($elem in $input.path(\'$.records\')) '
            '{ "Data": "$util.base64Encode($elem.data)", "PartitionKey": "$elem.partitionKey"}'
            "#if($foreach.hasNext),#end #end ] }",
        ),
    }


@dataclass
class KinesisGateway:
    """Answers for `tests.doubles.kafka_rest.Server`. masks: every status becomes 200; api_key: that it wants."""

    kinesis: str
    methods: dict[tuple[str, str], Integration]
    stage: str = "/test"
    masks: bool = True
    api_key: str | None = None
    rendered: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        integration, parameters = self._route(request.method, path.removeprefix(self.stage))
        if integration is None or not path.startswith(self.stage + "/"):
            return _said(403, "Missing Authentication Token")
        if self.api_key and request.headers.get("x-api-key") != self.api_key:
            return _said(403, "Forbidden")
        if len(request.body) > BODY_MAX:
            return _said(413, "Request Too Long")
        made = Template(integration.template).render(request.body.decode(), parameters)
        self.rendered.append(made)
        status, body = self._forward(integration, made.encode())
        return Answer(200 if self.masks else status, body, ANSWER_TYPE)

    def _route(self, method: str, path: str) -> tuple[Integration | None, dict[str, str]]:
        parts = path.split("/")
        for (own_method, resource), integration in self.methods.items():
            own = resource.split("/")
            if own_method != method or len(own) != len(parts):
                continue
            parameters = {
                name[1:-1]: part for name, part in zip(own, parts, strict=True) if name.startswith("{")
            }
            if all(name == part or name.startswith("{") for name, part in zip(own, parts, strict=True)):
                return integration, parameters
        return None, {}

    def _forward(self, integration: Integration, body: bytes) -> tuple[int, bytes]:
        headers = {
            "Content-Type": integration.content_type,
            "X-Amz-Target": f"Kinesis_20131202.{integration.action}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=gateway/20260101/us-east-1/kinesis/aws4_request, "
            "SignedHeaders=host, Signature=0",
        }
        request = urllib.request.Request(self.kinesis, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=29) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()


def _said(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"message": message}).encode(), ANSWER_TYPE)
