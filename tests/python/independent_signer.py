"""Turns requests into SigV4 signatures, framed bodies and MSK tokens: a second opinion, slow and plain.

Never shares a line or an idea of structure with the C code: it is written from the AWS documents alone.
Rules: AWS "Create a signed AWS API request"; S3 API, "Authenticating Requests"; reference/signing.md §1 and §2.1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

UNSIGNED_HEADERS = {
    *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    "x-amzn-trace-id",
}
UNSIGNED_PREFIXES = ("proxy-", "sec-websocket-")
STREAMING = {
    "streaming-signed": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "streaming-signed-trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "streaming-unsigned-trailer": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


class Key(NamedTuple):
    """An access key; the token is "" for a long-term one."""

    access_key_id: str
    secret: str
    token: str = ""


class Answer(NamedTuple):
    """What a signer must come to."""

    url: str
    headers: dict[str, str]
    canonical_request: str
    string_to_sign: str
    signature: str


def _escaped(raw: bytes, keep: str = "") -> str:
    return quote(raw, safe="-._~" + keep)


def _path(raw: str, double_encode: bool, normalize: bool) -> str:
    if normalize:
        kept: list[str] = []
        for segment in raw.split("/"):
            if segment == "..":
                kept = kept[:-1]
            elif segment not in ("", "."):
                kept.append(segment)
        raw = "/" + "/".join(kept) + ("/" if kept and raw.endswith("/") else "")
    plain = raw.encode() if double_encode else unquote_to_bytes(raw)
    return _escaped(plain, "/") or "/"


def _parameters(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            texts = (unquote_to_bytes(text.replace("+", " ")) for text in (name, value))
            pairs.append(tuple(_escaped(text) for text in texts))
    return [(name, value) for name, value in pairs]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret: str, scope: str) -> bytes:
    """The key of a scope `date/region/service/aws4_request`."""
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.lower()
    default = ":443" if parts.scheme == "https" else ":80"
    return host.removesuffix(default)


def _signable(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in UNSIGNED_HEADERS and not lower.startswith(UNSIGNED_PREFIXES):
            words = (word for word in value.replace("\t", " ").split(" ") if word)
            found.setdefault(lower, []).append(" ".join(words))
    return found


def _payload(
    headers: list[tuple[str, str]],
    body: bytes,
    service: str,
    payload: str | None,
    checksum: str | None,
    is_presigned: bool,
) -> tuple[str, dict[str, str]]:
    """The last line of the canonical request, and the headers that tell of the body."""
    told: dict[str, str] = {}
    if payload in STREAMING:
        line = STREAMING[payload]
        if not any(name.lower() == "content-encoding" for name, _ in headers):
            told["content-encoding"] = "aws-chunked"
        told["x-amz-decoded-content-length"] = str(len(body))
        if checksum:
            told["x-amz-trailer"] = f"x-amz-checksum-{checksum}"
    elif payload == "unsigned" or (payload is None and service == "s3" and is_presigned):
        line = "UNSIGNED-PAYLOAD"
    else:
        line = hashlib.sha256(body).hexdigest()
    if not is_presigned and (service == "s3" or payload not in (None, "signed")):
        told["x-amz-content-sha256"] = line
    return line, told


def _presign_parameters(key: Key, scope: str, time: str, presign: int, names: str) -> list[tuple[str, str]]:
    own = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key.access_key_id}/{scope}",
        "X-Amz-Date": time,
        "X-Amz-Expires": str(presign),
        "X-Amz-SignedHeaders": names,
    }
    if key.token:
        own["X-Amz-Security-Token"] = key.token
    return [(name, _escaped(value.encode())) for name, value in own.items()]


def sign(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes,
    service: str,
    region: str,
    key: Key,
    at: int,
    *,
    presign: int | None = None,
    payload: str | None = None,
    double_encode: bool | None = None,
    normalize: bool | None = None,
    sign_token: bool = True,
    checksum: str | None = None,
) -> Answer:
    """What `pinpipe.sign` must answer for the same arguments; `at` in seconds since 1970."""
    is_s3, parts = service == "s3", urlsplit(url)
    time = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    line, sent = _payload(headers, body, service, payload, checksum, presign is not None)
    if presign is None:
        sent["x-amz-date"] = time
        if key.token:
            sent["x-amz-security-token"] = key.token
    hidden = set() if sign_token else {"x-amz-security-token"}
    signed = _signable([*headers, *((name, value) for name, value in sent.items() if name not in hidden)])
    signed.setdefault("host", [_host(url)])
    names = ";".join(sorted(signed))
    pairs = _parameters(parts.query)
    if presign is not None:
        pairs += _presign_parameters(
            key if sign_token else key._replace(token=""), scope, time, presign, names
        )
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    double_encode = not is_s3 if double_encode is None else double_encode
    path = _path(parts.path, double_encode, not is_s3 if normalize is None else normalize)
    lines = (f"{name}:{','.join(signed[name])}" for name in sorted(signed))
    canonical = "\n".join([method, path, query, *lines, "", names, line])
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(signing_key(key.secret, scope), text).hex()
    credential = f"{key.access_key_id}/{scope}"
    if presign is None:
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return Answer(url, sent, canonical, text, signature)
    unsigned = f"&X-Amz-Security-Token={_escaped(key.token.encode())}" if key.token and not sign_token else ""
    head = f"{parts.scheme}://{parts.netloc}{parts.path or '/'}"
    return Answer(f"{head}?{query}{unsigned}&X-Amz-Signature={signature}", {}, canonical, text, signature)


def _crc(data: bytes, polynomial: int, bits: int) -> bytes:
    mask = (1 << bits) - 1
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    crc = mask
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return (crc ^ mask).to_bytes(bits // 8, "big")


def checksum_text(name: str, body: bytes) -> str:
    """The trailer's value."""
    raw = {
        "crc32": lambda: zlib.crc32(body).to_bytes(4, "big"),
        "crc32c": lambda: _crc(body, 0x82F63B78, 32),
        "crc64nvme": lambda: _crc(body, 0x9A6C9329AC4BC9B5, 64),
        "sha256": lambda: hashlib.sha256(body).digest(),
    }[name]()
    return base64.b64encode(raw).decode()


