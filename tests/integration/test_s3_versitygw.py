"""Turns calls of pinpipe.s3.Client into requests to a strict store that checks every signature.

Never runs against a double of our own.
Rules: docs/s3.md; versitygw 1.8.0 verifies signature, body hash, date, scope and conditions.
"""

from __future__ import annotations

import http.server
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from servers import SPECIAL_KEYS, Store, free_port, run_versitygw

from tests.doubles.certificate import make_certificate


def client_of(store: Store, **changed: Any) -> pinpipe.s3.Client:
    key = changed.pop("key", store.key)
    secret = changed.pop("secret", store.secret)
    options: dict[str, Any] = {"region": store.region, "credentials": pinpipe.Credentials.static(key, secret)}
    return pinpipe.s3.Client(changed.pop("endpoint", store.endpoint), **(options | changed))


@pytest.fixture
def client(versitygw: Store) -> pinpipe.s3.Client:
    return client_of(versitygw)


@pytest.fixture
def bucket(client: pinpipe.s3.Client) -> Iterator[str]:
    name = f"b-{uuid.uuid4().hex[:12]}"
    client.create_bucket(name)
    yield name
    for thing in list(client.list(name)):
        client.delete(name, thing.key)
    client.delete_bucket(name)


def test_put_get_head_delete(client: pinpipe.s3.Client, bucket: str) -> None:
    before = datetime.now(UTC)
    for size in (0, 1, 1 << 20, (3 << 20) + 1):
        data = os.urandom(size)
        client.put(bucket, "a/b.json", data, content_type="application/json")
        assert client.get(bucket, "a/b.json") == data
        told = client.head(bucket, "a/b.json")
        assert (told.key, told.size, told.content_type) == ("a/b.json", size, "application/json")
        assert told.etag.startswith('"')
        assert told.modified and abs(told.modified - before) < timedelta(seconds=30)
    client.delete(bucket, "a/b.json")
    client.delete(bucket, "a/b.json")
    for call in (client.get, client.head):
        with pytest.raises(pinpipe.Error) as caught:
            call(bucket, "a/b.json")
        assert caught.value.status == "ENOTFOUND"
        assert (caught.value.native_code, caught.value.service) == (404, "s3")
    with pytest.raises(pinpipe.Error, match="NoSuchKey"):
        client.get(bucket, "a/b.json")


def test_special_keys(client: pinpipe.s3.Client, bucket: str) -> None:
    for number, key in enumerate(SPECIAL_KEYS):
        client.put(bucket, key, f"{number}")
    for number, key in enumerate(SPECIAL_KEYS):
        assert client.get(bucket, key) == str(number).encode(), key
        assert client.head(bucket, key).size == len(str(number))
    assert [thing.key for thing in client.list(bucket)] == sorted(SPECIAL_KEYS, key=str.encode)
    for key in SPECIAL_KEYS:
        assert [thing.key for thing in client.list(bucket, prefix=key)] == [key]


def test_raw_paths_are_signed_as_sent(client: pinpipe.s3.Client, bucket: str) -> None:
    """This store keeps files, so it folds such keys; what counts is that it accepts their signatures."""
    for key in ("a//b", "/lead", "./x", "a/../b", "a/./b"):
        client.put(bucket, key, key)
        assert client.get(bucket, key) == key.encode()


def test_list_over_pages(client: pinpipe.s3.Client, bucket: str) -> None:
    keys = [f"topics/t/partition={number % 3}/t+{number % 3}+{number:010d}.json" for number in range(1100)]
    for key in keys:
        client.put(bucket, key, key)
    listed = list(client.list(bucket))
    assert [thing.key for thing in listed] == sorted(keys)
    assert {thing.size for thing in listed} == {len(keys[0])}
    assert all(thing.modified and thing.modified.tzinfo for thing in listed)
    narrow = sorted(key for key in keys if key.startswith("topics/t/partition=1/"))
    assert [thing.key for thing in client.list(bucket, "topics/t/partition=1/", page_size=7)] == narrow
    assert [t.key for t in client.list(bucket, "topics/t/partition=1/", start_after=narrow[4])] == narrow[5:]
    assert list(client.list(bucket, "nothing/")) == []


