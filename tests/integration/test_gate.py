"""Turns good and spoilt requests into what the strict gate must accept and must refuse, code by code.

Never takes our own client's word: all are signed by botocore and its chunks written by the test.
Rules: docs/testing.md, "The strict gate"; Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from gates import KEY, TEMPORARY, TlsGate
from raw_s3 import ChunkWriter, Raw, Reply, presigned, signed, streamed, with_body
from servers import free_port

from tests.doubles import checksums
from tests.doubles.backend import Backend
from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

BODY = b"the body of a request, " * 10
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKS = [b"a" * 8192, b"b" * 8192, b"c" * 100]
ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")


def refused(gate: Gate, reply: Reply, code: str, status: int) -> None:
    """The reply is this refusal, the gate's own, and nothing was written."""
    assert (reply.code, reply.status) == (code, status), reply.body
    assert [one.code for one in gate.journal.refused] == [code]
    assert gate.journal.writes == []
    assert b"<RequestId>" in reply.body
    for key in (KEY, TEMPORARY):
        assert key.secret.encode() not in reply.body


def accepted(gate: Gate, reply: Reply, body: bytes) -> None:
    """The reply is the store's, and the journal holds the body."""
    assert reply.status == 200, reply.body
    assert gate.journal.refused == []
    assert gate.journal.writes[-1].sha256 == hashlib.sha256(body).hexdigest()


def change(name: str, value: str) -> Callable[[Raw], None]:
    def apply(raw: Raw) -> None:
        raw.headers[name] = value

    return apply


def change_authorization(old: str, new: str) -> Callable[[Raw], None]:
    def apply(raw: Raw) -> None:
        assert old in raw.headers["authorization"]
        raw.headers["authorization"] = raw.headers["authorization"].replace(old, new)

    return apply


def change_target(old: str, new: str) -> Callable[[Raw], None]:
    def apply(raw: Raw) -> None:
        assert old in raw.target
        raw.target = raw.target.replace(old, new)

    return apply


def change_body(raw: Raw) -> None:
    raw.body = raw.body.replace(b"body", b"b0dy", 1)


def drop(name: str) -> Callable[[Raw], None]:
    def apply(raw: Raw) -> None:
        del raw.headers[name]

    return apply


def repeat(name: str) -> Callable[[Raw], None]:
    def apply(raw: Raw) -> None:
        raw.more_headers.append((name, raw.headers[name]))

    return apply


