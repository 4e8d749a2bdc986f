"""Turns the bytes of an HTTP/1.1 connection into request heads and bodies, exactly as they were sent.

Never decodes a path, merges a header or reads beyond its limits; what is ambiguous is refused.
Rules: RFC 9112 (framing, request line, field lines); AWS verifies the request as it was on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BufferedReader

from tests.doubles.refusals import Refusal

HEAD_MAX_BYTES = 64 << 10
LINE_MAX_BYTES = 16 << 10
READ_BYTES = 64 << 10
REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    403: "Forbidden",
    409: "Conflict",
    411: "Length Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Slow Down",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"/[!-~]*\Z")
_HEX_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")


@dataclass(frozen=True, slots=True)
class Head:
    """A request's line and headers as sent; `secure` is whether they came over TLS."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    secure: bool
    _by_name: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in self.headers:
            self._by_name.setdefault(name.lower(), []).append(value)

    def values(self, name: str) -> list[str]:
        """Every value of a header (its name in lower case), in the order sent."""
        return self._by_name.get(name, [])

    def value(self, name: str, default: str = "") -> str:
        """The one value of a header that must not be repeated."""
        found = self.values(name)
        if len(found) > 1:
            raise Refusal("InvalidRequest", f"The header {name} is given {len(found)} times.")
        return found[0].strip(" \t") if found else default

    @property
    def path(self) -> str:
        """The path as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as sent, without its question mark."""
        return self.target.partition("?")[2]


def read_line(file: BufferedReader) -> bytes:
    """One line without its CRLF."""
    line = file.readline(LINE_MAX_BYTES)
    if not line.endswith(b"\r\n"):
        raise Refusal("BadRequest" if line else "IncompleteBody")
    return line[:-2]


def read_head(file: BufferedReader, *, secure: bool) -> Head | None:
    """The next head; None where the client closed between two requests."""
    first = file.readline(LINE_MAX_BYTES)
    if not first:
        return None
    parts = first.decode("latin-1").removesuffix("\r\n").split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or not _TOKEN.match(parts[0]) or not _TARGET.match(parts[1]):
        raise Refusal("BadRequest", f"The request line is not one of HTTP/1.1: {first[:80]!r}")
    headers: list[tuple[str, str]] = []
    left = HEAD_MAX_BYTES
    while line := read_line(file):
        left -= len(line)
        name, colon, value = line.decode("latin-1").partition(":")
        if left < 0 or not colon or not _TOKEN.match(name):
            raise Refusal("BadRequest", f"The header line is not well-formed: {line[:80]!r}")
        headers.append((name, value.strip(" \t")))
    return Head(parts[0], parts[1], tuple(headers), secure)


class Body:
    """The bytes of one request's body, without HTTP's own chunk framing."""

    def __init__(self, file: BufferedReader, head: Head) -> None:
        self._file = file
        coding, length = head.value("transfer-encoding").lower(), head.value("content-length")
        if (coding and coding != "chunked") or (coding and length):
            raise Refusal("BadRequest", "Transfer-Encoding is not chunked, or comes with Content-Length.")
        if length and not (length.isascii() and length.isdigit()):
            raise Refusal("BadRequest", f"Content-Length is not a number: {length[:40]!r}")
        self.framed = bool(coding)
        self.told = bool(coding or length)
        self.bytes_read = 0
        self._left = int(length or 0)
        self._ended = not self.framed and self._left == 0
        self._buffer = b""

    @property
    def ended(self) -> bool:
        """Whether all of it was read."""
        return self._ended and not self._buffer

    def _next_frame(self) -> None:
        size = read_line(self._file).partition(b";")[0].strip()
        if not _HEX_SIZE.match(size):
            raise Refusal("BadRequest", f"The size of a chunk is not hexadecimal: {size[:40]!r}")
        self._left = int(size, 16)
        if self._left == 0:
            while read_line(self._file):
                pass
            self._ended = True

    def _fill(self) -> bytes:
        if self.framed and self._left == 0 and not self._ended:
            self._next_frame()
        if self._ended:
            return b""
        data = self._file.read1(min(self._left, READ_BYTES))
        if not data:
            raise Refusal("IncompleteBody")
        self._left -= len(data)
        self.bytes_read += len(data)
        if self.framed and self._left == 0 and read_line(self._file):
            raise Refusal("BadRequest", "A chunk does not end where its size says.")
        self._ended = not self.framed and self._left == 0
        return data

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        data = self._buffer or self._fill()
        self._buffer = data[size:]
        return data[:size]

    def line(self) -> bytes:
        """Up to the next CRLF, which is taken away."""
        while b"\r\n" not in self._buffer:
            more = self._fill()
            if not more or len(self._buffer) > LINE_MAX_BYTES:
                raise Refusal("IncompleteBody")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line


def reply_head(status: int, headers: list[tuple[str, str]]) -> bytes:
    """The first bytes of an answer."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Answer')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