def test_if_none_match(client: pinpipe.s3.Client, bucket: str) -> None:
    client.put(bucket, "once", b"1", if_none_match="*")
    with pytest.raises(pinpipe.Error) as caught:
        client.put(bucket, "once", b"2", if_none_match="*")
    assert caught.value.status == "ECONFLICT"
    assert "PreconditionFailed" in caught.value.message
    assert client.get(bucket, "once") == b"1"
    client.put(bucket, "once", b"3")
    assert client.get(bucket, "once") == b"3"


def test_buckets(client: pinpipe.s3.Client, bucket: str) -> None:
    with pytest.raises(pinpipe.Error) as caught:
        client.create_bucket(bucket)
    assert caught.value.status == "ECONFLICT"
    client.put(bucket, "x", b"")
    with pytest.raises(pinpipe.Error) as caught:
        client.delete_bucket(bucket)
    assert caught.value.status == "ECONFLICT"
    for call in (
        lambda: client.get("no-such-bucket", "k"),
        lambda: client.put("no-such-bucket", "k", b""),
        lambda: list(client.list("no-such-bucket")),
        lambda: client.delete_bucket("no-such-bucket"),
    ):
        with pytest.raises(pinpipe.Error) as caught:
            call()
        assert caught.value.status == "ENOTFOUND"
        assert "NoSuchBucket" in caught.value.message


def test_wrong_secret(versitygw: Store, bucket: str) -> None:
    for changed in ({"secret": "anothersecret"}, {"key": "nobody"}):
        with pytest.raises(pinpipe.Error) as caught:
            client_of(versitygw, **changed).get(bucket, "k")
        assert caught.value.status == "EAUTH"
        assert not caught.value.retryable
        assert versitygw.secret not in caught.value.message
        assert "anothersecret" not in caught.value.message


def test_limits_and_names(client: pinpipe.s3.Client, bucket: str) -> None:
    client.put(bucket, "big", b"x" * 4096)
    assert len(client.get(bucket, "big", max_bytes=4096)) == 4096
    with pytest.raises(pinpipe.Error) as caught:
        client.get(bucket, "big", max_bytes=4095)
    assert caught.value.status == "ELIMIT"
    assert "4095" in caught.value.message
    for call in (
        lambda: client.get(bucket, ""),
        lambda: client.get(bucket, "k" * 1025),
        lambda: client.get("b/../x", "k"),
        lambda: client.get("", "k"),
        lambda: client.put(bucket, "k", b"", content_type="a\r\nb: c"),
        lambda: list(client.list(bucket, page_size=1001)),
        lambda: client.get(bucket, "k", timeout=-1),
    ):
        with pytest.raises(pinpipe.Error) as caught:
            call()
        assert caught.value.status == "EINVAL"


def test_refused_connection_and_deadline(versitygw: Store) -> None:
    begun = time.monotonic()
    with pytest.raises(pinpipe.Error) as caught:
        client_of(versitygw, endpoint=f"http://127.0.0.1:{free_port()}").get("bucket", "k")
    assert caught.value.status == "ENET"
    assert caught.value.retryable
    assert "127.0.0.1" in caught.value.message
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        slow = client_of(versitygw, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(pinpipe.Error) as caught:
            slow.get("bucket", "k", timeout=0.3)
    assert caught.value.status == "ETIMEOUT"
    assert time.monotonic() - begun < 5


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    with run_versitygw(tmp_path / "store", certificate) as store:
        trusting = client_of(store, ca_file=certificate.file)
        trusting.create_bucket("over-tls")
        trusting.put("over-tls", "k", b"x" * 100_000)
        assert trusting.get("over-tls", "k") == b"x" * 100_000
        with pytest.raises(pinpipe.Error, match="certificate") as caught:
            client_of(store).get("over-tls", "k")
        assert caught.value.status == "EREFUSED"
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.file))
        assert len(client_of(store).get("over-tls", "k")) == 100_000
        store.process.kill()
        store.process.wait()
        with pytest.raises(pinpipe.Error) as caught:
            trusting.get("over-tls", "k")
        assert caught.value.status == "ENET"


