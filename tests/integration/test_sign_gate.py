"""Turns every payload mode of pinpipe.sign into a request that the strict gate judges before the strict store sees it.

Never sends what was not signed: URL, headers and body go out as the signer gave them.
Rules: docs/signing.md; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pinpipe
import pytest
from gates import KEY, TEMPORARY, TlsGate
from raw_s3 import Raw, Reply

from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

SIZES = (0, 1, 8192, 200_000)
CHECKSUMS = ("crc32", "crc32c", "crc64nvme", "sha256")
KEY_TEXT = "topics/0a1b.pin/a%20b+c.json"


def _send(gate: Gate, key: Key, method: str, path: str, body: bytes = b"", **options: object) -> Reply:
    signed = pinpipe.sign(
        method,
        f"{gate.endpoint}{path}",
        body=body,
        service="s3",
        region="us-east-1",
        credentials=pinpipe.Credentials.static(key.key_id, key.secret, key.token),
        **options,  # type: ignore[arg-type]
    )
    url = urlsplit(signed.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = {"host": url.netloc, "content-length": str(len(signed.body))} | dict(signed.headers)
    return Raw(gate.endpoint, method, target, headers, bytes(signed.body)).send()


def _put_all(gate: Gate, bucket: str, key: Key, modes: list[tuple[str, str | None]]) -> None:
    path = f"/{bucket}/{KEY_TEXT}"
    for payload, checksum in modes:
        for size in SIZES:
            body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            reply = _send(gate, key, "PUT", path, body, payload=payload, checksum=checksum)
            assert reply.status == 200, (payload, checksum, size, reply.body)
            assert _send(gate, key, "GET", path).body == body
    assert gate.journal.refused == []


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["plain", "session"])
def test_signed_payloads_over_http(gate: Gate, gate_bucket: str, key: Key) -> None:
    trailers = [("streaming-signed-trailer", checksum) for checksum in CHECKSUMS]
    _put_all(gate, gate_bucket, key, [("signed", None), ("streaming-signed", None), *trailers])


def test_unsigned_payloads_over_tls(tls_gate: TlsGate, gate_bucket: str) -> None:
    trailers = [("streaming-unsigned-trailer", checksum) for checksum in CHECKSUMS]
    _put_all(tls_gate.gate, gate_bucket, TEMPORARY, [("unsigned", None), *trailers])


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["plain", "session"])
def test_presigned_urls(gate: Gate, gate_bucket: str, key: Key) -> None:
    path = f"/{gate_bucket}/{KEY_TEXT}"
    assert _send(gate, key, "PUT", path, b"by its URL alone", presign=60).status == 200
    assert _send(gate, key, "GET", path, presign=60).body == b"by its URL alone"
    assert gate.journal.refused == []
