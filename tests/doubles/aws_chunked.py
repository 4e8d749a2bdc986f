"""Turns an aws-chunked body into its bytes, every chunk and the trailer verified.

Never keeps more than one read in memory; a chunk is judged when its last byte was read.
Rules: Amazon S3 API Reference, "Signature calculations: transferring a payload in chunks", and "with trailers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from tests.doubles.refusals import Refusal
from tests.doubles.sigv4_verifier import (
    EMPTY_SHA256,
    STREAMING_SIGNED,
    STREAMING_SIGNED_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
    Claim,
)
from tests.doubles.wire import READ_BYTES, Body

CHUNK_MIN_BYTES = 8192
TRAILERS_MAX = 8
_PLAIN = re.compile(rb"([0-9A-Fa-f]{1,15})\Z")
_SIGNED = re.compile(rb"([0-9A-Fa-f]{1,15});chunk-signature=([0-9a-f]{64})\Z")
_TRAILER = re.compile(rb"([a-z0-9-]+):([!-~]+)\Z")


class Chunks:
    """The decoder of one body; `trailers` holds what came after the last chunk."""

    def __init__(self, body: Body, claim: Claim) -> None:
        self.trailers: dict[str, str] = {}
        self._body, self._claim = body, claim
        self._signed = claim.payload != STREAMING_UNSIGNED_TRAILER
        self._trailing = claim.payload != STREAMING_SIGNED
        self._key = claim.signing_key() if self._signed else b""
        self._previous = claim.signature

    def __iter__(self) -> Iterator[bytes]:
        small = False
        while True:
            size, signature = self._chunk_head()
            if size and small:
                raise Refusal("InvalidChunkSizeError")
            small = size < CHUNK_MIN_BYTES
            digest = hashlib.sha256()
            left = size
            while left:
                data = self._body.read(min(left, READ_BYTES))
                if not data:
                    raise Refusal("IncompleteBody")
                digest.update(data)
                left -= len(data)
                yield data
            self._check(signature, "AWS4-HMAC-SHA256-PAYLOAD", EMPTY_SHA256, digest.hexdigest())
            if not size:
                break
            if self._body.line():
                raise Refusal("IncompleteBody", "A chunk does not end where its size says.")
        self._end()

    def _chunk_head(self) -> tuple[int, str]:
        line = self._body.line()
        found = (_SIGNED if self._signed else _PLAIN).match(line)
        if not found:
            raise Refusal("InvalidRequest", f"The head of a chunk is not well-formed: {line[:60]!r}")
        return int(found[1], 16), found[2].decode() if self._signed else ""

    def _check(self, signature: str, algorithm: str, *hashes: str) -> None:
        if not self._signed:
            return
        text = "\n".join([algorithm, self._claim.date, self._claim.scope, self._previous, *hashes])
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, signature):
            raise Refusal("SignatureDoesNotMatch", elements={"ChunkStringToSign": text})
        self._previous = expected

    def _end(self) -> None:
        signature = ""
        signed = hashlib.sha256()
        while line := self._body.line():
            found = _TRAILER.match(line)
            if not found or len(self.trailers) == TRAILERS_MAX or signature:
                raise Refusal("MalformedTrailerError")
            name, value = found[1].decode(), found[2].decode()
            if name == "x-amz-trailer-signature":
                signature = value
                continue
            if name in self.trailers:
                raise Refusal("MalformedTrailerError")
            self.trailers[name] = value
            signed.update(line + b"\n")
        if self.trailers and not self._trailing:
            raise Refusal("MalformedTrailerError")
        if bool(signature) != (self._claim.payload == STREAMING_SIGNED_TRAILER):
            raise Refusal("MalformedTrailerError")
        if signature:
            self._check(signature, "AWS4-HMAC-SHA256-TRAILER", signed.hexdigest())
        if self._body.read(1):
            raise Refusal("IncompleteBody", "There are bytes after the last chunk.")
