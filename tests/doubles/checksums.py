"""Turns bytes into the checksums that S3 takes in `x-amz-checksum-*` headers and trailers.

Never calls compiled code but zlib's and hashlib's; CRC-32C and CRC-64/NVME are table loops over 16 bits.
Rules: RFC 3720 appendix B.4 (CRC-32C); NVM Express Command Set 1.0 §5.2.1.3.4 (CRC-64/NVME).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import sys
import zlib
from typing import Protocol

POLYNOMIALS = {"crc32c": (32, 0x82F63B78), "crc64nvme": (64, 0x9A6C9329AC4BC9B5)}
DIGESTS = {"sha1": "sha1", "sha256": "sha256", "sha512": "sha512", "md5": "md5"}
ALGORITHMS = ("crc32", *POLYNOMIALS, *DIGESTS)


class Checksum(Protocol):
    """The part of hashlib's interface that is used here."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._crc = 0

    def update(self, data: bytes, /) -> None:
        self._crc = zlib.crc32(data, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(4, "big")


@functools.cache
def _table(polynomial: int) -> list[int]:
    """The remainder of every pair of bytes."""
    table = []
    for start in range(1 << 16):
        crc = start
        for _ in range(16):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return table


class _Reflected:
    def __init__(self, bits: int, polynomial: int) -> None:
        self._bits, self._table = bits, _table(polynomial)
        self._mask = (1 << bits) - 1
        self._crc = self._mask
        self._odd = b""

    def update(self, data: bytes, /) -> None:
        data = self._odd + data
        cut = len(data) & ~1
        self._odd = data[cut:]
        words = memoryview(data[:cut]).cast("H")
        crc, table = self._crc, self._table
        if sys.byteorder == "little":
            for word in words:
                crc = table[(crc ^ word) & 0xFFFF] ^ (crc >> 16)
        else:
            for word in words:
                crc = table[(crc ^ (word >> 8 | word << 8)) & 0xFFFF] ^ (crc >> 16)
        self._crc = crc

    def digest(self) -> bytes:
        crc = self._crc
        if self._odd:
            # The remainder of one byte is that of the pair whose second byte is shifted in as zero bits.
            crc = self._table[((crc ^ self._odd[0]) & 0xFF) << 8] ^ (crc >> 8)
        return (crc ^ self._mask).to_bytes(self._bits // 8, "big")


def new(algorithm: str) -> Checksum:
    """An empty checksum of one of `ALGORITHMS`."""
    if algorithm == "crc32":
        return _Crc32()
    if algorithm in POLYNOMIALS:
        return _Reflected(*POLYNOMIALS[algorithm])
    return hashlib.new(DIGESTS[algorithm], usedforsecurity=False)


def text(checksum: Checksum) -> str:
    """A checksum as its header says it."""
    return base64.b64encode(checksum.digest()).decode()
