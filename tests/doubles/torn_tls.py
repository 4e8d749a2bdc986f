"""Turns answers of HTTP into TLS records of any size, and those into TCP segments cut anywhere, at any pace.

Never looks at a signature: it stands where the shape of what arrives is in question, not the request.
Rules: RFC 8446 §5.1 (records); RFC 9112 (framing, Content-Length, chunked).
"""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.doubles.certificate import Certificate

RECORD_MAX = 16384
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Shape:
    """How an object comes: sizes of records and of segments, how often a pause lies between two of them."""

    size: int
    records: tuple[int, int] = (RECORD_MAX, RECORD_MAX)
    segments: tuple[int, int] = (1 << 20, 1 << 20)
    pauses: float = 0.0
    pause_s: float = 0.002
    chunked: bool = False
    head_alone: bool = True  # a record of its own; else the body begins in it

    def body(self) -> bytes:
        """Bytes that belong to this shape."""
        return hashlib.shake_128(repr(self).encode()).digest(self.size)


@dataclass
class TornTls:
    """A server of the objects in `shapes`, by key; `connections` is how many it took."""

    certificate: Certificate
    seed: int
    shapes: dict[str, Shape] = field(default_factory=dict)
    connections: int = 0
    endpoint: str = ""

    @contextmanager
    def running(self) -> Iterator[TornTls]:
        """Listens on the loopback address until the context ends."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            self.endpoint = f"https://127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(TIMEOUT_S)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections += 1
                dice = random.Random(f"{self.seed}-{self.connections}")
                threading.Thread(target=self._serve, args=(connection, dice), daemon=True).start()

    def _serve(self, connection: socket.socket, dice: random.Random) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.file, self.certificate.key_file)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        connection.settimeout(TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError):
            pending = b""
            while True:
                try:
                    if not tls.version():
                        tls.do_handshake()
                    got = tls.read(RECORD_MAX)
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    segment = connection.recv(65536)
                    if not segment:
                        return
                    incoming.write(segment)
                    continue
                if not got:
                    return  # close_notify: reading on would give nothing for ever
                pending += got
                while b"\r\n\r\n" in pending:
                    head, _, pending = pending.partition(b"\r\n\r\n")
                    self._answer(connection, tls, outgoing, head.decode("latin-1"), dice)

    def _answer(
        self,
        connection: socket.socket,
        tls: ssl.SSLObject,
        outgoing: ssl.MemoryBIO,
        head: str,
        dice: random.Random,
    ) -> None:
        lines = head.split("\r\n")
        shape = self.shapes[urlsplit(lines[0].split(" ")[1]).path.rpartition("/")[2]]
        wanted = next((line.split("=")[1] for line in lines if line.lower().startswith("range:")), "")
        body, status = shape.body(), "200 OK"
        more = f'ETag: "{hashlib.md5(body).hexdigest()}"\r\n'
        if wanted and not shape.chunked:
            first, last = (int(text) if text else shape.size - 1 for text in wanted.split("-"))
            last = min(last, shape.size - 1)
            body, status = body[first : last + 1], "206 Partial Content"
            more += f"Content-Range: bytes {first}-{last}/{shape.size}\r\n"
        plain = [f"HTTP/1.1 {status}\r\n{more}".encode()]
        if shape.chunked:
            plain[0] += b"Transfer-Encoding: chunked\r\n\r\n"
            for piece in cut(body, shape.records, dice):
                plain += [f"{len(piece):x}\r\n".encode(), piece, b"\r\n"]
            plain.append(b"0\r\n\r\n")
        else:
            plain[0] += f"Content-Length: {len(body)}\r\n\r\n".encode()
            plain += cut(body, shape.records, dice)
        if not shape.head_alone and len(plain) > 1 and len(plain[0]) + len(plain[1]) <= RECORD_MAX:
            plain[:2] = [plain[0] + plain[1]]
        for record in plain:
            tls.write(record)
            if dice.random() < 0.2 or outgoing.pending > 4 * RECORD_MAX:
                send(connection, outgoing.read(), shape, dice)
        send(connection, outgoing.read(), shape, dice)


def cut(data: bytes, sizes: tuple[int, int], dice: random.Random) -> list[bytes]:
    """Cuts bytes into pieces whose sizes are drawn from a range."""
    pieces, at = [], 0
    while at < len(data):
        size = dice.randint(*sizes)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def send(connection: socket.socket, data: bytes, shape: Shape, dice: random.Random) -> None:
    """Sends what TLS made, cut where no record ends, with pauses."""
    for segment in cut(data, shape.segments, dice):
        connection.sendall(segment)
        if dice.random() < shape.pauses:
            time.sleep(shape.pause_s)