def test_endpoint_from_environment(versitygw: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", versitygw.endpoint + "/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", versitygw.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", versitygw.secret)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    pinpipe.s3.Client().put(bucket, "k", b"from the environment")
    assert pinpipe.s3.Client().get(bucket, "k") == b"from the environment"
    for wrong in ("127.0.0.1:9000", "http://", "http://h/?x", "ftp://h"):
        with pytest.raises(pinpipe.Error) as caught:
            pinpipe.s3.Client(wrong)
        assert caught.value.status == "EINVAL"


def test_presigned_urls(versitygw: Store, client: pinpipe.s3.Client, bucket: str) -> None:
    key = pinpipe.Credentials.static(versitygw.key, versitygw.secret)
    url = f"{versitygw.endpoint}/{bucket}/pre%2Bsigned?x=a+b"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(method: str, body: bytes | None) -> bytes:
        signed = pinpipe.sign(
            method,
            url,
            body=body or b"",
            service="s3",
            region=versitygw.region,
            credentials=key,
            presign=60,
        )
        request = urllib.request.Request(signed.url, data=body, method=method, headers=dict(signed.headers))
        with opener.open(request, timeout=10) as answer:
            return bytes(answer.read())

    send("PUT", b"presigned")
    assert send("GET", None) == b"presigned"
    assert client.get(bucket, "pre+signed") == b"presigned"
    with opener.open(client.sign(bucket, "pre+signed"), timeout=10) as answer:
        assert answer.read() == b"presigned"


def test_escapes_of_a_path_are_signed_as_what_they_mean(
    versitygw: Store, client: pinpipe.s3.Client, bucket: str
) -> None:
    client.put(bucket, "a/b!(c)", b"1")
    key = pinpipe.Credentials.static(versitygw.key, versitygw.secret)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in ("a/b!(c)", "a%2Fb!(c)", "%61/b%21%28c%29", "a/b%21(%63)"):
        url = f"{versitygw.endpoint}/{bucket}/{path}"
        signed = pinpipe.sign("GET", url, service="s3", region=versitygw.region, credentials=key)
        with opener.open(urllib.request.Request(url, headers=dict(signed.headers)), timeout=10) as answer:
            assert answer.read() == b"1"


def test_curl_line_of_the_command(
    versitygw: Store, client: pinpipe.s3.Client, bucket: str, tmp_path: Any
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"by curl")
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": versitygw.key,
        "AWS_SECRET_ACCESS_KEY": versitygw.secret,
    }
    command = [sys.executable, "-m", "pinpipe", "sign", "PUT", f"{versitygw.endpoint}/{bucket}/by%20curl"]
    command += ["--service", "s3", "--region", versitygw.region, "--body", str(body), "--format", "json"]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    line = json.loads(shown)["curl"]
    subprocess.run(["sh", "-c", f"{line} --fail --silent --show-error --noproxy '*'"], check=True)
    assert client.get(bucket, "by curl") == b"by curl"


def _use_after_fork(client: pinpipe.s3.Client, bucket: str, answers: Any) -> None:
    try:
        client.get(bucket, "k")
        answers.put("no error")
    except pinpipe.Error as error:
        answers.put(error.status)


def test_forked_child(client: pinpipe.s3.Client, bucket: str) -> None:
    client.put(bucket, "k", b"parent")
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_use_after_fork, args=(client, bucket, answers))
    child.start()
    assert answers.get(timeout=10) == "EFORK"
    child.join(10)
    assert child.exitcode == 0
    assert client.get(bucket, "k") == b"parent"


def test_threads_share_a_client(client: pinpipe.s3.Client, bucket: str) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                client.put(bucket, f"t{number}", f"{number}.{turn}")
                assert client.get(bucket, f"t{number}") == f"{number}.{turn}".encode()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


