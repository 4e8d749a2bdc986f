"""Turns bytes into the checksums that S3 takes in `x-amz-checksum-*` headers and trailers.

Never calls compiled code but zlib's and hashlib's; CRC-32C and CRC-64/NVME are folded as long integers.
Rules: RFC 3720 appendix B.4 (CRC-32C); NVM Express Command Set 1.0 §5.2.1.3.4 (CRC-64/NVME).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from typing import Protocol

# Bits, the polynomial reflected, and a power of x whose remainder has few terms (7 and 19), so that it folds cheaply.
POLYNOMIALS = {"crc32c": (32, 0x82F63B78, 6305), "crc64nvme": (64, 0x9A6C9329AC4BC9B5, 865)}
FOLD_BYTES = 256 << 10
SHORT_BYTES = 2048
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
    """The remainder of every byte."""
    table = []
    for start in range(256):
        crc = start
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return table


@functools.cache
def _terms(bits: int, polynomial: int, power: int) -> list[int]:
    """The exponents of x^power modulo the polynomial."""
    crc = 1 << (bits - 1)
    for _ in range(power):
        crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
    return [bits - 1 - at for at in range(bits) if crc >> at & 1]


class _Reflected:
    def __init__(self, bits: int, polynomial: int, power: int) -> None:
        self._bits, self._power = bits, power
        self._table = _table(polynomial)
        self._terms = _terms(bits, polynomial, power)
        self._mask = (1 << bits) - 1
        self._crc = self._mask
        self._waiting = bytearray()

    def _folded(self, data: bytes) -> bytes:
        """A short message with the remainder that `data` leaves after the state so far.

        Read as a little-endian integer, bit i of n is the coefficient of x^(n-1-i). Its first bits are times
        x^K, K = power * 2^j, and x^K is its few terms, each times 2^j: squaring keeps their number.
        """
        size, number = len(data) * 8, int.from_bytes(data, "little") ^ self._crc
        while size > SHORT_BYTES * 8:
            scale = ((size - 1) // self._power).bit_length() - 1
            power = self._power << scale
            # Not so many that the first of them would come to lie before the message.
            over = min(size - power, power - (self._terms[0] << scale))
            first = number & ((1 << over) - 1)
            number >>= over
            for term in self._terms:
                number ^= first << (power - over - (term << scale))
            size -= over
        return (number << -size % 8).to_bytes((size + 7) // 8, "little")

    def _take(self, data: bytes) -> None:
        crc, table = self._crc, self._table
        if len(data) > SHORT_BYTES:
            data, crc = self._folded(data), 0
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        self._crc = crc

    def update(self, data: bytes, /) -> None:
        self._waiting += data
        if len(self._waiting) >= FOLD_BYTES:
            self._take(bytes(self._waiting))
            self._waiting.clear()

    def digest(self) -> bytes:
        self._take(bytes(self._waiting))
        self._waiting.clear()
        return (self._crc ^ self._mask).to_bytes(self._bits // 8, "big")


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
