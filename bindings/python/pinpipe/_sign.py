"""Turns one HTTP request, a key and a time into the request that AWS accepts (SigV4).

Never sends anything; the clock is read only where no time is given.
Rules: docs/signing.md; CONTRACT §3.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from pinpipe import native
from pinpipe._credentials import Credentials
from pinpipe.errors import InvalidArgumentError

_PAYLOADS = {
    None: native.PAYLOAD_SERVICE,
    "signed": native.PAYLOAD_SIGNED,
    "signed-header": native.PAYLOAD_SIGNED_HEADER,
    "unsigned": native.PAYLOAD_UNSIGNED,
}
_SWITCHES = {None: native.SWITCH_SERVICE, True: native.SWITCH_ON, False: native.SWITCH_OFF}


class SignedRequest(NamedTuple):
    """What to send, and what was signed on the way to it.

    url: the request's own, or the presigned one. headers: the caller's in their order, then the signer's.
    canonical_request and string_to_sign: for comparing with what a service says that it expected.
    signature: 64 hex digits.
    """

    url: str
    headers: list[tuple[str, str]]
    canonical_request: str
    string_to_sign: str
    signature: str


def _seconds(at: datetime | float | None) -> int:
    if at is None:
        return int(time.time())
    if isinstance(at, datetime):
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return int(at)


def sign(
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | bytearray | memoryview | str = b"",
    service: str,
    region: str,
    credentials: Credentials | None = None,
    at: datetime | float | None = None,
    presign: int | None = None,
    payload: str | None = None,
    double_encode: bool | None = None,
    normalize: bool | None = None,
    sign_token: bool = True,
) -> SignedRequest:
    """Signs a request in its headers or, with `presign` seconds, in its URL.

    url: absolute, exactly as it will be sent. credentials: None = `Credentials.default()`. at: a datetime
    (UTC where it has no zone) or seconds since 1970; None = now. payload: "signed", "signed-header" (adds
    x-amz-content-sha256 for any service) or "unsigned". None for `payload`, `double_encode` and `normalize`
    is the service's rule. sign_token: False leaves the session token out of what is signed, as a few
    services want it.

    Raises `InvalidArgumentError`, which names the datum: a control character, a header that is the signer's
    own, a bad region, an expiry outside 1 to 604800 s.
    """
    if payload not in _PAYLOADS:
        known = ", ".join(name for name in _PAYLOADS if name)
        raise InvalidArgumentError(f"payload '{payload}': it is one of {known}")
    pairs = [(str(name), str(value)) for name, value in headers]
    signature = native.request_sign(
        method,
        url,
        pairs,
        body,
        (credentials or Credentials.default())._handle,
        service,
        region,
        _seconds(at),
        native.SIGN_HEADER if presign is None else native.SIGN_QUERY,
        presign or 0,
        _PAYLOADS[payload],
        _SWITCHES[double_encode],
        _SWITCHES[normalize],
        _SWITCHES[sign_token],
    )
    return SignedRequest(
        native.pinpipe_signature_url(signature),
        native.signature_headers(signature),
        native.pinpipe_signature_canonical_request(signature),
        native.pinpipe_signature_string_to_sign(signature),
        native.pinpipe_signature_text(signature),
    )
