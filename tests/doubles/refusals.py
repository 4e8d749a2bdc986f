"""Turns an error code of S3 into the answer that S3 (XML) or Kinesis (JSON) gives for it.

Never invents a code: each is one row here, with the service's own text and status.
Rules: Amazon S3 API Reference, "Error responses"; Amazon Kinesis API Reference, "Common Error Types".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape


class Row(NamedTuple):
    """What the services say for one code: S3's status and text, Kinesis' type and status."""

    status: int
    message: str
    type_name: str = "ValidationException"
    type_status: int = 400


ROWS: dict[str, Row] = {
    "AccessDenied": Row(403, "Access Denied", "AccessDeniedException"),
    "AuthorizationHeaderMalformed": Row(
        400, "The authorization header you provided is invalid.", "IncompleteSignatureException"
    ),
    "AuthorizationQueryParametersError": Row(
        400, "Query-string authentication parameters are invalid.", "IncompleteSignatureException"
    ),
    "BadDigest": Row(400, "The checksum you specified did not match what we received."),
    "BadRequest": Row(400, "The request is not well-formed HTTP."),
    "ConditionalRequestConflict": Row(
        409, "The conditional request cannot succeed due to a conflicting operation against this resource."
    ),
    "ExpiredIteratorException": Row(
        400, "Iterator expired. The iterator was created at another time.", "ExpiredIteratorException"
    ),
    "ExpiredToken": Row(400, "The provided token has expired.", "ExpiredTokenException"),
    "IncompleteBody": Row(
        400, "You did not provide the number of bytes specified by the Content-Length HTTP header"
    ),
    "InternalError": Row(500, "We encountered an internal error. Please try again.", "InternalFailure", 500),
    "InvalidAccessKeyId": Row(
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
        "UnrecognizedClientException",
    ),
    "InvalidArgument": Row(400, "Invalid Argument"),
    "InvalidChunkSizeError": Row(403, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": Row(400, "The Content-MD5 you specified was invalid."),
    "InvalidRequest": Row(400, "Invalid Request"),
    "InvalidToken": Row(
        400, "The provided token is malformed or otherwise invalid.", "UnrecognizedClientException"
    ),
    "MalformedTrailerError": Row(
        400,
        "The request contained trailing data that was not well-formed or did not conform to our schema.",
    ),
    "MissingContentLength": Row(411, "You must provide the Content-Length HTTP header."),
    "MissingAuthenticationToken": Row(403, "Access Denied", "MissingAuthenticationTokenException"),
    "OperationAborted": Row(
        409, "A conflicting conditional operation is currently in progress against this resource."
    ),
    "PermanentRedirect": Row(
        301, "The bucket you are attempting to access must be addressed using the specified endpoint."
    ),
    "ProvisionedThroughputExceededException": Row(
        400, "Rate exceeded for the shard.", "ProvisionedThroughputExceededException"
    ),
    "RequestTimeTooSkewed": Row(
        403,
        "The difference between the request time and the current time is too large.",
        "InvalidSignatureException",
    ),
    "RequestTimeout": Row(
        400, "Your socket connection to the server was not read from or written to in time."
    ),
    "ServiceUnavailable": Row(503, "Please reduce your request rate.", "ServiceUnavailable", 503),
    "SignatureDoesNotMatch": Row(
        403,
        "The request signature we calculated does not match the signature you provided.",
        "InvalidSignatureException",
    ),
    "SlowDown": Row(503, "Please reduce your request rate.", "ThrottlingException"),
    "TooManyRequests": Row(429, "Please reduce your request rate.", "LimitExceededException", 429),
    "XAmzContentSHA256Mismatch": Row(
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        "InvalidSignatureException",
    ),
}


class Refusal(Exception):
    """A request that is answered with an error: its code, its text, further elements and headers."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        elements: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message or ROWS[code].message
        self.elements = dict(elements or {})
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {self.message}")


class Answer(NamedTuple):
    """A whole answer: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


def _document(refusal: Refusal, resource: str, request_id: str) -> bytes:
    parts = {"Code": refusal.code, "Message": refusal.message, **refusal.elements}
    parts |= {"Resource": resource, "RequestId": request_id, "HostId": "gate"}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def answer(refusal: Refusal, service: str, resource: str) -> Answer:
    """The refusal as `service` words it."""
    row, request_id = ROWS[refusal.code], uuid.uuid4().hex[:16].upper()
    if service == "s3":
        headers = {"Content-Type": "application/xml", "x-amz-request-id": request_id, "x-amz-id-2": "gate"}
        return Answer(row.status, headers | refusal.headers, _document(refusal, resource, request_id))
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-RequestId": request_id,
        "x-amzn-ErrorType": row.type_name,
    }
    body = json.dumps({"__type": row.type_name, "message": refusal.message}).encode()
    return Answer(row.type_status, headers | refusal.headers, body)
