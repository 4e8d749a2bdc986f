"""Turns aggregates of the Kinesis Producer Library into records, as the Kinesis Client Library's AggregatorUtil does.

Never shares a line with the C core: it is the reference that the core is held against.
Rules: amazon-kinesis-producer, aggregation-format.md; amazon-kinesis-client, AggregatorUtil.deaggregate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

MAGIC = b"\xf3\x89\x9a\xc2"
MD5_BYTES = 16


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number, b""
        else:
            assert tag & 7 == 2
            size, at = _varint(data, at)
            assert at + size <= len(data)
            yield tag >> 3, 0, data[at : at + size]
            at += size


def unpack(data: bytes, first: int = 0, last: int = (1 << 128) - 1) -> list[tuple[str, bytes]] | None:
    """(partition key, data) of each record; None: no aggregate. One record outside first..last drops them all."""
    message = data[len(MAGIC) : -MD5_BYTES]
    if (
        not data.startswith(MAGIC)
        or hashlib.md5(message, usedforsecurity=False).digest() != data[-MD5_BYTES:]
    ):
        return None
    keys: list[str] = []
    hashes: list[str] = []
    found = []
    for number, _, value in _fields(message):
        if number == 1:
            keys.append(value.decode())
        elif number == 2:
            hashes.append(value.decode())
        else:
            parts = {inner: (index, content) for inner, index, content in _fields(value)}
            key = keys[parts[1][0]]
            digest = hashlib.md5(key.encode(), usedforsecurity=False).digest()
            chosen = int(hashes[parts[2][0]]) if 2 in parts else int.from_bytes(digest)
            if not first <= chosen <= last:
                return []
            found.append((key, parts[3][1]))
    return found