TODAY = datetime.now(UTC).strftime("%Y%m%d")
SPOILT: dict[str, tuple[Callable[[Raw], None], str, int]] = {
    "header": (change("content-type", "text/html"), "SignatureDoesNotMatch", 403),
    "header not sent": (drop("content-type"), "SignatureDoesNotMatch", 403),
    "host": (change("host", "elsewhere"), "SignatureDoesNotMatch", 403),
    "header not signed": (change("x-amz-meta-more", "1"), "AccessDenied", 403),
    "value": (change_target("x=1", "x=2"), "SignatureDoesNotMatch", 403),
    "parameter": (change_target("x=1", "x=1&y"), "SignatureDoesNotMatch", 403),
    "path": (change_target("object", "0bject"), "SignatureDoesNotMatch", 403),
    "signature": (change_authorization("Signature=", "Signature=0"), "SignatureDoesNotMatch", 403),
    "form": (change_authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "AuthorizationHeaderMalformed", 400),
    "credential": (change_authorization("/aws4_request", ""), "AuthorizationHeaderMalformed", 400),
    "day": (change_authorization(TODAY, "20200101"), "AuthorizationHeaderMalformed", 400),
    "body": (change_body, "XAmzContentSHA256Mismatch", 400),
    "hash": (change("x-amz-content-sha256", "0" * 64), "SignatureDoesNotMatch", 403),
    "hash's form": (change("x-amz-content-sha256", "none"), "InvalidArgument", 400),
    "payload": (change("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), "InvalidRequest", 400),
    "date": (change("x-amz-date", f"{TODAY}T0000"), "AccessDenied", 403),
    "no date": (drop("x-amz-date"), "AccessDenied", 403),
    "no authorization": (drop("authorization"), "AccessDenied", 403),
    "two authorizations": (repeat("authorization"), "InvalidRequest", 400),
    "both ways": (change_target("x=1", "x=1&X-Amz-Signature=0"), "InvalidArgument", 400),
    "no length": (drop("content-length"), "MissingContentLength", 411),
}


@pytest.mark.parametrize("name", [None, *SPOILT])
def test_headers(gate: Gate, gate_bucket: str, name: str | None) -> None:
    headers = {"content-type": "text/plain", "x-amz-meta-a": "two  blanks "}
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object?x=1", body=BODY, headers=headers)
    if name is None:
        return accepted(gate, raw.send(), BODY)
    spoil, code, status = SPOILT[name]
    spoil(raw)
    if name == "no length":
        raw.body = b""
    return refused(gate, raw.send(), code, status)


@pytest.mark.parametrize(
    ("key", "code", "status"),
    [
        (TEMPORARY, None, 200),
        (replace(KEY, secret="wrong"), "SignatureDoesNotMatch", 403),
        (replace(KEY, key_id="AKIDNOBODY"), "InvalidAccessKeyId", 403),
        (replace(KEY, token="more"), "InvalidToken", 400),
        (replace(TEMPORARY, token=None), "InvalidAccessKeyId", 403),
        (replace(TEMPORARY, token="another/token"), "InvalidToken", 400),
    ],
    ids=["session", "secret", "key", "needless token", "no token", "wrong token"],
)
def test_keys(gate: Gate, gate_bucket: str, key: Key, code: str | None, status: int) -> None:
    target = f"/{gate_bucket}/object"
    for raw in (
        signed(gate.endpoint, "PUT", target, body=BODY, key=key),
        presigned(gate.endpoint, "PUT", target, body=BODY, key=key),
    ):
        reply = raw.send()
        if code is None:
            accepted(gate, reply, BODY)
        else:
            refused(gate, reply, code, status)
            assert not key.token or key.token.encode() not in reply.body
        gate.journal.clear()


def test_an_expired_key(gate: Gate, gate_bucket: str) -> None:
    gate.verifier.keys[TEMPORARY.key_id] = replace(TEMPORARY, expires_s=time.time() - 1)
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY, key=TEMPORARY)
    refused(gate, raw.send(), "ExpiredToken", 400)


def test_scope(gate: Gate, gate_bucket: str) -> None:
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY, region="eu-west-1")
    reply = raw.send()
    refused(gate, reply, "AuthorizationHeaderMalformed", 400)
    assert b"<Region>us-east-1</Region>" in reply.body
    assert reply.headers["x-amz-bucket-region"] == "us-east-1"
    gate.journal.clear()
    raw = signed(gate.endpoint, "GET", "/", service="sts", headers={"x-amz-content-sha256": "0" * 64})
    refused(gate, raw.send(), "AuthorizationHeaderMalformed", 400)


