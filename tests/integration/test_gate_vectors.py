"""Turns the published signing vectors into requests that the gate's verifier must accept, and spoils each of them.

Never asks a server: this is the verifier alone.
Rules: shared/data/sigv4/SOURCE.md; Amazon S3 API Reference, the worked examples of chunked signatures.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import awscrt.checksums
import pytest
from raw_s3 import ChunkWriter

from tests.doubles import checksums
from tests.doubles.aws_chunked import Chunks
from tests.doubles.refusals import Refusal
from tests.doubles.sigv4_verifier import EMPTY_SHA256, Claim, Key, Verifier, epoch
from tests.doubles.wire import Body, Head

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "sigv4"
SUITE = sorted(folder for folder in (DATA / "v4").iterdir() if folder.is_dir())
EXTRA = [json.loads(line) for line in (DATA / "extra" / "cases.jsonl").read_text().splitlines()]
# The one case whose token travels unsigned, as AWS IoT has it: a strict endpoint refuses it.
UNSIGNED_TOKEN = "post-sts-header-after"


def head_of(text: str) -> tuple[Head, str]:
    """A request of the suite: its head and body, folded headers joined by a blank."""
    top, _, body = text.partition("\n\n")
    line, *rest = top.split("\n")
    method, _, target = line.removesuffix(" HTTP/1.1").partition(" ")
    headers: list[tuple[str, str]] = []
    for text_line in rest:
        if text_line[:1] in (" ", "\t"):
            name, value = headers.pop()
            headers.append((name, f"{value} {text_line.strip()}"))
        else:
            name, _, value = text_line.partition(":")
            headers.append((name, value))
    return Head(method, target, tuple(headers), True), body


def verifier_of(folder: Path) -> Verifier:
    context = json.loads((folder / "context.json").read_text())
    given = context["credentials"]
    key = Key(given["access_key_id"], given["secret_access_key"], given.get("token"))
    at = datetime.fromisoformat(context["timestamp"]).timestamp()
    verifier = Verifier({key.key_id: key}, context["region"], context["service"], lambda: at)
    verifier.normalize = context["normalize"]
    return verifier


def judge(verifier: Verifier, head: Head, payload: str = EMPTY_SHA256) -> Claim:
    claim = verifier.claim(head)
    verifier.check(claim, head, claim.payload or payload)
    return claim


def spoilt(head: Head) -> Head:
    """The same with one hexadecimal digit of the signature changed."""
    headers = dict(head.headers)
    text = headers.get("Authorization") or headers.get("authorization") or head.target
    at = text.index("Signature=") + len("Signature=")
    changed = text[:at] + ("1" if text[at] == "0" else "0") + text[at + 1 :]
    if text is head.target:
        return Head(head.method, changed, head.headers, head.secure)
    kept = [(n, changed if n.lower() == "authorization" else v) for n, v in head.headers]
    return Head(head.method, head.target, tuple(kept), head.secure)


@pytest.mark.parametrize("form", ["header", "query"])
@pytest.mark.parametrize("folder", SUITE, ids=lambda folder: folder.name)
def test_suite(folder: Path, form: str) -> None:
    verifier = verifier_of(folder)
    head, body = head_of((folder / f"{form}-signed-request.txt").read_text())
    if folder.name == UNSIGNED_TOKEN:
        with pytest.raises(Refusal, match=r"not signed|SignatureDoesNotMatch"):
            judge(verifier, head)
        return
    canonical = (folder / f"{form}-canonical-request.txt").read_text()
    payload = canonical.rsplit("\n", 1)[1]
    assert payload in (EMPTY_SHA256, hashlib.sha256(body.encode()).hexdigest())
    judge(verifier, head, payload)
    with pytest.raises(Refusal, match="SignatureDoesNotMatch"):
        judge(verifier, spoilt(head), payload)


def _parts(case: dict[str, Any]) -> tuple[Verifier, bytes]:
    given = case["credentials"]
    key = Key(given["access_key_id"], given["secret_access_key"], given.get("session_token"))
    at = epoch(case["time"], "AccessDenied")
    service = "kafka-cluster" if case["kind"] == "msk" else case["service"]
    fill = case.get("body_fill")
    body = bytes([fill[0]]) * fill[1] if fill else base64.b64decode(case.get("body_b64") or "")
    verifier = Verifier({key.key_id: key}, case["region"], service, lambda: at)
    verifier.unsigned_without_tls = True
    return verifier, body


def _head(case: dict[str, Any]) -> Head:
    expect = case["expect"]
    url = expect.get("presigned_url") or expect.get("url") or case["url"]
    host, slash, rest = url.partition("://")[2].partition("/")
    target = (slash or "/") + rest
    if case["kind"] == "msk":
        # The token's user agent is appended after the signature, for the broker to drop.
        target = target.partition("&User-Agent=")[0]
    lines = dict(line.split(":", 1) for line in expect["canonical_request"].split("\n")[3:-3] if ":" in line)
    headers = [(name, value) for name, value in case.get("headers", ())]
    given = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in lines.items() if name not in given]
    if "host" not in {*lines, *given}:
        headers.append(("host", host))
    if "authorization" in expect:
        headers.append(("authorization", expect["authorization"]))
    return Head(case.get("method", "GET"), target, tuple(headers), True)


@pytest.mark.parametrize("case", EXTRA, ids=lambda case: case["name"])
def test_extra(case: dict[str, Any]) -> None:
    verifier, body = _parts(case)
    head = _head(case)
    empty = case["kind"] in ("presign", "msk")
    payload = EMPTY_SHA256 if empty else hashlib.sha256(body).hexdigest()
    if case["kind"].startswith("chunked"):
        signature = case["expect"]["signature"]
        scope = f"{case['time'][:8]}/{case['region']}/{case['service']}/aws4_request"
        key_id = case["credentials"]["access_key_id"]
        names = ";".join(sorted(name for name, _ in head.headers))
        text = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        kept = [pair for pair in head.headers if pair[0] != "authorization"]
        head = Head(head.method, head.target, (*kept, ("authorization", text)), True)
        _judge_chunks(case, judge(verifier, head), body)
    judge(verifier, head, payload)
    with pytest.raises(Refusal, match="SignatureDoesNotMatch"):
        judge(verifier, spoilt(head), payload)


def decoded(wire: bytes, claim: Claim) -> tuple[bytes, dict[str, str]]:
    head = Head("PUT", "/", (("content-length", str(len(wire))),), True)
    chunks = Chunks(Body(io.BufferedReader(io.BytesIO(wire)), head), claim)  # type: ignore[arg-type]
    return b"".join(chunks), chunks.trailers


def _judge_chunks(case: dict[str, Any], claim: Claim, body: bytes) -> None:
    expect, size = case["expect"], case["chunk_size"]
    writer = ChunkWriter(claim.key.secret, claim.date, claim.scope, claim.signature)
    trailer = tuple(case["trailer"]) if case.get("trailer") else None
    wire = writer.body([body[i : i + size] for i in range(0, len(body), size)], trailer)
    signatures = [*expect["chunk_signatures"], *filter(None, [expect.get("trailer_signature")])]
    assert writer.signatures == signatures
    assert (len(wire), hashlib.sha256(wire).hexdigest()) == (expect["wire_length"], expect["wire_sha256"])
    assert decoded(wire, claim) == (body, dict([trailer] if trailer else []))
    for signature in signatures:
        bad = wire.replace(signature.encode(), signature[::-1].encode(), 1)
        if bad != wire:
            with pytest.raises(Refusal, match="SignatureDoesNotMatch"):
                decoded(bad, claim)


EXAMPLE_KEY = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_DATE, EXAMPLE_SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"


@pytest.mark.parametrize(
    ("payload", "trailer", "seed", "chunks"),
    [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            None,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            ["ad80c730", "0055627c", "b6c6ea8a"],
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            ("x-amz-checksum-crc32c", "sOO8/Q=="),
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            ["b474d8862b", "1c1344b170", "2ca2aba200", "d81f82fc"],
        ),
    ],
    ids=["chunks", "trailer"],
)
def test_worked_examples(payload: str, trailer: tuple[str, str] | None, seed: str, chunks: list[str]) -> None:
    data = b"a" * 66_560
    lines = [("Host", "s3.amazonaws.com"), ("x-amz-date", EXAMPLE_DATE)]
    lines += [("x-amz-storage-class", "REDUCED_REDUNDANCY"), ("x-amz-content-sha256", payload)]
    lines += [("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "66560")]
    lines.append(("x-amz-trailer", trailer[0]) if trailer else ("Content-Length", "66824"))
    names = ";".join(sorted(name.lower() for name, _ in lines))
    credential = f"{EXAMPLE_KEY.key_id}/{EXAMPLE_SCOPE}"
    text = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={seed}"
    head = Head("PUT", "/examplebucket/chunkObject.txt", (*lines, ("Authorization", text)), True)
    at = epoch(EXAMPLE_DATE, "AccessDenied")
    claim = judge(Verifier({EXAMPLE_KEY.key_id: EXAMPLE_KEY}, "us-east-1", "s3", lambda: at), head)
    writer = ChunkWriter(EXAMPLE_KEY.secret, EXAMPLE_DATE, EXAMPLE_SCOPE, seed)
    wire = writer.body([data[:65_536], data[65_536:]], trailer)
    assert [s[: len(c)] for s, c in zip(writer.signatures, chunks, strict=True)] == chunks
    assert decoded(wire, claim) == (data, dict([trailer] if trailer else []))
    if trailer:
        summed = checksums.new("crc32c")
        summed.update(data)
        assert checksums.text(summed) == trailer[1]


@pytest.mark.parametrize(
    ("algorithm", "check"),
    [("crc32", 0xCBF43926), ("crc32c", 0xE3069283), ("crc64nvme", 0xAE8B14860A799888)],
)
def test_checksums(algorithm: str, check: int) -> None:
    def of(data: bytes, cuts: list[int]) -> int:
        summed = checksums.new(algorithm)
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            summed.update(data[begin:end])
        return int.from_bytes(summed.digest(), "big")

    assert of(b"123456789", []) == check
    other = getattr(awscrt.checksums, algorithm)
    draw = random.Random(7)
    for size in (0, 1, 2, 3, 2047, 2048, 2049, 8191, 65_537, 262_143, 262_145, 1_000_003):
        data = draw.randbytes(size)
        cuts = sorted(draw.randrange(size + 1) for _ in range(5))
        assert of(data, []) == of(data, cuts) == other(data)
