"""Turns one HTTP request, a key and a time into the request that AWS accepts (SigV4), or into an MSK token.

Never sends anything; the clock is read only where no time is given.
Rules: docs/signing.md; CONTRACT §3.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pinpipe import native
from pinpipe._credentials import Credentials, shared_default
from pinpipe.errors import InvalidArgumentError

Buffer = bytes | bytearray | memoryview | str

_PAYLOADS = {
    None: native.PAYLOAD_SERVICE,
    "signed": native.PAYLOAD_SIGNED,
    "signed-header": native.PAYLOAD_SIGNED_HEADER,
    "unsigned": native.PAYLOAD_UNSIGNED,
    "streaming-signed": native.PAYLOAD_STREAMING_SIGNED,
    "streaming-signed-trailer": native.PAYLOAD_STREAMING_SIGNED_TRAILER,
    "streaming-unsigned-trailer": native.PAYLOAD_STREAMING_UNSIGNED_TRAILER,
}
_CHECKSUMS = {
    None: native.CHECKSUM_NONE,
    "crc32": native.CHECKSUM_CRC32,
    "crc32c": native.CHECKSUM_CRC32C,
    "crc64nvme": native.CHECKSUM_CRC64NVME,
    "sha256": native.CHECKSUM_SHA256,
}
_TRAILERS = (native.PAYLOAD_STREAMING_SIGNED_TRAILER, native.PAYLOAD_STREAMING_UNSIGNED_TRAILER)
_SWITCHES = {None: native.SWITCH_SERVICE, True: native.SWITCH_ON, False: native.SWITCH_OFF}


class _Signers(threading.local):
    """The calling thread's signer: it keeps derived keys, and what a request shares with the one before."""

    def __init__(self) -> None:
        self.mine = native.pinpipe_signer_new()


_signers = _Signers()


class _Parts(NamedTuple):
    url: str
    headers: list[tuple[str, str]]
    canonical_request: str
    string_to_sign: str
    signature: str


class SignedRequest(_Parts):
    """What to send, and what was signed on the way to it.

    url: the request's own, or the presigned one. headers: the caller's in their order, then the signer's.
    canonical_request and string_to_sign: for comparing with what a service says that it expected.
    signature: 64 hex digits.
    """

    _body: Buffer = b""
    _writer: Any = None
    _body_bytes = 0

    @property
    def body(self) -> Buffer:
        """What goes after the headers: a streamed payload in its chunks, any other body as it was given."""
        if self._writer is not None:
            self._body = native.chunk_writer_encode(self._writer, self._body, self._body_bytes)
            self._writer = None
        return self._body


def _seconds(at: datetime | float) -> int:
    if isinstance(at, datetime):
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return int(at)


def _number(name: str, value: str | None, known: dict[str | None, int]) -> int:
    if value not in known:
        names = ", ".join(each for each in known if each)
        raise InvalidArgumentError(f"{name} '{value}': it is one of {names}")
    return known[value]


def sign(
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: Buffer = b"",
    service: str,
    region: str,
    credentials: Credentials | None = None,
    at: datetime | float | None = None,
    presign: int | None = None,
    payload: str | None = None,
    double_encode: bool | None = None,
    normalize: bool | None = None,
    sign_token: bool = True,
    checksum: str | None = None,
    chunk_bytes: int = 0,
) -> SignedRequest:
    """Signs a request in its headers or, with `presign` seconds, in its URL.

    url: absolute, exactly as it will be sent. credentials: None = `Credentials.default()`. at: a datetime
    (UTC where it has no zone) or seconds since 1970; None = now, by the services' clock where this machine's is
    known to be off. payload: "signed", "signed-header" (adds x-amz-content-sha256 for any service), "unsigned",
    or for S3 "streaming-signed", "streaming-signed-trailer" and "streaming-unsigned-trailer" (aws-chunked; send
    the result's `body`). None for `payload`, `double_encode` and `normalize` is the service's rule. sign_token:
    False leaves the session token out of what is signed, as a few services want it. checksum: of a trailer,
    "crc32", "crc32c", "crc64nvme" (None) or "sha256". chunk_bytes: of a streamed payload, 8192 to 16777216;
    0 = 65536.

    Raises `InvalidArgumentError`, which names the datum: a control character, a header that is the signer's
    own, a bad region, an expiry outside 1 to 604800 s.
    """
    mode = _number("payload", payload, _PAYLOADS)
    if checksum is None and mode in _TRAILERS:
        checksum = "crc64nvme"
    signer = _signers.mine
    key = credentials or shared_default()
    url, sent, canonical_request, string_to_sign, signature, body_bytes = native.signer_sign(
        signer,
        method,
        url,
        [(str(name), str(value)) for name, value in headers],
        body,
        key._handle,
        service,
        region,
        key.time() if at is None else _seconds(at),
        native.SIGN_HEADER if presign is None else native.SIGN_QUERY,
        presign or 0,
        mode,
        _SWITCHES[double_encode],
        _SWITCHES[normalize],
        _SWITCHES[sign_token],
        _number("checksum", checksum, _CHECKSUMS),
        chunk_bytes,
    )
    signed = SignedRequest(url, sent, canonical_request, string_to_sign, signature)
    signed._body = body
    if mode >= native.PAYLOAD_STREAMING_SIGNED:
        signed._writer = native.pinpipe_chunk_writer_new(signer)
        signed._body_bytes = body_bytes
    return signed


def msk_token(
    region: str,
    credentials: Credentials | None = None,
    at: datetime | float | None = None,
    expires: int = 900,
    *,
    sign_host: str = "",
    user_agent: str = "",
) -> tuple[str, int]:
    """Makes an OAUTHBEARER token for a cluster with IAM login; returns it and the end of its life in ms since 1970.

    region: the cluster's. credentials: None = `Credentials.default()`; the token ends with temporary ones at the
    latest. at: as for `pinpipe.sign`; None = now, and the end is told by this machine's clock. expires: 60 to
    43200 seconds. sign_host: "" = kafka.<region>.amazonaws.com, as the official signers have it in every
    partition. user_agent: told to the broker; "" = the library's name and version.
    """
    key = credentials or shared_default()
    handle = key._handle
    if at is not None:
        given: tuple[str, int] = native.msk_token_sign(
            handle, region, sign_host, user_agent, _seconds(at), expires
        )
        return given
    now_s = key.time()
    ends_s = int(native.pinpipe_credentials_expires_s(handle))
    expires = min(expires, ends_s - now_s) if ends_s else expires
    token, lifetime_ms = native.msk_token_sign(handle, region, sign_host, user_agent, now_s, expires)
    # The token's time is the services'; who compares its end with this machine's clock wants it by that clock.
    return token, lifetime_ms - (now_s - int(time.time())) * 1000
