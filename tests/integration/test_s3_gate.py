"""Turns calls of pinpipe.s3.Client into requests that the strict gate judges before the strict store sees them.

Never accepts a refusal by the gate: it would be a bug of the client.
Rules: docs/testing.md, "The strict gate"; docs/s3.md.
"""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.error
import urllib.request
from typing import Any

import pinpipe
import pytest
from gates import KEY, TEMPORARY, TlsGate
from servers import SPECIAL_KEYS

from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

KEYS = [*SPECIAL_KEYS, "trailing/blank "]
# The store keeps files and folds these; the gate still sees whether their paths were signed as sent.
FOLDED_KEYS = ["/lead", "a//b", "./x", "a/../b", "a/./b"]
RETRIED = ["500", "503", "unavailable", "429", "request-timeout", "reset-before", "reset-after"]


def client_of(gate: Gate, key: Key = KEY, **options: Any) -> pinpipe.s3.Client:
    credentials = pinpipe.Credentials.static(key.key_id, key.secret, key.token)
    return pinpipe.s3.Client(gate.endpoint, region="us-east-1", credentials=credentials, **options)


def use(client: pinpipe.s3.Client, bucket: str) -> None:
    """Every call of the client, over keys that need encoding."""
    name = f"{bucket}-made"
    client.create_bucket(name)
    for number, key in enumerate(KEYS):
        body = f"{number}".encode() * number
        client.put(name, key, body, content_type="application/json")
        assert client.get(name, key) == body
        assert client.head(name, key).size == len(body)
    for prefix in ("", *KEYS):
        list(client.list(name, prefix=prefix, page_size=3))
    list(client.list(name, start_after="plus+equals=blank in the middle"))
    client.put(name, "once", b"1", if_none_match="*")
    with pytest.raises(pinpipe.Error) as caught:
        client.put(name, "once", b"2", if_none_match="*")
    assert caught.value.status == "ECONFLICT"
    for thing in list(client.list(name)):
        client.delete(name, thing.key)
    client.delete_bucket(name)


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["plain", "session"])
def test_the_gate_accepts_every_call(gate: Gate, gate_bucket: str, key: Key) -> None:
    use(client_of(gate, key), gate_bucket)
    assert gate.journal.refused == []
    written = [write for write in gate.journal.writes if write.method == "PUT" and write.key]
    assert [write.key for write in written] == [*KEYS, "once"]
    for number, write in enumerate(written[:-1]):
        body = f"{number}".encode() * number
        assert (write.size, write.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert write.etag == hashlib.md5(body).hexdigest()


def test_raw_paths_are_signed_as_sent(gate: Gate, gate_bucket: str) -> None:
    client = client_of(gate)
    for key in FOLDED_KEYS:
        client.put(gate_bucket, key, key)
        assert client.get(gate_bucket, key) == key.encode()
    assert [write.key for write in gate.journal.writes] == FOLDED_KEYS
    assert gate.journal.refused == []


def test_over_tls(tls_gate: TlsGate, gate_bucket: str) -> None:
    use(client_of(tls_gate.gate, ca_file=tls_gate.certificate.file), gate_bucket)
    assert tls_gate.gate.journal.refused == []


def test_the_bucket_in_the_host(gate: Gate, gate_bucket: str) -> None:
    credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
    client = pinpipe.s3.Client(
        gate.host_endpoint, region="us-east-1", credentials=credentials, addressing="host"
    )
    for key in KEYS:
        client.put(gate_bucket, key, key)
        assert client.get(gate_bucket, key) == key.encode()
    assert [thing.key for thing in client.list(gate_bucket)] == sorted(KEYS, key=str.encode)
    assert gate.journal.refused == []
    assert {(write.bucket, write.key) for write in gate.journal.writes} == {
        (gate_bucket, key) for key in KEYS
    }


def test_a_large_object(gate: Gate, gate_bucket: str) -> None:
    client, data = client_of(gate), os.urandom(64 << 20)
    client.put(gate_bucket, "large", data)
    assert client.get(gate_bucket, "large") == data
    assert gate.journal.writes[-1].sha256 == hashlib.sha256(data).hexdigest()


def test_presigned_urls_and_escapes(gate: Gate, gate_bucket: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for key in (KEY, TEMPORARY):
        credentials = pinpipe.Credentials.static(key.key_id, key.secret, key.token)

        def send(method: str, path: str, body: bytes, presign: int | None, by: Any = credentials) -> bytes:
            url = f"{gate.endpoint}/{gate_bucket}/{path}"
            signed = pinpipe.sign(
                method, url, body=body, service="s3", region="us-east-1", credentials=by, presign=presign
            )
            headers = dict(signed.headers)
            sent = urllib.request.Request(signed.url, data=body or None, method=method, headers=headers)
            with opener.open(sent, timeout=10) as answer:
                return bytes(answer.read())

        for seconds in (None, 1, 60, 604_800):
            send("PUT", "a%2Bb%20c?x=a%2Bb&x=&y", b"signed", seconds)
            for path in ("a%2Bb%20c", "%61%2bb%20%63?x=1&%61=2", "a%2Bb%20c?b=%2F&a=~"):
                assert send("GET", path, b"", seconds) == b"signed"
    assert gate.journal.refused == []


def answered(link: str, method: str = "GET", body: bytes | None = None) -> bytes:
    """What a link brings to whoever has nothing but it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(link, data=body, method=method), timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["plain", "session"])
def test_links_work_without_a_key(gate: Gate, gate_bucket: str, key: Key) -> None:
    client = client_of(gate, key, request_payer="requester")
    for number, name in enumerate(KEYS):
        body = f"{number}".encode()
        assert answered(client.sign(gate_bucket, name, method="PUT", expires=60), "PUT", body) == b""
        assert client.get(gate_bucket, name) == body
        assert answered(client.sign(gate_bucket, name, method="HEAD"), "HEAD") == b""
        assert answered(client.sign(gate_bucket, name, expires=604_800)) == body
        assert answered(client.sign(gate_bucket, name, method="DELETE"), "DELETE") == b""
    assert list(client.list(gate_bucket)) == [] and gate.journal.refused == []
    link = client.sign(gate_bucket, "a", expires=60)
    for spoilt in (link.replace("/a?", "/b?"), link.replace("Expires=60", "Expires=61")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            answered(spoilt)


def test_links_of_another_kind_are_refused(gate: Gate) -> None:
    client = client_of(gate)
    for bad in ({"expires": 0}, {"expires": 604_801}, {"method": "get"}, {"timeout": 0}):
        with pytest.raises(pinpipe.errors.InvalidArgumentError):
            client.sign("b", "k", **bad)


def test_wrong_keys_are_told(gate: Gate, gate_bucket: str) -> None:
    for key in (Key(KEY.key_id, "wrong"), Key("NOBODY", KEY.secret), Key(TEMPORARY.key_id, TEMPORARY.secret)):
        with pytest.raises(pinpipe.Error) as caught:
            client_of(gate, key).put(gate_bucket, "k", b"x")
        assert caught.value.status == "EAUTH"
        assert not caught.value.retryable
    codes = [refused.code for refused in gate.journal.refused]
    assert codes == ["SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidAccessKeyId"]
    assert gate.journal.writes == []


@pytest.mark.parametrize("fault", [*RETRIED, "reset-in-body"])
def test_a_put_outlives_one_fault(gate: Gate, gate_bucket: str, fault: str) -> None:
    body = os.urandom(300_000)
    gate.faults.add(fault, method="PUT", at_bytes=100_000)
    client_of(gate).put(gate_bucket, "k", body)
    assert gate.journal.faults == [fault]
    assert [write.sha256 for write in gate.journal.writes] == [hashlib.sha256(body).hexdigest()]
    assert gate.journal.refused == []


def test_breaks_over_tls(tls_gate: TlsGate, gate_bucket: str) -> None:
    gate, body = tls_gate.gate, os.urandom(300_000)
    client = client_of(gate, ca_file=tls_gate.certificate.file)
    for fault in ("reset-before", "reset-in-body", "reset-after", "lost-reply"):
        gate.faults.add(fault, method="PUT", at_bytes=100_000)
        client.put(gate_bucket, fault, body)
    for fault in ("lost-reply", "truncated", "reset-in-reply"):
        gate.faults.add(fault, method="GET", at_bytes=100_000)
        assert client.get(gate_bucket, "lost-reply") == body
    assert [write.answered for write in gate.journal.writes] == [True, True, True, False, True]
    assert len(gate.journal.faults) == 7
    assert gate.journal.refused == []


def test_a_put_whose_reply_is_lost_is_put_again(gate: Gate, gate_bucket: str) -> None:
    gate.faults.add("lost-reply", method="PUT")
    client_of(gate).put(gate_bucket, "k", b"x")
    assert [write.answered for write in gate.journal.writes] == [False, True]


@pytest.mark.parametrize("fault", [*RETRIED, "lost-reply", "truncated", "reset-in-reply", "stalled"])
def test_a_get_outlives_one_fault(gate: Gate, gate_bucket: str, fault: str) -> None:
    client, body = client_of(gate), os.urandom(300_000)
    client.put(gate_bucket, "k", body)
    gate.faults.add(fault, method="GET", at_bytes=100_000, seconds=0.2)
    assert client.get(gate_bucket, "k") == body
    assert gate.journal.faults == [fault]
    assert gate.journal.refused == []


def test_threads_over_drawn_faults_lose_nothing(gate: Gate, gate_bucket: str) -> None:
    for fault in ("500", "reset-after", "lost-reply", "reset-in-body"):
        gate.faults.add(fault, method="PUT", count=None, probability=0.05)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        client = client_of(gate, attempts=8)
        try:
            for turn in range(25):
                client.put(gate_bucket, f"{number}/{turn}", f"{number}.{turn}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    wanted = {
        f"{n}/{t}": hashlib.sha256(f"{n}.{t}".encode()).hexdigest() for n in range(4) for t in range(25)
    }
    assert {write.key: write.sha256 for write in gate.journal.writes} == wanted
    again = sum(not write.answered for write in gate.journal.writes)
    assert len(gate.journal.writes) == len(wanted) + again
    assert gate.journal.refused == []
