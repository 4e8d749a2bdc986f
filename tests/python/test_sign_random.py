"""Turns fresh random requests into a comparison of the library's signer with the independent one.

Never repeats a run: the seed is printed and can be given in PINPIPE_SIGN_SEED.
Rules: reference/signing.md §9 item 1; independent_signer.py.
"""

from __future__ import annotations

import os
import random
import string
from typing import Any

import pinpipe
import pytest

from tests.python import independent_signer as independent

CASES = 1000
TOKENS = 100
SERVICES = ("s3", "s3", "kinesis", "execute-api", "sts", "kafka-cluster")
REGIONS = ("eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "a", "9" * 64)
HEADER_NAMES = (
    "Content-Type",
    "X-Amz-Target",
    "x-custom",
    "X-Custom",
    "user-agent",
    "Proxy-X",
    "TE",
    "a",
    "a-b",
    "Range",
)
SEGMENTS = (
    "a",
    "b c",
    "..",
    ".",
    "",
    "%2F",
    "%zz",
    "é",
    "%C3%A9",
    "!*'()",
    "~x",
    "%7e",
    "a+b",
    "a:b;c=d&e",
    "日本",
)
PARAMETERS = ("a", "A", "a-1", "b%20c", "é", "%E1", "", "list-type", "a+b", "~*")
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")


def _text(draw: random.Random, letters: str, most: int) -> str:
    return "".join(draw.choices(letters, k=draw.randint(0, most)))


def _url(draw: random.Random) -> str:
    scheme = draw.choice(("https", "https", "http"))
    host = draw.choice(("h", "Example.COM", "bucket.s3.eu-west-1.amazonaws.com", "[::1]", "127.0.0.1"))
    port = draw.choice(("", ":443", ":80", ":9000"))
    path = "".join("/" + draw.choice(SEGMENTS) for _ in range(draw.randint(0, 5)))
    pairs = []
    for _ in range(draw.choice((0, 0, 1, 4, 40))):
        value = draw.choice(
            ("", "=", "=x", "=x y", "=a%2Fb", "=v=w", "=" + draw.choice(SEGMENTS).replace("&", ""))
        )
        pairs.append(draw.choice(PARAMETERS) + value)
    query = "?" + "&".join(pairs) if pairs or draw.random() < 0.1 else ""
    return f"{scheme}://{host}{port}{path}{query}"


def _arguments(draw: random.Random) -> dict[str, Any]:
    url = _url(draw)
    service = draw.choice(SERVICES)
    is_https, is_s3 = url.startswith("https"), service == "s3"
    presign = draw.choice((None, None, draw.randint(1, 604800)))
    payloads: list[str | None] = [None, None]
    if presign is None or not is_s3:
        payloads += ["signed"]
    if presign is None:
        payloads += ["signed-header"] + (["unsigned"] if is_https else [])
    if presign is None and is_s3:
        payloads += ["streaming-signed", "streaming-signed-trailer"] * 2
        payloads += ["streaming-unsigned-trailer"] * 2 if is_https else []
    payload = draw.choice(payloads)
    value_letters = string.ascii_letters + string.digits + "  \t,;=\"'é/"
    headers = [(draw.choice(HEADER_NAMES), _text(draw, value_letters, 30)) for _ in range(draw.randint(0, 6))]
    if draw.random() < 0.1:
        headers.append(("Host", "other.example"))
    if payload and payload.startswith("streaming") and draw.random() < 0.3:
        headers.append(("Content-Encoding", "aws-chunked,gzip"))
    size = draw.choice((0, 1, 100, 8191, 8192, 8193, draw.randint(0, 70000)))
    return {
        "method": draw.choice(METHODS),
        "url": url,
        "headers": headers,
        "body": draw.randbytes(size),
        "service": service,
        "region": draw.choice(REGIONS),
        "at": draw.choice((1, 951782400, 1582934399, 1582934400, draw.randint(1, 253402300799))),
        "presign": presign,
        "payload": payload,
        "double_encode": draw.choice((None, None, True, False)),
        "normalize": draw.choice((None, None, True, False)),
        "sign_token": draw.random() < 0.8,
        "checksum": draw.choice(("crc32", "crc32c", "crc64nvme", "sha256"))
        if payload and "trailer" in payload
        else None,
    }


def _key(draw: random.Random) -> independent.Key:
    letters = string.ascii_letters + string.digits + "+/"
    token = _text(draw, letters + "=", 900) if draw.random() < 0.5 else ""
    return independent.Key(
        "AK" + _text(draw, string.ascii_uppercase, 18),
        "s" + _text(draw, letters, draw.choice((39, 200))),
        token,
    )


def _compare(arguments: dict[str, Any], key: independent.Key, chunk_bytes: int) -> None:
    payload = arguments["payload"] or ""
    is_streamed = payload.startswith("streaming")
    credentials = pinpipe.Credentials.static(key.access_key_id, key.secret, key.token or None)
    signed = pinpipe.sign(**arguments, credentials=credentials, chunk_bytes=chunk_bytes if is_streamed else 0)
    expected = independent.sign(**arguments, key=key)
    assert signed.canonical_request == expected.canonical_request
    assert signed.string_to_sign == expected.string_to_sign
    assert signed.signature == expected.signature
    assert signed.url == expected.url
    given = len(arguments["headers"])
    assert signed.headers[:given] == arguments["headers"]
    assert dict(signed.headers[given:]) == expected.headers
    framed = (
        independent.chunked(expected, key, arguments["body"], payload, arguments["checksum"], chunk_bytes)
        if is_streamed
        else arguments["body"]
    )
    assert signed.body == framed


def test_random_requests_agree(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("PINPIPE_SIGN_SEED") or random.SystemRandom().randrange(1 << 32))
    with capsys.disabled():
        print(f" {CASES} requests and {TOKENS} tokens, PINPIPE_SIGN_SEED={seed}", end="")
    draw = random.Random(seed)
    streamed = 0
    for number in range(CASES):
        arguments, key = _arguments(draw), _key(draw)
        streamed += (arguments["payload"] or "").startswith("streaming")
        chunk_bytes = draw.choice((8192, 9000, 65536))
        try:
            _compare(arguments, key, chunk_bytes)
            arguments["body"] += b"another body in the same second"
            _compare(arguments, key, chunk_bytes)
        except (AssertionError, pinpipe.Error) as error:
            raise AssertionError(
                f"seed {seed}, case {number}: {arguments | {'body': len(arguments['body'])}}"
            ) from error
    assert streamed > CASES // 20
    for _ in range(TOKENS):
        region, key, at = draw.choice(REGIONS), _key(draw), draw.randint(1, 4000000000)
        expires, agent = draw.randint(60, 43200), draw.choice(("pinpipe/1", "a b/é", "x" * 256))
        credentials = pinpipe.Credentials.static(key.access_key_id, key.secret, key.token or None)
        made = pinpipe.kafka.msk_token(region, credentials, at, expires, user_agent=agent)
        assert made == independent.msk_token(region, key, at, expires, agent), f"seed {seed}"