@pytest.mark.parametrize("ahead_s", [-290, 290, -310, 310, -3600, 3600])
def test_the_date_window(gate: Gate, gate_bucket: str, ahead_s: int) -> None:
    gate.clock_offset_s = ahead_s
    reply = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY).send()
    if abs(ahead_s) < 300:
        return accepted(gate, reply, BODY)
    refused(gate, reply, "RequestTimeTooSkewed", 403)
    assert b"<MaxAllowedSkewMilliseconds>300000<" in reply.body
    told = datetime.strptime(reply.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(told.timestamp() - time.time() - ahead_s) < 10
    return None


PRESIGNED_SPOILT: dict[str, tuple[Callable[[Raw], None], str, int]] = {
    "signature": (change_target("Signature=", "Signature=0"), "SignatureDoesNotMatch", 403),
    "path": (change_target("object", "0bject"), "SignatureDoesNotMatch", 403),
    "expires": (change_target("Expires=60", "Expires=61"), "SignatureDoesNotMatch", 403),
    "expires 0": (change_target("Expires=60", "Expires=0"), "AuthorizationQueryParametersError", 400),
    "long": (change_target("Expires=60", "Expires=604801"), "AuthorizationQueryParametersError", 400),
    "twice": (change_target("?", "?X-Amz-Expires=60&"), "AuthorizationQueryParametersError", 400),
    "no date": (change_target("X-Amz-Date", "X-Amz-Day"), "AuthorizationQueryParametersError", 400),
    "service": (change_target("%2Fs3%2F", "%2Fsts%2F"), "AuthorizationQueryParametersError", 400),
    "region": (change_target("us-east-1", "us-east-2"), "AuthorizationQueryParametersError", 400),
    "header": (change("x-amz-acl", "public-read"), "AccessDenied", 403),
    "both ways": (change("authorization", "AWS4-HMAC-SHA256 x"), "InvalidArgument", 400),
}


@pytest.mark.parametrize("name", [None, *PRESIGNED_SPOILT])
def test_presigned(gate: Gate, gate_bucket: str, name: str | None) -> None:
    raw = presigned(gate.endpoint, "PUT", f"/{gate_bucket}/object%20a", body=BODY)
    if name is None:
        return accepted(gate, raw.send(), BODY)
    spoil, code, status = PRESIGNED_SPOILT[name]
    spoil(raw)
    return refused(gate, raw.send(), code, status)


def test_a_presigned_url_ends(gate: Gate, gate_bucket: str) -> None:
    raw = presigned(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY, expires_s=600)
    for ahead_s, said in ((-310, b"not valid yet"), (610, b"has expired")):
        gate.clock_offset_s = ahead_s
        reply = raw.send()
        refused(gate, reply, "AccessDenied", 403)
        assert said in reply.body
        gate.journal.clear()
    for ahead_s in (-290, 590):
        gate.clock_offset_s = ahead_s
        accepted(gate, raw.send(), BODY)


def text_of(algorithm: str, data: bytes) -> str:
    summed = checksums.new(algorithm)
    summed.update(data)
    return checksums.text(summed)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums_in_headers(gate: Gate, gate_bucket: str, algorithm: str) -> None:
    target, name = f"/{gate_bucket}/object", f"x-amz-checksum-{algorithm}"

    def put(value: str) -> Reply:
        gate.journal.clear()
        return signed(gate.endpoint, "PUT", target, body=BODY, headers={name: value}).send()

    accepted(gate, put(text_of(algorithm, BODY)), BODY)
    refused(gate, put(text_of(algorithm, BODY[1:])), "BadDigest", 400)
    for malformed in ("", "x", text_of(algorithm, BODY)[4:]):
        refused(gate, put(malformed), "InvalidRequest", 400)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": base64.b64encode(hashlib.md5(BODY).digest()).decode()}, None),
        ({"content-md5": base64.b64encode(hashlib.md5(b"").digest()).decode()}, "BadDigest"),
        ({"content-md5": "short"}, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, "InvalidRequest"),
        ({"x-amz-checksum-rot13": "AAAAAA=="}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, "InvalidRequest"),
    ],
)
def test_promises_of_headers(gate: Gate, gate_bucket: str, headers: dict[str, str], code: str | None) -> None:
    reply = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY, headers=headers).send()
    if code is None:
        accepted(gate, reply, BODY)
    else:
        refused(gate, reply, code, 400)


def swap(text: bytes, a: bytes, b: bytes) -> bytes:
    assert a in text
    assert b in text
    return text.replace(a, b"\0", 1).replace(b, a, 1).replace(b"\0", b, 1)


