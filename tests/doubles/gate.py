"""Turns a server behind it into one that judges every request as AWS does, fails by script and keeps a journal.

Never listens beyond 127.0.0.1 and never outlives its block, or its parent where it runs alone.
Rules: docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.doubles import exchange
from tests.doubles.backend import Backend
from tests.doubles.certificate import Certificate, make_certificate
from tests.doubles.faults import Faults
from tests.doubles.journal import Journal
from tests.doubles.kinesis_limits import ShardLimits
from tests.doubles.kinesis_reads import ReadLimits
from tests.doubles.sigv4_verifier import Key, Verifier

DOMAIN = "s3.localhost"
STOP_TIMEOUT_S = 5.0
HANDSHAKE_TIMEOUT_S = 10.0
BACKLOG = 256


class Gate:
    """A gate in this process, from `with` to its end.

    keys: whom it lets in, else the backend's own key. clock_offset_s: how far its clock is ahead, in its
    judgement and in its Date. bucket_regions: buckets of another region than `region`; redirect: how a request
    signed for the wrong one is answered, 'wrong-region' (400) or 'redirect' (301). Buckets in the host stand
    before `s3.localhost`. limits: what the shards of a stream take or give (`kinesis_limits`,
    `kinesis_reads`).
    """

    def __init__(
        self,
        backend: Backend,
        *,
        keys: Iterable[Key] = (),
        region: str | None = None,
        window_s: float = 300.0,
        clock_offset_s: float = 0.0,
        bucket_regions: dict[str, str] | None = None,
        redirect: str = "wrong-region",
        certificate: Certificate | None = None,
        unsigned_without_tls: bool = False,
        journal_file: Path | None = None,
        seed: int | None = None,
        port: int = 0,
        limits: ShardLimits | ReadLimits | None = None,
    ) -> None:
        self.clock_offset_s = clock_offset_s
        self.faults = Faults(seed)
        self.journal = Journal(journal_file)
        known = list(keys) or [Key(backend.key_id, backend.secret)]
        self.verifier = Verifier(
            keys={key.key_id: key for key in known},
            region=region or backend.region,
            service=backend.service,
            clock=lambda: time.time() + self.clock_offset_s,
            window_s=window_s,
            unsigned_without_tls=unsigned_without_tls,
        )
        self.house = exchange.House(
            backend, self.verifier, self.faults, self.journal, DOMAIN, bucket_regions or {}, redirect, limits
        )
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate.file, certificate.key_file)
        self._port = port
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    def __enter__(self) -> Gate:
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=BACKLOG)
        self._port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, name="gate", daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with self._lock:
            self._stopping = True
            open_now, threads = list(self._connections), list(self._threads)
        for one in (self._listener, *open_now):
            # A thread that waits in accept or recv is woken by the shutdown, not by the close.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for thread in (self._accepting, *threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._listener.close()

    @property
    def endpoint(self) -> str:
        """The URL that clients are given."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def host_endpoint(self) -> str:
        """The URL for clients that put the bucket before the host."""
        return f"{'https' if self._tls else 'http'}://{DOMAIN}:{self._port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections.add(connection)
                self._threads.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        plain = connection
        try:
            if self._tls:
                connection.settimeout(HANDSHAKE_TIMEOUT_S)
                secured = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.add(secured)
                connection = secured
            exchange.serve(self.house, connection, secure=bool(self._tls))
        except OSError:
            pass
        finally:
            connection.close()
            plain.close()
            with self._lock:
                self._connections -= {connection, plain}
                self._threads.discard(threading.current_thread())


def _wait_for_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)


def main() -> int:
    """Runs a gate alone until its parent ends or a signal comes; prints its endpoint first."""
    parser = argparse.ArgumentParser(description="a strict gate before an S3 store or a Kinesis double")
    parser.add_argument("--backend", required=True, help="URL of the server behind it")
    parser.add_argument("--backend-key", default="pin:pinpinpinpin", help="KEY:SECRET that the server knows")
    parser.add_argument(
        "--key", action="append", default=[], help="KEY:SECRET[:TOKEN] of a client, repeatable"
    )
    parser.add_argument("--service", default="s3", choices=("s3", "kinesis"))
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", action="store_true", help="serve TLS with a certificate made now")
    parser.add_argument("--journal", type=Path, help="NDJSON file of accepted writes")
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--fault", action="append", default=[], help='JSON, such as {"fault": "503", "count": 3}'
    )
    arguments = parser.parse_args()
    key_id, _, secret = arguments.backend_key.partition(":")
    backend = Backend(arguments.backend, key_id, secret, arguments.region, arguments.service)
    keys = [Key(*text.split(":", 2)) for text in arguments.key]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent = os.getppid()
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder)) if arguments.tls else None
        with Gate(
            backend,
            keys=keys,
            certificate=certificate,
            journal_file=arguments.journal,
            seed=arguments.seed,
            port=arguments.port,
        ) as gate:
            for text in arguments.fault:
                gate.faults.add(**json.loads(text))
            print(gate.endpoint, flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                _wait_for_parent(parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
