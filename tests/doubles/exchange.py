"""Turns the requests of one client connection into verified, forwarded and journalled exchanges, faults played.

Never forwards a byte before the whole request was verified, and never answers for the backend where no rule says so.
Rules: docs/testing.md, "The strict gate"; Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import unquote

from tests.doubles import faults
from tests.doubles.backend import HOP_BY_HOP, Backend, Link
from tests.doubles.journal import Journal, Refused
from tests.doubles.kinesis_limits import ShardLimits
from tests.doubles.kinesis_reads import ReadLimits
from tests.doubles.payload import BodyReset, Payload, flipped
from tests.doubles.refusals import Refusal, answer
from tests.doubles.sigv4_verifier import Claim, Verifier, iso
from tests.doubles.wire import READ_BYTES, Body, Head, read_head, reply_head

IDLE_TIMEOUT_S = 60.0
DRAIN_MAX_BYTES = 16 << 20
DRAIN_TIMEOUT_S = 2.0
SMALL_ANSWER_BYTES = 1 << 20
_ETAG = re.compile(rb"<ETag>(?:&#34;|&quot;|\")?([^<&\"]+)")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class House:
    """What all connections of a gate share. `bucket_regions`: buckets that live elsewhere than the endpoint."""

    backend: Backend
    verifier: Verifier
    script: faults.Faults
    journal: Journal
    domain: str
    bucket_regions: dict[str, str] = field(default_factory=dict)
    redirect: str = "wrong-region"
    limits: ShardLimits | ReadLimits | None = None


class Dropped(Exception):
    """The connection ends here by the script: with a reset, or in order."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset
        super().__init__("dropped")


def object_of(head: Head, domain: str) -> tuple[str, str, str]:
    """Bucket, key and path-style path of a request; the bucket stands in the host or begins the path."""
    host = head.value("host").rpartition(":")[0] or head.value("host")
    path = head.path
    if host.lower().endswith("." + domain):
        path = f"/{host[: -len(domain) - 1]}{path}"
    bucket, _, key = path[1:].partition("/")
    return unquote(bucket), unquote(key), path