def chunked(
    answer: Answer, key: Key, body: bytes, payload: str, checksum: str | None, chunk_bytes: int
) -> bytes:
    """The body as it goes on the wire."""
    _, time, scope, _ = answer.string_to_sign.split("\n")
    secret, previous, is_signed = signing_key(key.secret, scope), answer.signature, "unsigned" not in payload
    chunks = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    framed = b""
    for chunk in [*chunks, b""]:
        head = f"{len(chunk):x}"
        if is_signed:
            hashes = f"{EMPTY_HASH}\n{hashlib.sha256(chunk).hexdigest()}"
            previous = _hmac(secret, f"AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{hashes}").hex()
            head += f";chunk-signature={previous}"
        framed += head.encode() + b"\r\n" + chunk + (b"\r\n" if chunk else b"")
    if checksum:
        line = f"x-amz-checksum-{checksum}:{checksum_text(checksum, body)}"
        framed += line.encode() + b"\r\n"
        if is_signed:
            trailer = hashlib.sha256(line.encode() + b"\n").hexdigest()
            last = _hmac(secret, f"AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{previous}\n{trailer}").hex()
            framed += f"x-amz-trailer-signature:{last}\r\n".encode()
    return framed + b"\r\n"


def msk_token(region: str, key: Key, at: int, expires: int, user_agent: str) -> tuple[str, int]:
    """The token and the end of its life in ms."""
    url = f"https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect"
    signed = sign("GET", url, [], b"", "kafka-cluster", region, key, at, presign=expires)
    whole = f"{signed.url}&User-Agent={_escaped(user_agent.encode())}"
    return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("="), (at + expires) * 1000
