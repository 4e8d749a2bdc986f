"""Turns bytes on a socket into what the strict gate reads from them: framing, limits, connections.

Never uses an HTTP library: what they would not send is what is sent here.
Rules: RFC 9112 §6.3 (length of a message), §3 (request line), §5 (field lines), §9.3 (persistence).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gates import KEY
from raw_s3 import Raw, signed
from servers import Store

from tests.doubles import gate as gate_module
from tests.doubles.gate import Gate

BODY = b"0123456789" * 1000


def bytes_of(raw: Raw) -> bytes:
    lines = [f"{raw.method} {raw.target} HTTP/1.1", *(f"{n}: {v}" for n, v in raw.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + raw.body


def talk(gate: Gate, data: bytes) -> bytes:
    """All that the gate says until it closes or is silent; our side is closed after `data`."""
    url = urlsplit(gate.endpoint)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while more := connection.recv(65_536):
            said += more
    return said


@pytest.mark.parametrize(
    "data",
    [
        b"PUT /b/k HTTP/1.0\r\n\r\n",
        b"PUT b/k HTTP/1.1\r\n\r\n",
        b"PUT /b k HTTP/1.1\r\n\r\n",
        b"PUT /b/\xffk HTTP/1.1\r\n\r\n",
        b"PUT /b/k HTTP/1.1\nhost: a\n\n",
        b"PUT /b/k HTTP/1.1\r\nhost a\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nhost : a\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\ncontent-length: +3\r\n\r\nabc",
        b"PUT /b/k HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\n" + b"a: " + b"x" * 20_000 + b"\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\n" + b"".join(b"a%d: %b\r\n" % (n, b"x" * 8000) for n in range(9)) + b"\r\n",
    ],
)
def test_what_is_no_request(gate: Gate, data: bytes) -> None:
    said = talk(gate, data)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>BadRequest</Code>" in said
    assert len(gate.journal.refused) == 1


def test_requests_in_one_write(gate: Gate, gate_bucket: str) -> None:
    raws = [signed(gate.endpoint, "PUT", f"/{gate_bucket}/{n}", body=BODY * n) for n in range(5)]
    said = talk(gate, b"".join(map(bytes_of, raws)))
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert [write.size for write in gate.journal.writes] == [len(BODY) * n for n in range(5)]
    assert gate.journal.requests == 5
    assert [head.target for head in gate.journal.heads] == [raw.target for raw in raws]


def test_a_refused_body_is_read_to_its_end(gate: Gate, gate_bucket: str) -> None:
    bad = signed(gate.endpoint, "PUT", f"/{gate_bucket}/bad", body=BODY * 100)
    bad.headers["x-amz-meta-more"] = "1"
    good = signed(gate.endpoint, "PUT", f"/{gate_bucket}/good", body=BODY)
    said = talk(gate, bytes_of(bad) + bytes_of(good))
    assert said.index(b"HTTP/1.1 403 ") < said.index(b"HTTP/1.1 200 ")
    assert [write.key for write in gate.journal.writes] == ["good"]


def test_a_body_in_http_chunks(gate: Gate, gate_bucket: str) -> None:
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/k", body=BODY)
    del raw.headers["content-length"]
    raw.headers["transfer-encoding"] = "chunked"
    frames = b"".join(b"%x;note=1\r\n%b\r\n" % (len(p), p) for p in (BODY[:1], BODY[1:7777], BODY[7777:]))
    raw.body = frames + b"0\r\n\r\n"
    assert talk(gate, bytes_of(raw)).startswith(b"HTTP/1.1 200 ")
    raw.body = frames.replace(b"\r\n1", b"\r\nx1", 1) + b"0\r\n\r\n"
    assert b"HTTP/1.1 400 " in talk(gate, bytes_of(raw))


def test_a_body_that_ends_early_is_never_stored(gate: Gate, gate_bucket: str) -> None:
    raw = signed(gate.endpoint, "PUT", f"/{gate_bucket}/k", body=BODY)
    for cut in (1, 5000, len(BODY)):
        said = talk(gate, bytes_of(raw)[:-cut])
        assert b"<Code>IncompleteBody</Code>" in said
    assert gate.journal.writes == []


def peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def test_large_bodies_side_by_side_in_bounded_memory(versitygw: Store, gate_bucket: str) -> None:
    """The gate's own program, so that its memory is its own; 4 x 64 MiB in and out at once."""
    command = [sys.executable, str(Path(gate_module.__file__)), "--backend", versitygw.endpoint]
    command += ["--backend-key", f"{versitygw.key}:{versitygw.secret}", "--key", f"{KEY.key_id}:{KEY.secret}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            endpoint = process.stdout.readline().strip()
            begun = peak_kib(process.pid)
            data = bytes(64 << 20)
            put = signed(endpoint, "PUT", f"/{gate_bucket}/large", body=data)
            get = signed(endpoint, "GET", f"/{gate_bucket}/large")
            sizes: list[tuple[int, int]] = []

            def move() -> None:
                status, got = put.send().status, get.send().body
                sizes.append((status, len(got)))

            threads = [threading.Thread(target=move) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            grown = peak_kib(process.pid) - begun
        finally:
            process.terminate()
    assert sizes == [(200, len(data))] * 4
    print(f"4 x 64 MiB in and out: {grown} KiB more at the peak")
    assert grown < 32 << 10


def test_it_listens_on_loopback_and_ends_with_its_block(gate: Gate) -> None:
    url = urlsplit(gate.endpoint)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        said = b""
        while not said.endswith(b"</Error>"):
            said += idle.recv(65_536)
        gate.__exit__(None, None, None)
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
    names = {thread.name for thread in threading.enumerate()}
    assert "gate" not in names