class _Scripted(http.server.BaseHTTPRequestHandler):
    """Answers what the test wrote down, then 200; versitygw never throttles or fails on demand."""

    protocol_version = "HTTP/1.1"
    script: list[tuple[int, bytes, dict[str, str]]]
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        status, body, headers = self.script.pop(0) if self.script else (200, b"at last", {})
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("Content-Length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = status == 299

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[type[_Scripted], pinpipe.s3.Client]]:
    handler = type("Handler", (_Scripted,), {"script": [], "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    key = pinpipe.Credentials.static("pin", "pinpinpinpin")
    yield handler, pinpipe.s3.Client(f"http://127.0.0.1:{server.server_port}", credentials=key, timeout=10)
    server.shutdown()
    server.server_close()
    thread.join()


def _xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>said the store</Message></Error>".encode()


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([(500, b"", {})], None),
        ([(503, _xml("SlowDown"), {}), (500, _xml("InternalError"), {})], None),
        ([(400, _xml("RequestTimeout"), {})], None),
        ([(299, b"cut", {"Content-Length": "100"})], None),
        ([(500, b"", {})] * 3, "ESERVICE"),
        ([(503, _xml("SlowDown"), {})] * 3, "ETHROTTLED"),
        ([(403, _xml("AccessDenied"), {})], "EAUTH"),
        ([(301, _xml("PermanentRedirect"), {"x-amz-bucket-region": "eu-west-1"})], None),
        ([(301, _xml("PermanentRedirect"), {"x-amz-bucket-region": "eu-west-1"})] * 2, "EREFUSED"),
        ([(307, b"", {"Location": "http://127.0.0.1:1/"})], "EREFUSED"),
        ([(418, b"<!DOCTYPE x [<!ENTITY a 'b'>]><Error><Code>&a;</Code></Error>", {})], "EREFUSED"),
        ([(200, b"x", {f"x-{number}": "y" * 8000 for number in range(9)})], "ELIMIT"),
    ],
)
def test_faults(scripted: Any, script: list[Any], status: str | None) -> None:
    handler, client = scripted
    handler.script.extend(script)
    attempts = len(script) + (status is None)
    if status is None:
        assert client.get("bucket", "k") == b"at last"
    else:
        with pytest.raises(pinpipe.Error) as caught:
            client.get("bucket", "k")
        assert caught.value.status == status
    assert len(handler.seen) == attempts
    if script[0][0] == 301 and status:
        assert "eu-west-1" in caught.value.message


def test_retry_after_is_told_and_kept_within_the_deadline(scripted: Any) -> None:
    handler, client = scripted
    handler.script.append((503, _xml("SlowDown"), {"Retry-After": "30"}))
    begun = time.monotonic()
    with pytest.raises(pinpipe.Error) as caught:
        client.get("bucket", "k", timeout=5)
    assert caught.value.retry_after_s == 30
    assert time.monotonic() - begun < 4
    assert len(handler.seen) == 1


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (_xml("InternalError"), "ESERVICE", "InternalError"),
        (b"no xml", "EDATA", "XML"),
        (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "EDATA", "continuation"),
        (b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>", "EDATA", "size"),
        (
            b"<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>",
            "EDATA",
            "x",
        ),
    ],
)
def test_lists_that_are_none(scripted: Any, body: bytes, status: str, named: str) -> None:
    handler, client = scripted
    handler.script.extend([(200, body, {})] * 3)  # an error inside of a 200 is tried again
    with pytest.raises(pinpipe.Error) as caught:
        list(client.list("bucket"))
    assert caught.value.status == status
    assert named in caught.value.message


def test_a_repeated_continuation_token_ends_the_list(scripted: Any) -> None:
    handler, client = scripted
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>a+b/=</NextContinuationToken></ListBucketResult>"
    )
    handler.script.extend([(200, page, {}), (200, page, {})])
    with pytest.raises(pinpipe.Error, match="repeats its continuation token"):
        list(client.list("bucket"))
    assert "continuation-token=a%2Bb%2F%3D" in handler.seen[1]
