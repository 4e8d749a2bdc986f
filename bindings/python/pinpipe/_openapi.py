"""Turns the gateway's operations on streams into an OpenAPI 3 document that API Gateway imports.

Never has a path, a method or a mapping template of its own: these are the rows that the gateway itself serves.
Rules: libpinpipe/gateway/operations.def; OpenAPI 3.0.3; API Gateway Developer Guide, "Working with API Gateway
extensions to OpenAPI"; reference/kinesis-s3.md §4.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pinpipe import __version__, native

Auth = Literal["none", "api-key", "iam"]
AUTHS: tuple[Auth, ...] = ("none", "api-key", "iam")

#: What API Gateway waits for an integration at most.
_TIMEOUT_MS = 29_000
_AMZ_JSON = "'application/x-amz-json-1.1'"
_VALIDATOR = "body-and-parameters"

_STREAM = {
    "name": "stream-name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,128}$"},
}
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "GetShardIterator": [
        {
            "name": "shard-id",
            "in": "query",
            "required": True,
            "schema": {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,128}$"},
            "example": "shardId-000000000000",
        }
    ],
    "GetRecords": [
        {
            "name": "Shard-Iterator",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 512},
        }
    ],
}
#: Those whose answer is empty.
_SILENT = frozenset({"CreateStream", "DeleteStream"})
_KEY = {"type": "string", "minLength": 1, "maxLength": 256}
_BODIES: dict[str, tuple[str, bool]] = {
    "CreateStream": ("Shards", False),
    "PutRecord": ("Record", True),
    "PutRecords": ("Records", True),
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "Shards": {"type": "object", "properties": {"ShardCount": {"type": "integer", "minimum": 1}}},
    "Record": {
        "type": "object",
        "required": ["Data", "PartitionKey"],
        "properties": {"Data": {"description": "Any JSON; it is stored as it is."}, "PartitionKey": _KEY},
        "example": {"Data": {"index": 7528}, "PartitionKey": "7528"},
    },
    "Records": {
        "type": "object",
        "required": ["records"],
        "properties": {
            "records": {
                "type": "array",
                "minItems": 1,
                "maxItems": 500,
                "items": {
                    "type": "object",
                    "required": ["data", "partition-key"],
                    "properties": {
                        "data": {"type": "string", "description": "A text, such as an object's JSON."},
                        "partition-key": _KEY,
                    },
                },
            }
        },
        "example": {"records": [{"data": '{"index": 7528}', "partition-key": "7528"}]},
    },
    "Refusal": {
        "type": "object",
        "properties": {"__type": {"type": "string"}, "message": {"type": "string"}},
    },
}
_SECURITY: dict[Auth, dict[str, Any]] = {
    "api-key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "iam": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}


class Operation(NamedTuple):
    """What the gateway does by one method of one path; the templates are Velocity."""

    method: str
    path: str
    action: str
    text: str
    mapping_template: str
    answer_template: str
    refusal_template: str


def operations() -> list[Operation]:
    """The gateway's operations on streams."""
    return [Operation(*row) for row in native.gateway_operations()]


