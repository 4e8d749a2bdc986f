"""Turns the body of a verified head into decoded bytes with their hash, every promise of the head checked.

Never keeps more than 1 MiB in memory; the rest of a large body lies in an unnamed file.
Rules: Amazon S3 User Guide, "Checking object integrity"; RFC 1864 (Content-MD5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO

from tests.doubles import checksums
from tests.doubles.aws_chunked import Chunks
from tests.doubles.refusals import Refusal
from tests.doubles.sigv4_verifier import STREAMING, UNSIGNED, Claim, query_pairs
from tests.doubles.wire import READ_BYTES, Body, Head

SPOOL_BYTES = 1 << 20
PREFIX = "x-amz-checksum-"
NOT_VALUES = ("algorithm", "type", "mode")


class BodyReset(Exception):
    """The script wants the connection to break here."""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Refusal("MissingContentLength")
    return int(text)


def _decoded_digest(text: str, size: int, code: str, message: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != size:
        raise Refusal(code, message)
    return digest


def is_object_checksum(head: Head) -> bool:
    """Whether checksum headers speak of the finished object and not of this body: CompleteMultipartUpload."""
    return head.method == "POST" and any(name == "uploadId" for name, _ in query_pairs(head.query))


def flipped(data: bytes, at: int | None) -> bytes:
    """The bytes with the one at `at` changed, if it is among them."""
    if at is None or not 0 <= at < len(data):
        return data
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class Payload:
    """One request's body. `sha256`, `size` and `trailers` are those of the decoded bytes in `file`."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 (closed by __exit__)
        self.sha256 = hashlib.sha256(b"").hexdigest()
        self.size = 0
        self.trailers: dict[str, str] = {}

    def __enter__(self) -> Payload:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.file.close()

    def receive(
        self,
        body: Body,
        head: Head,
        claim: Claim,
        *,
        reset_at: int | None = None,
        flip_at: int | None = None,
    ) -> None:
        """Reads all of `body`; a broken promise is a refusal.

        reset_at: BodyReset after so many bytes. flip_at: where a byte changes before it is looked at.
        """
        promised = self._promised(head, claim)
        chunked = claim.payload in STREAMING
        length = _number(head.value("x-amz-decoded-content-length")) if chunked else None
        if not body.told and head.method in ("PUT", "POST") and head.value("x-amz-content-sha256"):
            raise Refusal("MissingContentLength")
        if chunked and "aws-chunked" not in head.value("content-encoding").replace(" ", "").split(","):
            raise Refusal("InvalidRequest", f"{claim.payload} needs Content-Encoding: aws-chunked.")
        chunks = Chunks(body, claim) if chunked else None
        sums = {name: checksums.new(name.removeprefix(PREFIX)) for name in promised}
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for came in chunks or self._plain(body):
            if reset_at is not None and body.bytes_read >= reset_at:
                raise BodyReset
            data = flipped(came, None if flip_at is None else flip_at - self.size)
            for summed in (sha256, md5, *sums.values()):
                summed.update(data)
            self.size += len(data)
            if length is not None and self.size > length:
                raise Refusal("IncompleteBody", "The chunks hold more than x-amz-decoded-content-length.")
            self.file.write(data)
        if length is not None and self.size != length:
            raise Refusal("IncompleteBody", "The chunks hold less than x-amz-decoded-content-length.")
        self.sha256 = sha256.hexdigest()
        self.trailers = chunks.trailers if chunks else {}
        self._check_trailers(head)
        self._check_hash(claim)
        self._check_md5(head, md5.digest())
        for name, summed in sums.items():
            self._check_sum(name, promised[name] or self.trailers.get(name, ""), summed)
        self.file.seek(0)

    @staticmethod
    def _plain(body: Body) -> Iterator[bytes]:
        while data := body.read(READ_BYTES):
            yield data

    def _promised(self, head: Head, claim: Claim) -> dict[str, str]:
        """The checksums that the head gives, or announces for the trailer ('')."""
        if is_object_checksum(head) or claim.payload is None:
            return {}
        sent = {name.lower() for name, _ in head.headers if name.lower().startswith(PREFIX)}
        sent -= {PREFIX + name for name in NOT_VALUES}
        announced = [name.strip().lower() for name in head.value("x-amz-trailer").split(",") if name.strip()]
        if announced and not (claim.payload or "").endswith("-TRAILER"):
            raise Refusal("InvalidRequest", "x-amz-trailer needs a payload with a trailer.")
        promised = {name: head.value(name) for name in sent} | dict.fromkeys(announced, "")
        if len(sent) + len(announced) > 1:
            text = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            raise Refusal("InvalidRequest", text)
        for name in promised:
            if name.removeprefix(PREFIX) not in checksums.ALGORITHMS:
                raise Refusal("InvalidRequest", f"The checksum {name} cannot be verified.")
        if head.values("x-amz-sdk-checksum-algorithm") and not promised:
            text = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
            raise Refusal("InvalidRequest", text + " x-amz-trailer headers were found.")
        return promised

    def _check_trailers(self, head: Head) -> None:
        announced = {name.strip().lower() for name in head.value("x-amz-trailer").split(",") if name.strip()}
        if announced != set(self.trailers):
            raise Refusal("MalformedTrailerError")

    def _check_hash(self, claim: Claim) -> None:
        if claim.payload is None or claim.payload in (UNSIGNED, *STREAMING) or claim.payload == self.sha256:
            return
        names = ("ClientComputedContentSHA256", "S3ComputedContentSHA256")
        pairs = zip(names, (claim.payload, self.sha256), strict=True)
        raise Refusal("XAmzContentSHA256Mismatch", elements=dict(pairs))

    def _check_md5(self, head: Head, computed: bytes) -> None:
        text = head.value("content-md5")
        if text and _decoded_digest(text, 16, "InvalidDigest", "The Content-MD5 is invalid.") != computed:
            raise Refusal("BadDigest", "The Content-MD5 you specified did not match what we received.")

    def _check_sum(self, name: str, text: str, summed: checksums.Checksum) -> None:
        invalid = f"Value for {name} header is invalid."
        computed = summed.digest()
        if _decoded_digest(text, len(computed), "InvalidRequest", invalid) != computed:
            algorithm = name.removeprefix(PREFIX).upper()
            text = f"The {algorithm} you specified did not match the calculated checksum."
            raise Refusal("BadDigest", text)
