"""Turns a verified request into the same request signed with the backend's key, and sends it there.

Never forwards the client's signature, token or framing; one connection a client connection, kept alive.
Rules: AWS General Reference, "Signature Version 4"; RFC 9110 §7.6.1 (what a proxy does not pass on).
"""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tests.doubles.payload import Payload
from tests.doubles.sigv4_verifier import Key, sign
from tests.doubles.wire import Head

ANSWER_TIMEOUT_S = 60.0
IDLE_MAX_S = 5.0
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
NOT_FORWARDED = HOP_BY_HOP | {
    "authorization",
    "content-length",
    "content-encoding",
    "expect",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-trailer",
}


@dataclass(frozen=True, slots=True)
class Backend:
    """The server behind the gate (http only) and the key that it knows."""

    endpoint: str
    key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    service: str = "s3"


def forwarded_query(query: str) -> str:
    """The query as sent, without the parameters of a presigned URL."""
    signing = ("algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token")
    names = {f"x-amz-{name}" for name in signing}
    return "&".join(part for part in query.split("&") if part.partition("=")[0].lower() not in names)


class Link:
    """A connection to the backend for one thread."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._host = urlsplit(backend.endpoint).netloc
        self._connection: http.client.HTTPConnection | None = None
        self._used_s = 0.0

    def close(self) -> None:
        """Ends the connection; the next request opens a new one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def send(self, head: Head, path: str, payload: Payload) -> http.client.HTTPResponse:
        """The backend's answer, its body not read yet; OSError or HTTPException where there is none."""
        query = forwarded_query(head.query)
        target = f"{path}?{query}" if query else path
        if not self._connection or time.monotonic() - self._used_s > IDLE_MAX_S:
            self.close()
            self._connection = http.client.HTTPConnection(self._host, timeout=ANSWER_TIMEOUT_S)
        headers = self._headers(head, target, payload)
        try:
            self._connection.putrequest(head.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                self._connection.putheader(name, value.encode("latin-1"))
            self._connection.endheaders()
            while data := payload.file.read(1 << 16):
                self._connection.send(data)
            answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._used_s = time.monotonic()
        return answer

    def _headers(self, head: Head, target: str, payload: Payload) -> list[tuple[str, str]]:
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{self._backend.region}/{self._backend.service}/aws4_request"
        kept = [(name, value) for name, value in head.headers if name.lower() not in NOT_FORWARDED]
        codings = [part.strip() for part in head.value("content-encoding").split(",")]
        if coding := ",".join(part for part in codings if part and part != "aws-chunked"):
            kept.append(("content-encoding", coding))
        kept += payload.trailers.items()
        kept += [("host", self._host), ("x-amz-date", now), ("x-amz-content-sha256", payload.sha256)]
        key = Key(self._backend.key_id, self._backend.secret)
        # The user agent and others may be signed here: nobody stands between the gate and the backend.
        signed = Head(head.method, target, tuple(kept), False)
        kept.append(("authorization", sign(signed, key, scope, now, payload.sha256)))
        if payload.size or head.method in ("PUT", "POST"):
            kept.append(("content-length", str(payload.size)))
        return kept
