"""Turns requests to Kafka's REST proxy into recorded answers, or into records and their offsets, on loopback.

Never answers what was not recorded, and never takes a request that kafka-rest refuses: both are noted.
Rules: Confluent REST Proxy API Reference, "API v2"; transcripts: tests/vectors/kafka-rest; docs/testing.md.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.doubles.certificate import Certificate

CONTENT_TYPE = "application/vnd.kafka.json.v2+json"
ANSWER_TYPE = "application/vnd.kafka.v2+json"
BODY_MAX_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request as sent; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gets. delay_s: before it; cut: bytes of the body after which the connection is reset; -1 = none."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": ANSWER_TYPE})
    delay_s: float = 0.0
    cut: int = -1


# None: the connection is reset without an answer.
Answerer = Callable[[Request], Answer | None]


class Server:
    """A server in this process, from `with` to its end; `requests` and `connections` are what it has seen.

    keep: whether it keeps the requests.
    """

    def __init__(
        self, answer: Answerer, *, certificate: Certificate | None = None, keep: bool = True
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._answer = answer
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with server._lock:
                    server.connections += 1

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                if length > BODY_MAX_BYTES:
                    raise OSError("the body is larger than a test may send")
                body = self.rfile.read(length)
                names = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, names, body)
                if keep:
                    with server._lock:
                        server.requests.append(request)
                server._send(self, server._answer(request))

            do_GET = do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.file, certificate.key_file)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The URL without a stage."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer | None) -> None:
        if answer is None:
            self._reset(handler)
            return
        time.sleep(answer.delay_s)
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body if answer.cut < 0 else answer.body[: answer.cut])
        if answer.cut >= 0:
            handler.wfile.flush()
            self._reset(handler)

    @staticmethod
    def _reset(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with contextlib.suppress(OSError):
            handler.connection.shutdown(socket.SHUT_RD)
        handler.connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


class Transcript:
    """Answers recorded exchanges in their order. What differs from the record is answered 418 and kept in `wrong`."""

    def __init__(self, exchanges: Sequence[dict[str, Any]]) -> None:
        self._exchanges = list(exchanges)
        self._lock = threading.Lock()
        self.wrong: list[str] = []

    @property
    def left(self) -> int:
        """Exchanges that were not asked for."""
        return len(self._exchanges)

    def __call__(self, request: Request) -> Answer | None:
        with self._lock:
            if not self._exchanges:
                self.wrong.append(f"nothing is recorded for {request.method} {request.target}")
                return Answer(418, b"")
            exchange = self._exchanges.pop(0)
        asked, said = exchange["request"], exchange["answer"]
        differs = [
            f"{name} is {have!r}, not {want!r}"
            for name, have, want in (
                ("method", request.method, asked["method"]),
                ("target", request.target, asked["target"]),
                ("body", request.body.decode(), asked["body"]),
                *((name, request.headers.get(name), value) for name, value in asked["headers"].items()),
            )
            if have != want
        ]
        if differs:
            self.wrong.extend(differs)
            return Answer(418, b"")
        if said is None:
            return None
        return Answer(said["status"], said["body"].encode(), dict(said.get("headers", {})))


class Proxy:
    """Keeps records by topic and partition as kafka-rest would write them, and refuses what it refuses.

    topics: name -> partitions; stage: what the gateway before it takes off the path. fault: asked before each request
    that could be served: an Answer in place of the proxy's own, "lost" (written, and reset), "reset" (reset), None.
    store: called with (topic, partition, value) for each record that is written.
    """

    def __init__(
        self,
        topics: dict[str, int],
        *,
        stage: str = "",
        fault: Callable[[Request], Answer | str | None] = lambda _: None,
        refuse: Callable[[str, Any], tuple[int, str] | None] = lambda topic, value: None,
        store: Callable[[str, int, str], None] = lambda *_: None,
    ) -> None:
        self.records: dict[tuple[str, int], list[str]] = {
            (topic, partition): [] for topic, count in topics.items() for partition in range(count)
        }
        self.refused: list[str] = []
        self._topics, self._stage = topics, stage
        self._fault, self._refuse, self._store = fault, refuse, store
        self._turn = 0
        self._lock = threading.Lock()

    def values(self, topic: str) -> list[Any]:
        """The values of a topic, partition after partition."""
        return [
            json.loads(text) for (name, _), rows in self.records.items() if name == topic for text in rows
        ]

    def __call__(self, request: Request) -> Answer | None:
        fault = self._fault(request)
        if isinstance(fault, Answer) or fault == "reset":
            return fault if isinstance(fault, Answer) else None
        answer = self._judge(request)
        return None if fault == "lost" else answer

    def _error(self, status: int, code: int, message: str) -> Answer:
        self.refused.append(f"{status} {code} {message}")
        return Answer(status, json.dumps({"error_code": code, "message": message}).encode())

    def _faults(self, request: Request) -> Iterator[Answer]:
        """What kafka-rest refuses of a request, in the order in which it looks."""
        topic = self._topic(request)
        if request.method != "POST" or not topic:
            yield self._error(404, 404, "HTTP 404 Not Found")
        if request.headers.get("content-type") != CONTENT_TYPE:
            yield self._error(415, 415, "HTTP 415 Unsupported Media Type")
        if request.headers.get("accept") != ANSWER_TYPE:
            yield self._error(406, 406, "HTTP 406 Not Acceptable")
        try:
            body = json.loads(request.body.decode("utf-8"))
        except ValueError as error:
            yield self._error(400, 400, f"Malformed JSON: {error}")
            return
        for name in set(body) - {"records"}:
            yield self._error(422, 422, f"Unrecognized field: {name}")
        if not body.get("records"):
            yield self._error(422, 422, "Empty records")
        if topic not in self._topics:
            yield self._error(404, 40401, "Topic not found.")

    def _topic(self, request: Request) -> str:
        base = f"{self._stage}/topics/"
        return request.target.removeprefix(base) if request.target.startswith(base) else ""

    def _judge(self, request: Request) -> Answer:
        refusal = next(self._faults(request), None)
        if refusal:
            return refusal
        topic, body = self._topic(request), json.loads(request.body)
        with self._lock:
            offsets = [self._write(topic, record) for record in body["records"]]
        answer = {"offsets": offsets, "key_schema_id": None, "value_schema_id": None}
        return Answer(200, json.dumps(answer, separators=(",", ":")).encode())

    def _write(self, topic: str, record: dict[str, Any]) -> dict[str, object]:
        if refused := self._refuse(topic, record["value"]):
            return {"partition": None, "offset": None, "error_code": refused[0], "error": refused[1]}
        partition = record.get("partition", self._turn % self._topics[topic])
        self._turn += 1
        text = json.dumps(record["value"], ensure_ascii=False, separators=(",", ":"))
        rows = self.records[topic, partition]
        rows.append(text)
        self._store(topic, partition, text)
        return {"partition": partition, "offset": len(rows) - 1, "error_code": None, "error": None}