CHUNKS_SPOILT: dict[str, tuple[Callable[[bytes, ChunkWriter], bytes], str, int]] = {
    "less": (lambda body, _: body.replace(b"aaaa", b"aaa", 1), "SignatureDoesNotMatch", 403),
    "more": (lambda body, _: body.replace(b"aaaa", b"aaaaa", 1), "IncompleteBody", 400),
    "data": (lambda body, _: body.replace(b"aaaa", b"aaab", 1), "SignatureDoesNotMatch", 403),
    "last data": (lambda body, _: body.replace(b"cccc", b"cccd", 1), "SignatureDoesNotMatch", 403),
    "signature": (
        lambda body, writer: body.replace(writer.signatures[1].encode(), b"0" * 64),
        "SignatureDoesNotMatch",
        403,
    ),
    "last signature": (
        lambda body, writer: body.replace(writer.signatures[3].encode(), b"0" * 64),
        "SignatureDoesNotMatch",
        403,
    ),
    "order": (
        lambda body, writer: swap(body, b"a" * 8192, b"b" * 8192),
        "SignatureDoesNotMatch",
        403,
    ),
    "no signature": (lambda body, _: body.replace(b";chunk-signature=", b";x=", 1), "InvalidRequest", 400),
    "no end": (lambda body, _: body[: body.rindex(b"0;chunk")], "IncompleteBody", 400),
    "more after the end": (lambda body, _: body + b"x", "IncompleteBody", 400),
}


@pytest.mark.parametrize("name", [None, *CHUNKS_SPOILT])
def test_signed_chunks(gate: Gate, gate_bucket: str, name: str | None) -> None:
    raw, writer = streamed(gate.endpoint, f"/{gate_bucket}/object", CHUNKS, payload=SIGNED)
    body = writer.body(CHUNKS)
    if name is None:
        return accepted(gate, with_body(raw, body).send(), b"".join(CHUNKS))
    spoil, code, status = CHUNKS_SPOILT[name]
    return refused(gate, with_body(raw, spoil(body, writer)).send(), code, status)


def test_small_chunks_lengths_and_coding(gate: Gate, gate_bucket: str) -> None:
    target = f"/{gate_bucket}/object"

    def put(chunks: list[bytes], payload: str = SIGNED, decoded: int | None = None, **headers: str) -> Reply:
        gate.journal.clear()
        raw, writer = streamed(
            gate.endpoint, target, chunks, payload=payload, decoded=decoded, headers=headers
        )
        for name in [name for name, value in headers.items() if not value]:
            del raw.headers[name]
        return with_body(raw, writer.body(chunks)).send()

    accepted(gate, put([b"only"]), b"only")
    accepted(gate, put([]), b"")
    refused(gate, put([b"small", b"b" * 8192]), "InvalidChunkSizeError", 403)
    refused(gate, put([b"only"], decoded=3), "IncompleteBody", 400)
    refused(gate, put([b"only"], decoded=5), "IncompleteBody", 400)
    refused(gate, put([b"only"], **{"content-encoding": "identity"}), "InvalidRequest", 400)
    refused(gate, put([b"only"], **{"x-amz-decoded-content-length": "many"}), "MissingContentLength", 411)
    refused(gate, put([b"only"], payload=SIGNED_TRAILER), "MalformedTrailerError", 400)
    refused(gate, put([b"only"], payload=UNSIGNED_TRAILER), "InvalidRequest", 400)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signed_trailers(gate: Gate, gate_bucket: str, algorithm: str) -> None:
    target, name = f"/{gate_bucket}/object", f"x-amz-checksum-{algorithm}"
    good = text_of(algorithm, b"".join(CHUNKS))

    def put(value: str, spoil: Callable[[bytes, ChunkWriter], bytes] = lambda body, _: body) -> Reply:
        gate.journal.clear()
        raw, writer = streamed(gate.endpoint, target, CHUNKS, payload=SIGNED_TRAILER, trailer=(name, value))
        return with_body(raw, spoil(writer.body(CHUNKS, (name, value)), writer)).send()

    accepted(gate, put(good), b"".join(CHUNKS))
    other = text_of(algorithm, b"")
    refused(gate, put(other), "BadDigest", 400)
    refused(gate, put("x"), "InvalidRequest", 400)
    refused(
        gate,
        put(good, lambda body, _: body.replace(good.encode(), other.encode())),
        "SignatureDoesNotMatch",
        403,
    )
    refused(
        gate,
        put(good, lambda body, writer: body.replace(writer.signatures[-1].encode(), b"0" * 64)),
        "SignatureDoesNotMatch",
        403,
    )
    for cut in (
        lambda body, _: body[: body.index(b"x-amz-trailer-signature")] + b"\r\n",
        lambda body, _: body[: body.index(name.encode())] + b"\r\n",
        lambda body, _: body.replace(name.encode(), b"x-amz-meta-checksum"),
    ):
        reply = put(good, cut)
        assert reply.code in ("MalformedTrailerError", "SignatureDoesNotMatch")
        assert gate.journal.writes == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_unsigned_trailers(tls_gate: TlsGate, gate_bucket: str, algorithm: str) -> None:
    gate, target, name = tls_gate.gate, f"/{gate_bucket}/object", f"x-amz-checksum-{algorithm}"
    good = text_of(algorithm, b"".join(CHUNKS))

    def put(value: str, *, cut: str = "") -> Reply:
        gate.journal.clear()
        raw, writer = streamed(gate.endpoint, target, CHUNKS, payload=UNSIGNED_TRAILER, trailer=(name, value))
        body = writer.body(CHUNKS, (name, value))
        return with_body(raw, body[: body.index(cut.encode())] + b"\r\n" if cut else body).send()

    accepted(gate, put(good), b"".join(CHUNKS))
    refused(gate, put(text_of(algorithm, b"")), "BadDigest", 400)
    refused(gate, put(good, cut=name), "MalformedTrailerError", 400)


