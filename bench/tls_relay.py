"""Turns a store over http into one over TLS whose records are full: 16 KiB, where versitygw's own hold 4 KiB.

Never looks at what it carries.
Rules: docs/performance.md, "Objects of a store"; RFC 8446 §5.1.

    python tls_relay.py PORT CERTIFICATE KEY    prints its own port, and ends with its parent
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import threading
from contextlib import suppress

CHUNK_BYTES = 256 << 10


def carry(plain: ssl.SSLSocket, port: int) -> None:
    """One connection to its end, both ways."""
    with plain, socket.create_connection(("127.0.0.1", port)) as store, suppress(OSError):
        plain.do_handshake()
        while True:
            ready = [plain] if plain.pending() else select.select([plain, store], [], [])[0]
            for source, sink in ((plain, store), (store, plain)):
                if source in ready:
                    data = source.recv(CHUNK_BYTES)
                    if not data:
                        return
                    sink.sendall(data)


def main() -> None:
    """Serves until standard input ends."""
    port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            raw, _ = listener.accept()
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=carry, args=(plain, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
