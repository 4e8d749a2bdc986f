"""Turns parts of a request into one signed by botocore, to be spoilt and sent byte by byte.

Never uses the gate's signer: what it accepts or refuses was signed by somebody else.
Rules: Amazon S3 API Reference, "Signature calculations: transferring a payload in chunks", and "with trailers".
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from gates import KEY

from tests.doubles.sigv4_verifier import Key

EMPTY = hashlib.sha256(b"").hexdigest()


class Reply(NamedTuple):
    """An answer; `code` is that of S3's error document."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""


@dataclass(slots=True)
class Raw:
    """A request as it will be sent; tests change its parts after it was signed."""

    endpoint: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    more_headers: list[tuple[str, str]] = field(default_factory=list)

    def send(self) -> Reply:
        """Sends it as it is and reads the answer."""
        url = urlsplit(self.endpoint)
        kind: Any = http.client.HTTPConnection
        options: dict[str, Any] = {"timeout": 30}
        if url.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            kind, options["context"] = http.client.HTTPSConnection, context
        connection = kind(url.netloc, **options)
        try:
            connection.putrequest(self.method, self.target, skip_host=True, skip_accept_encoding=True)
            for name, value in (*self.headers.items(), *self.more_headers):
                connection.putheader(name, value)
            connection.endheaders(self.body or None)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


def _credentials(key: Key) -> Credentials:
    return Credentials(key.key_id, key.secret, key.token)


class _Fixed(S3SigV4Auth):  # type: ignore[misc]
    """botocore's signer for S3 with a payload line of the test's choice."""

    line: str | None = None

    def payload(self, request: Any) -> str:
        return self.line or str(super().payload(request))


def signed(
    endpoint: str,
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    payload: str | None = None,
    key: Key = KEY,
    region: str = "us-east-1",
    service: str = "s3",
) -> Raw:
    """A request with an Authorization header."""
    host = urlsplit(endpoint).netloc
    request = AWSRequest(method, endpoint + target, {"host": host, **(headers or {})}, body)
    if service == "s3":
        signer = _Fixed(_credentials(key), service, region)
        signer.line = payload
    else:
        signer = SigV4Auth(_credentials(key), service, region)
    signer.add_auth(request)
    given = {name.lower(): str(value) for name, value in request.headers.items()}
    if body or method in ("PUT", "POST"):
        given.setdefault("content-length", str(len(body)))
    return Raw(endpoint, method, target, given, body)


def presigned(
    endpoint: str,
    method: str,
    target: str,
    *,
    expires_s: int = 60,
    key: Key = KEY,
    region: str = "us-east-1",
    body: bytes = b"",
) -> Raw:
    """A request with its signature in the query."""
    request = AWSRequest(method, endpoint + target)
    S3SigV4QueryAuth(_credentials(key), "s3", region, expires=expires_s).add_auth(request)
    headers = {"host": urlsplit(endpoint).netloc}
    if body or method == "PUT":
        headers["content-length"] = str(len(body))
    return Raw(endpoint, method, request.url.removeprefix(endpoint), headers, body)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass(slots=True)
class ChunkWriter:
    """Writes the chunks of one request after its seed signature; unsigned where `secret` is empty."""

    secret: str
    date: str
    scope: str
    previous: str
    signatures: list[str] = field(default_factory=list)

    def _sign(self, kind: str, *hashes: str) -> str:
        key = ("AWS4" + self.secret).encode()
        for part in self.scope.split("/"):
            key = _mac(key, part)
        lines = [f"AWS4-HMAC-SHA256-{kind}", self.date, self.scope, self.previous, *hashes]
        self.previous = _mac(key, "\n".join(lines)).hex()
        self.signatures.append(self.previous)
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        """One frame; the empty one has no bytes after its head."""
        head = f"{len(data):x}"
        if self.secret:
            head += f";chunk-signature={self._sign('PAYLOAD', EMPTY, hashlib.sha256(data).hexdigest())}"
        return head.encode() + b"\r\n" + (data + b"\r\n" if data else b"")

    def trailer(self, name: str, value: str) -> bytes:
        """The trailer after the empty chunk, signed where the chunks are; the last CRLF is the body's."""
        line = f"{name}:{value}"
        text = line + "\r\n"
        if self.secret:
            digest = hashlib.sha256(f"{line}\n".encode()).hexdigest()
            text += f"x-amz-trailer-signature:{self._sign('TRAILER', digest)}\r\n"
        return text.encode()

    def body(self, chunks: Iterable[bytes], trailer: tuple[str, str] | None = None) -> bytes:
        """A whole body."""
        frames = [self.chunk(data) for data in chunks] + [self.chunk(b"")]
        if trailer:
            frames.append(self.trailer(*trailer))
        return b"".join(frames) + b"\r\n"


def streamed(
    endpoint: str,
    target: str,
    chunks: list[bytes],
    *,
    payload: str,
    trailer: tuple[str, str] | None = None,
    decoded: int | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[Raw, ChunkWriter]:
    """A PUT in aws-chunked form without its body, and the writer for it."""
    length = sum(map(len, chunks)) if decoded is None else decoded
    given = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(length)}
    if trailer:
        given["x-amz-trailer"] = trailer[0]
    raw = signed(endpoint, "PUT", target, headers=given | (headers or {}), payload=payload)
    seed = raw.headers["authorization"].rpartition("Signature=")[2]
    scope = raw.headers["authorization"].partition("Credential=")[2].partition(",")[0].partition("/")[2]
    secret = "" if "UNSIGNED" in payload else KEY.secret
    return raw, ChunkWriter(secret, raw.headers["x-amz-date"], scope, seed)


def with_body(raw: Raw, body: bytes) -> Raw:
    """The request with this framed body and its length."""
    raw.body = body
    raw.headers["content-length"] = str(len(body))
    return raw