class Target(NamedTuple):
    """Where the document leads to: texts, or what CloudFormation makes texts of."""

    actions: Any  # of Kinesis, with "{action}" in it
    role: Any
    kafka_rest: Any  # with "{proxy}" in it; None = no Kafka
    vpc_link: Any  # by which the proxy is reached; None = by the internet

    @classmethod
    def plain(cls, region: str, role: str, kafka_rest: str | None, vpc_link: str | None = None) -> Target:
        """Of one region, a role's ARN, and Kafka's REST proxy: "http://host:8082"."""
        partition = (
            "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        )
        return cls(
            f"arn:{partition}:apigateway:{region}:kinesis:action/{{action}}",
            role,
            kafka_rest and kafka_rest.rstrip("/") + "/{proxy}",
            vpc_link,
        )

    @classmethod
    def cloudformation(cls, role: str, kafka_rest: str | None, vpc_link: str | None = None) -> Target:
        """Of the stack's region; the others name what Fn::Sub puts in: a parameter, a resource, Role.Arn."""
        return cls(
            {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:kinesis:action/{action}"},
            {"Fn::Sub": f"${{{role}}}"},
            kafka_rest and {"Fn::Sub": f"${{{kafka_rest}}}/{{proxy}}"},
            vpc_link and {"Fn::Sub": f"${{{vpc_link}}}"},
        )


def gateway_document(target: Target, auth: Auth = "none") -> dict[str, Any]:
    """The document: a path of the gateway each, and all of Kafka's REST proxy behind `/{proxy+}`."""
    paths: dict[str, Any] = {}
    for operation in operations():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _method(operation, target, auth)
    if target.kafka_rest is not None:
        paths["/{proxy+}"] = {"x-amazon-apigateway-any-method": _proxy(target, auth)}
    document = {
        "openapi": "3.0.3",
        "info": {
            "title": "pinpipe gateway",
            "version": __version__,
            "description": "Streams of Kinesis, and topics of Kafka, by HTTP.",
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
        "x-amazon-apigateway-request-validators": {
            _VALIDATOR: {"validateRequestBody": True, "validateRequestParameters": True}
        },
    }
    if auth != "none":
        document["components"] = {"schemas": _SCHEMAS, "securitySchemes": {auth: _SECURITY[auth]}}
    if auth == "api-key":
        document["x-amazon-apigateway-api-key-source"] = "HEADER"
    return document


def _method(operation: Operation, target: Target, auth: Auth) -> dict[str, Any]:
    parameters = ([_STREAM] if "{" in operation.path else []) + _PARAMETERS.get(operation.action, [])
    answer = {"description": "What Kinesis answers.", "content": _content({"type": "object"})}
    if operation.action in _SILENT:
        answer = {"description": "Done."}
    refusal = _content({"$ref": "#/components/schemas/Refusal"})
    method: dict[str, Any] = {
        "operationId": operation.action,
        "summary": operation.text,
        "responses": {
            "200": answer,
            "400": {"description": "The request is wrong, or Kinesis refuses it.", "content": refusal},
            "429": {"description": "There is no room now: come again later.", "content": refusal},
            "500": {"description": "Kinesis fails.", "content": refusal},
        },
        "x-amazon-apigateway-request-validator": _VALIDATOR,
        "x-amazon-apigateway-integration": _integration(operation, target, parameters),
    }
    if parameters:
        method["parameters"] = parameters
    if operation.action in _BODIES:
        name, required = _BODIES[operation.action]
        schema = {"$ref": f"#/components/schemas/{name}"}
        method["requestBody"] = {"required": required, "content": _content(schema)}
    return _secured(method, auth)


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _secured(method: dict[str, Any], auth: Auth) -> dict[str, Any]:
    return method if auth == "none" else method | {"security": [{auth: []}]}


def _integration(operation: Operation, target: Target, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"statusCode": "200"}
    if operation.answer_template:
        success["responseTemplates"] = {"application/json": operation.answer_template}
    return {
        "type": "aws",
        "httpMethod": "POST",
        "uri": _replaced(target.actions, "{action}", operation.action),
        "credentials": target.role,
        "requestParameters": {"integration.request.header.Content-Type": _AMZ_JSON},
        "requestTemplates": {"application/json": operation.mapping_template},
        "passthroughBehavior": "when_no_templates",
        "timeoutInMillis": _TIMEOUT_MS,
        "responses": {
            "default": success,
            r"4\d{2}": {
                "statusCode": "400",
                "responseTemplates": {"application/json": operation.refusal_template},
            },
            r"5\d{2}": {"statusCode": "500"},
        },
    }


def _replaced(text: Any, name: str, value: str) -> Any:
    if isinstance(text, dict):
        return {key: part.replace(name, value) for key, part in text.items()}
    return text.replace(name, value)


def _proxy(target: Target, auth: Auth) -> dict[str, Any]:
    """Everything else as it is: Kafka's REST proxy checks for itself."""
    link = {"connectionType": "VPC_LINK", "connectionId": target.vpc_link} if target.vpc_link else {}
    method = {
        "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "What Kafka's REST proxy answers."}},
        "x-amazon-apigateway-integration": {
            "type": "http_proxy",
            "httpMethod": "ANY",
            "uri": target.kafka_rest,
            **link,
            "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
            "passthroughBehavior": "when_no_match",
            "timeoutInMillis": _TIMEOUT_MS,
            "responses": {"default": {"statusCode": "200"}},
        },
    }
    return _secured(method, auth)