class Exchange:
    """One client connection."""

    def __init__(self, house: House, connection: socket.socket, *, secure: bool) -> None:
        self._house, self._socket, self._secure = house, connection, secure
        self._link = Link(house.backend)
        connection.settimeout(IDLE_TIMEOUT_S)
        self._file = connection.makefile("rb")

    def serve(self) -> None:
        """Answers until either side closes."""
        try:
            while self._next():
                pass
            self._close_in_order()
        except Dropped as dropped:
            if dropped.reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        finally:
            self._link.close()
            self._file.close()
            self._socket.close()

    def _close_in_order(self) -> None:
        """Waits for the client's end, so that its unread bytes do not turn our last answer into a reset."""
        self._socket.settimeout(DRAIN_TIMEOUT_S)
        self._socket.shutdown(socket.SHUT_WR)
        left = DRAIN_MAX_BYTES
        while left > 0 and (data := self._socket.recv(READ_BYTES)):
            left -= len(data)

    def _next(self) -> bool:
        """One request; False where the connection must end."""
        try:
            head = read_head(self._file, secure=self._secure)
        except Refusal as refusal:
            self._house.journal.refuse(Refused("?", "?", refusal.code, refusal.message))
            self._answer_refusal(refusal, Head("GET", "/", (), self._secure), keep=False)
            return False
        if head is None:
            return False
        self._house.journal.request(head)
        keep = head.value("connection").lower() != "close"
        waits = head.value("expect").lower() == "100-continue"
        body: Body | None = None
        try:
            body = Body(self._file, head)
            return self._handle(head, body, waits) and keep
        except Refusal as refusal:
            self._house.journal.refuse(Refused(head.method, head.target, refusal.code, refusal.message))
            keep = keep and body is not None and not waits and self._drained(body)
            self._answer_refusal(refusal, head, keep=keep)
            return keep

    @staticmethod
    def _drained(body: Body) -> bool:
        try:
            while not body.ended and body.bytes_read < DRAIN_MAX_BYTES and body.read(READ_BYTES):
                pass
        except Refusal:
            return False
        return body.ended

    def _handle(self, head: Head, body: Body, waits: bool) -> bool:
        house = self._house
        early = self._rule(head, early=True)
        if early and early.fault == "delayed":
            time.sleep(early.seconds)
        elif early:
            raise Dropped(reset=True)
        bucket, key, path = object_of(head, house.domain)
        claim = self._claim(head, bucket)
        if claim.payload is not None:
            house.verifier.check(claim, head, claim.payload)
        rule = self._rule(head, early=False)
        fault = rule.fault if rule else ""
        if waits:
            self._socket.sendall(_CONTINUE)
        with Payload() as payload:
            try:
                payload.receive(
                    body,
                    head,
                    claim,
                    reset_at=place(rule, "reset-in-body"),
                    flip_at=place(rule, "flipped-in-body"),
                )
            except BodyReset:
                raise Dropped(reset=True) from None
            if claim.payload is None:
                house.verifier.check(claim, head, payload.sha256)
            if fault in ("reset-in-body", "reset-after"):
                raise Dropped(reset=True)
            if rule and fault in faults.ANSWERS:
                self._answer_scripted(rule, head)
                return True
            return self._forward(head, path, (bucket, key), payload, rule)

    def _rule(self, head: Head, *, early: bool) -> faults.Rule | None:
        rule = self._house.script.next(head.method, head.target, early=early)
        if rule:
            self._house.journal.fault(rule.fault)
        return rule

    def _claim(self, head: Head, bucket: str) -> Claim:
        house = self._house
        region = house.bucket_regions.get(bucket)
        try:
            return house.verifier.claim(head, region)
        except Refusal as refusal:
            if region and "Region" in refusal.elements and house.redirect == "redirect":
                raise self._redirection(region) from None
            raise

    @staticmethod
    def _redirection(region: str) -> Refusal:
        elements = {"Endpoint": f"s3.{region}.amazonaws.com"}
        return Refusal("PermanentRedirect", elements=elements, headers={"x-amz-bucket-region": region})

    def _scripted(self, rule: faults.Rule) -> Refusal:
        if rule.fault == "redirect":
            return self._redirection(rule.region)
        code, now = faults.ANSWERS[rule.fault], self._house.verifier.clock()
        if rule.fault == "wrong-region":
            text = f"The authorization header is malformed; the region is wrong; expecting '{rule.region}'"
            return Refusal(
                code,
                text,
                elements={"Region": rule.region},
                headers={"x-amz-bucket-region": rule.region},
            )
        if rule.fault == "skewed":
            server = now + rule.seconds
            return Refusal(
                code,
                elements={"ServerTime": iso(server), "MaxAllowedSkewMilliseconds": "300000"},
                headers={"Date": formatdate(server, usegmt=True)},
            )
        wait = {} if rule.retry_after_s is None else {"Retry-After": str(rule.retry_after_s)}
        return Refusal(code, headers=wait)

    def _answer_scripted(self, rule: faults.Rule, head: Head) -> None:
        status = 200 if rule.fault == "200-error" else None
        self._answer_refusal(self._scripted(rule), head, keep=True, status=status)

    def _answer_refusal(self, refusal: Refusal, head: Head, *, keep: bool, status: int | None = None) -> None:
        said = answer(refusal, self._house.verifier.service, head.path)
        headers = {"Date": self._date(), "Content-Length": str(len(said.body)), **said.headers}
        if not keep:
            headers["Connection"] = "close"
        body = b"" if head.method == "HEAD" else said.body
        self._socket.sendall(reply_head(status or said.status, list(headers.items())) + body)

    def _date(self) -> str:
        return formatdate(self._house.verifier.clock(), usegmt=True)

    def _forward(
        self, head: Head, path: str, name: tuple[str, str], payload: Payload, rule: faults.Rule | None
    ) -> bool:
        fault = rule.fault if rule else ""
        cut = self._house.limits.take(head, payload) if self._house.limits else None
        if cut and cut.is_whole:
            self._answer_json(cut.answer(b""))
            return True
        try:
            said = self._link.send(head, path, payload)
            small = head.method in ("POST", "DELETE") or fault == "lost-reply"
            body = said.read(SMALL_ANSWER_BYTES) if small else b""
        except (OSError, http.client.HTTPException) as error:
            # The backend's death must not look like a fault that was asked for.
            self._link.close()
            text = f"the gate's backend gave no answer: {type(error).__name__}: {error}"
            raise Refusal("InternalError", text) from None
        self._journal(head, name, payload, said, body, fault != "lost-reply")
        if fault == "lost-reply":
            self._link.close()
            raise Dropped(reset=True)
        if cut and said.status == 200:
            self._answer_json(cut.answer(body + said.read()))
            return True
        return self._relay(head, said, body, rule)

    def _answer_json(self, body: bytes) -> None:
        headers = [
            ("Date", self._date()),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Content-Length", str(len(body))),
        ]
        self._socket.sendall(reply_head(200, headers) + body)

    def _journal(
        self,
        head: Head,
        name: tuple[str, str],
        payload: Payload,
        said: http.client.HTTPResponse,
        body: bytes,
        answered: bool,
    ) -> None:
        is_error = head.method == "POST" and b"<Error>" in body
        if head.method not in ("PUT", "POST", "DELETE") or said.status // 100 != 2 or is_error:
            return
        found = _ETAG.search(body) if head.method == "POST" else None
        etag = found[1].decode() if found else (said.getheader("ETag") or "").strip('"')
        self._house.journal.add(
            time_s=time.time(),
            method=head.method,
            bucket=name[0],
            key=name[1],
            query=head.query,
            target=head.value("x-amz-target"),
            status=said.status,
            etag=etag,
            sha256=payload.sha256,
            size=payload.size,
            answered=answered,
        )

    def _relay(
        self, head: Head, said: http.client.HTTPResponse, first: bytes, rule: faults.Rule | None
    ) -> bool:
        skipped = HOP_BY_HOP | {"date", "content-length"}
        headers = [(name, value) for name, value in said.getheaders() if name.lower() not in skipped]
        headers.append(("Date", self._date()))
        length = said.getheader("Content-Length")
        bodiless = head.method == "HEAD" or said.status in (204, 304)
        framed = length is None and not bodiless
        if length is not None and said.status != 204:
            headers.append(("Content-Length", length))
        if framed:
            headers.append(("Transfer-Encoding", "chunked"))
        self._socket.sendall(reply_head(said.status, headers))
        send: Callable[[bytes], None] = self._send_frame if framed else self._socket.sendall
        for data in self._pieces(said, first, rule):
            send(data)
        if framed:
            self._socket.sendall(b"0\r\n\r\n")
        return True

    def _send_frame(self, data: bytes) -> None:
        self._socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    @staticmethod
    def _pieces(said: http.client.HTTPResponse, first: bytes, rule: faults.Rule | None) -> Iterator[bytes]:
        """The body's reads, cut where the script breaks the reply."""
        fault = rule.fault if rule else ""
        cut = place(rule, "truncated", "reset-in-reply", "stalled")
        flip = place(rule, "flipped-in-reply")
        sent = 0
        while True:
            data = first or said.read(READ_BYTES)
            first = b""
            if cut is not None and rule and (sent + len(data) > cut or not data):
                yield from filter(None, [data[: cut - sent]])
                if fault != "stalled":
                    raise Dropped(reset=fault == "reset-in-reply")
                time.sleep(rule.seconds)
                data, cut = data[cut - sent :], None
            if not data:
                return
            yield flipped(data, None if flip is None else flip - sent)
            sent += len(data)


def place(rule: faults.Rule | None, *names: str) -> int | None:
    """Where the rule breaks a body, if it is one of these faults."""
    return rule.at_bytes if rule and rule.fault in names else None


def serve(house: House, connection: socket.socket, *, secure: bool) -> None:
    """Serves one connection to its end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Exchange(house, connection, secure=secure).serve()