def test_unsigned_payload_over_tls(tls_gate: TlsGate, gate_bucket: str) -> None:
    gate, target = tls_gate.gate, f"/{gate_bucket}/object"
    accepted(gate, signed(gate.endpoint, "PUT", target, body=BODY, payload="UNSIGNED-PAYLOAD").send(), BODY)


def test_the_head_is_judged_before_the_body_is_asked_for(gate: Gate, gate_bucket: str) -> None:
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/object", body=BODY, key=replace(KEY, secret="x"))
    raw.more_headers.append(("Expect", "100-continue"))
    raw.body = b""
    refused(gate, raw.send(), "SignatureDoesNotMatch", 403)


def test_kinesis_wording() -> None:
    """Nobody listens behind this gate: a request that it accepts ends there with a 500 of its own."""
    backend = Backend(f"http://127.0.0.1:{free_port()}", "key", "secret", service="kinesis")
    body = json.dumps({"StreamName": "s", "Data": "QUJD", "PartitionKey": "k"}).encode()
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Kinesis_20131202.PutRecord"}
    with Gate(backend, keys=[KEY, TEMPORARY]) as gate:

        def send(spoil: Callable[[Raw], None], key: Key = KEY, region: str = "us-east-1") -> tuple[int, str]:
            raw = signed(
                gate.endpoint,
                "POST",
                "/",
                body=body,
                headers=headers,
                service="kinesis",
                key=key,
                region=region,
            )
            spoil(raw)
            reply = raw.send()
            return reply.status, json.loads(reply.body)["__type"]

        good: Callable[[Raw], None] = lambda raw: None  # noqa: E731
        assert send(good) == (500, "InternalFailure")
        assert send(good, TEMPORARY) == (500, "InternalFailure")
        invalid = (400, "InvalidSignatureException")
        assert send(lambda raw: setattr(raw, "body", raw.body.replace(b"QUJD", b"QUJE"))) == invalid
        assert send(change("x-amz-target", "Kinesis_20131202.PutRecords")) == invalid
        assert send(good, region="eu-west-1") == invalid
        assert send(good, replace(KEY, secret="x")) == invalid
        assert send(good, replace(KEY, key_id="x")) == (400, "UnrecognizedClientException")
        assert send(good, replace(TEMPORARY, token="x")) == (400, "UnrecognizedClientException")
        assert send(drop("authorization")) == (400, "MissingAuthenticationTokenException")
        gate.clock_offset_s = 3600
        assert send(good) == invalid


def test_crc32_is_zlibs() -> None:
    assert base64.b64decode(text_of("crc32", BODY)) == zlib.crc32(BODY).to_bytes(4, "big")
