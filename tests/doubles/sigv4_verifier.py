"""Turns a request as it was on the wire into the key that signed it, or into the refusal that AWS gives.

Never shares a line with the library's signer; it decodes what was sent and encodes it again by the rules.
Rules: AWS General Reference, "Signature Version 4"; Amazon S3 API Reference, "Authenticating Requests".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from tests.doubles.refusals import Refusal
from tests.doubles.wire import Head

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER)
EXPIRES_MAX_S = 604_800
QUERY_NAMES = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
_AUTHORIZATION = re.compile(
    ALGORITHM + r" +Credential=([^, ]+), *SignedHeaders=([^, ]+), *Signature=([^, ]+)\Z"
)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key that the gate knows; a temporary one has a token and may have an end (epoch seconds)."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature."""

    key: Key
    date: str
    scope: str
    signed: tuple[str, ...]
    signature: str
    payload: str | None
    query_form: bool

    def signing_key(self) -> bytes:
        """The key of this claim's day, region and service."""
        return signing_key(self.key.secret, self.scope)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def signing_key(secret: str, scope: str) -> bytes:
    """The derived key of a scope `date/region/service/aws4_request`."""
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    return key


def encoded(data: bytes, *, safe: str = "") -> str:
    """Percent-encoding of everything but AWS's unreserved characters and `safe`."""
    return quote(data, safe="-._~" + safe)


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The decoded pairs of a query, bytes beyond ASCII as surrogates."""
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        pairs.append(tuple(unquote_to_bytes(t).decode("utf-8", "surrogateescape") for t in (name, value)))
    return [(name, value) for name, value in pairs]


def _remove_dots(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    tail = "/" if kept and path.rsplit("/", 1)[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + tail


def canonical_path(path: str, service: str, *, normalize: bool = True) -> str:
    """S3: encoded once, untouched otherwise. All others: normalised, and what was sent is encoded again."""
    if service == "s3":
        return encoded(unquote_to_bytes(path), safe="/")
    return encoded((_remove_dots(path) if normalize else path).encode(), safe="/")


def canonical_query(query: str) -> str:
    """Every pair but the signature, encoded and in the order of encoded names and values."""
    pairs = [(n, v) for n, v in query_pairs(query) if n != "X-Amz-Signature"]
    done = [tuple(encoded(t.encode("utf-8", "surrogateescape")) for t in pair) for pair in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(done))


def canonical_request(
    head: Head, signed: tuple[str, ...], payload: str, service: str, *, normalize: bool = True
) -> str:
    """The text whose hash is signed."""
    path = canonical_path(head.path, service, normalize=normalize)
    lines = [head.method, path, canonical_query(head.query)]
    for name in signed:
        values = [_BLANKS.sub(" ", value.strip(" \t")) for value in head.values(name)]
        lines.append(f"{name}:{','.join(values)}")
    return "\n".join([*lines, "", ";".join(signed), payload])


def string_to_sign(date: str, scope: str, request: str) -> str:
    """What the signing key signs for one canonical request."""
    return "\n".join([ALGORITHM, date, scope, hashlib.sha256(request.encode("latin-1")).hexdigest()])


def epoch(date: str, malformed: str) -> float:
    """The time of an X-Amz-Date; a refusal of the code `malformed` where it is none."""
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal(
            malformed, f"X-Amz-Date must be in the ISO8601 format yyyyMMdd'T'HHmmss'Z': {date}"
        ) from None


def iso(seconds: float) -> str:
    """A time as S3's error documents tell it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Verifier:
    """The rules of one endpoint: its keys, its scope, its clock. All of them may be changed between requests."""

    keys: dict[str, Key]
    region: str
    service: str
    clock: Callable[[], float]
    window_s: float = 300.0
    unsigned_without_tls: bool = False
    normalize: bool = True

    def claim(self, head: Head, region: str | None = None) -> Claim:
        """Checks all that needs no signature: form, scope, time, token, payload header."""
        pairs = query_pairs(head.query)
        in_query = any(
            name in ("X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential") for name, _ in pairs
        )
        authorization = head.value("authorization")
        if in_query and authorization:
            raise Refusal("InvalidArgument", "Only one auth mechanism allowed")
        if not in_query and not authorization:
            raise Refusal("AccessDenied" if self.service == "s3" else "MissingAuthenticationToken")
        claim = self._query_claim(pairs, head) if in_query else self._header_claim(authorization, head)
        self._check_scope(claim, region or self.region)
        self._check_token(claim, head, dict(pairs))
        self._check_signed(claim, head)
        self._check_payload(claim, head)
        return claim

    def check(self, claim: Claim, head: Head, payload: str) -> None:
        """Compares the signature; `payload` is the last line of the canonical request."""
        request = canonical_request(head, claim.signed, payload, self.service, normalize=self.normalize)
        to_sign = string_to_sign(claim.date, claim.scope, request)
        expected = _mac(claim.signing_key(), to_sign).hex()
        if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "surrogateescape")):
            elements = {
                "AWSAccessKeyId": claim.key.key_id,
                "StringToSign": to_sign,
                "SignatureProvided": claim.signature,
                "CanonicalRequest": request,
            }
            raise Refusal("SignatureDoesNotMatch", elements=elements)

    def _key(self, credential: str, malformed: str) -> tuple[Key, str]:
        key_id, _, scope = credential.partition("/")
        if scope.count("/") != 3 or not scope.endswith("/aws4_request"):
            raise Refusal(
                malformed, f'The credential is not "<key>/YYYYMMDD/REGION/SERVICE/aws4_request": {credential}'
            )
        if key_id not in self.keys:
            raise Refusal("InvalidAccessKeyId", elements={"AWSAccessKeyId": key_id})
        return self.keys[key_id], scope

    def _header_claim(self, authorization: str, head: Head) -> Claim:
        malformed = "AuthorizationHeaderMalformed"
        found = _AUTHORIZATION.match(authorization)
        if not found:
            raise Refusal(malformed)
        key, scope = self._key(found[1], malformed)
        date = head.value("x-amz-date")
        if not date:
            raise Refusal("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        self._check_window(epoch(date, "AccessDenied"), date)
        signed = tuple(found[2].split(";"))
        return Claim(key, date, scope, signed, found[3], self._payload(head, signed), False)

    def _query_claim(self, pairs: list[tuple[str, str]], head: Head) -> Claim:
        malformed = "AuthorizationQueryParametersError"
        given = dict(pairs)
        for name in QUERY_NAMES:
            if sum(pair[0] == name for pair in pairs) != 1:
                raise Refusal(malformed, f"Query-string authentication requires {name} once.")
        if given["X-Amz-Algorithm"] != ALGORITHM:
            raise Refusal(malformed, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
        key, scope = self._key(given["X-Amz-Credential"], malformed)
        expires = given["X-Amz-Expires"]
        if not (expires.isascii() and expires.isdigit() and 1 <= int(expires) <= EXPIRES_MAX_S):
            raise Refusal(malformed, "X-Amz-Expires must be a number of 1 to 604800 seconds")
        begins, now = epoch(given["X-Amz-Date"], malformed), self.clock()
        if now < begins - self.window_s:
            raise Refusal("AccessDenied", "Request is not valid yet", elements={"ServerTime": iso(now)})
        if now > begins + int(expires):
            elements = {
                "X-Amz-Expires": expires,
                "Expires": iso(begins + int(expires)),
                "ServerTime": iso(now),
            }
            raise Refusal("AccessDenied", "Request has expired", elements=elements)
        signed = tuple(given["X-Amz-SignedHeaders"].split(";"))
        payload = self._payload(head, signed) or (UNSIGNED if self.service == "s3" else None)
        return Claim(key, given["X-Amz-Date"], scope, signed, given["X-Amz-Signature"], payload, True)

    def _payload(self, head: Head, signed: tuple[str, ...]) -> str | None:
        return head.value("x-amz-content-sha256") if "x-amz-content-sha256" in signed else None

    def _check_window(self, at: float, date: str) -> None:
        now = self.clock()
        if abs(now - at) <= self.window_s:
            return
        if self.service == "s3":
            elements = {"RequestTime": date, "ServerTime": iso(now)}
            elements["MaxAllowedSkewMilliseconds"] = str(int(self.window_s * 1000))
            raise Refusal("RequestTimeTooSkewed", elements=elements)
        late = "expired" if at < now else "not yet current"
        server = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
        raise Refusal("RequestTimeTooSkewed", f"Signature {late}: {date} is compared with {server}")

    def _check_scope(self, claim: Claim, region: str) -> None:
        malformed = (
            "AuthorizationQueryParametersError" if claim.query_form else "AuthorizationHeaderMalformed"
        )
        date, its_region, service, _ = claim.scope.split("/")
        wrong: str | None = None
        elements: Mapping[str, str] = {}
        if service != self.service:
            wrong = f'incorrect service "{service}". This endpoint belongs to "{self.service}".'
        elif its_region != region:
            wrong, elements = f"the region '{its_region}' is wrong; expecting '{region}'", {"Region": region}
        elif date != claim.date[:8]:
            wrong = f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{claim.date[:8]}".'
        if not wrong:
            return
        if self.service != "s3":
            raise Refusal("SignatureDoesNotMatch", f"Credential should be scoped to a valid region: {wrong}")
        headers = {"x-amz-bucket-region": region} if elements else {}
        raise Refusal(
            malformed, f"The authorization is malformed; {wrong}", elements=elements, headers=headers
        )

    def _check_token(self, claim: Claim, head: Head, given: Mapping[str, str]) -> None:
        token = given.get("X-Amz-Security-Token") if claim.query_form else head.value("x-amz-security-token")
        key = claim.key
        if key.token and not token:
            raise Refusal("InvalidAccessKeyId", elements={"AWSAccessKeyId": key.key_id})
        if (token or None) != key.token:
            raise Refusal("InvalidToken", elements={"Token-0": "redacted"})
        if key.expires_s is not None and self.clock() >= key.expires_s:
            raise Refusal("ExpiredToken", elements={"Token-0": "redacted"})

    def _check_signed(self, claim: Claim, head: Head) -> None:
        if list(claim.signed) != sorted({name.lower() for name in claim.signed}):
            raise Refusal("SignatureDoesNotMatch", "The signed headers are not sorted, or not in lower case.")
        sent = {name.lower() for name, _ in head.headers}
        must = {"host", *(name for name in sent if name.startswith("x-amz-"))}
        if missing := sorted(must - set(claim.signed)):
            text = "There were headers present in the request which were not signed"
            raise Refusal("AccessDenied", text, elements={"HeadersNotSigned": ", ".join(missing)})
        if absent := sorted(set(claim.signed) - sent):
            raise Refusal("SignatureDoesNotMatch", f"Signed headers that were not sent: {', '.join(absent)}")

    def _check_payload(self, claim: Claim, head: Head) -> None:
        payload = claim.payload
        if payload is None:
            if self.service == "s3":
                text = "Missing required header for this request: x-amz-content-sha256"
                raise Refusal("InvalidRequest", text)
            return
        allowed = (UNSIGNED, *STREAMING) if self.service == "s3" else ()
        if payload not in allowed and not _SHA256.match(payload):
            text = f"x-amz-content-sha256 must be {UNSIGNED}, {STREAMING_SIGNED}, or a valid sha256 value."
            raise Refusal("InvalidArgument", text)
        open_text = payload in (UNSIGNED, STREAMING_UNSIGNED_TRAILER) and not head.secure
        if open_text and not claim.query_form and not self.unsigned_without_tls:
            raise Refusal("InvalidRequest", f"{payload} is accepted over https only.")


def sign(head: Head, key: Key, scope: str, date: str, payload: str) -> str:
    """The value of Authorization for a request of the gate's own, whose headers are all signed."""
    signed = tuple(sorted({name.lower() for name, _ in head.headers}))
    request = canonical_request(head, signed, payload, scope.split("/")[2])
    signature = _mac(signing_key(key.secret, scope), string_to_sign(date, scope, request)).hex()
    return f"{ALGORITHM} Credential={key.key_id}/{scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
