"""Turns identities, as notebooks and tasks have them, into calls of the package: callbacks, profiles, doctor, S3.

Never asks anything but servers of its own on the loopback address.
Rules: docs/credentials.md; CONTRACT §3.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pinpipe
import pytest
from pinpipe import errors

SECRET = "se/cret+0123456789abcdef"
TOKEN = "tok/en+0123456789abcdefghij=="


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# ---- callback ----


class BotocoreLike:
    access_key = "AKIABOTOCORE0001"
    secret_key = SECRET
    token = TOKEN

    def get_frozen_credentials(self) -> BotocoreLike:
        return self


class SessionLike:
    def get_credentials(self) -> BotocoreLike:
        return BotocoreLike()


@pytest.mark.parametrize(
    ("made", "key", "token"),
    [
        ({"AccessKeyId": "AKIAMAPPING00001", "SecretAccessKey": SECRET}, "AKIAMAPPING00001", None),
        (
            {"access_key": "AKIAMAPPING00001", "secret_key": SECRET, "token": TOKEN},
            "AKIAMAPPING00001",
            TOKEN,
        ),
        (BotocoreLike(), "AKIABOTOCORE0001", TOKEN),
        (SessionLike(), "AKIABOTOCORE0001", TOKEN),
        (pinpipe.Credentials.static("AKIASTATIC000001", SECRET, TOKEN), "AKIASTATIC000001", TOKEN),
    ],
)
def test_a_callback_may_return_what_its_world_has(made: object, key: str, token: str | None) -> None:
    credentials = pinpipe.Credentials.callback(lambda: made)
    assert (credentials.access_key_id, credentials.secret_access_key) == (key, SECRET)
    assert credentials.session_token == token
    assert SECRET not in repr(credentials) + credentials.description
    signed = pinpipe.sign("GET", "https://h/", service="s3", region="eu-west-1", credentials=credentials)
    assert any(name.lower() == "authorization" and key in value for name, value in signed.headers)


def test_a_callback_is_asked_once_while_its_key_is_fresh_and_again_when_it_ends() -> None:
    calls: list[int] = []

    def make() -> dict[str, object]:
        calls.append(1)
        return {
            "AccessKeyId": f"AKIACALL{len(calls):08d}",
            "SecretAccessKey": SECRET,
            "Expiration": later(4 if len(calls) == 1 else 7200).isoformat(),
        }

    credentials = pinpipe.Credentials.callback(make)
    assert calls == []  # nothing is asked before it is needed
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: credentials.access_key_id, range(64)))
    assert keys == {"AKIACALL00000001"}
    deadline = time.monotonic() + 10
    while credentials.access_key_id == "AKIACALL00000001" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert credentials.access_key_id == "AKIACALL00000002"
    assert len(calls) == 2


def test_what_a_callback_raises_comes_back() -> None:
    def make() -> object:
        raise ValueError("the vault is closed")

    with pytest.raises(errors.AuthError, match="callback: ValueError: the vault is closed"):
        _ = pinpipe.Credentials.callback(make).access_key_id
    with pytest.raises(errors.AuthError, match="without a key"):
        _ = pinpipe.Credentials.callback(lambda: None).access_key_id
    with pytest.raises(errors.AuthError, match="expired"):
        _ = pinpipe.Credentials.callback(
            lambda: {"AccessKeyId": "A", "SecretAccessKey": "callback/secret", "Expiration": later(-5)}
        ).access_key_id
    with pytest.raises(errors.InvalidArgumentError):
        pinpipe.Credentials.callback("no")  # type: ignore[arg-type]


def test_a_callback_is_let_go_with_its_credentials() -> None:
    import gc
    import weakref

    def make() -> object:
        return {"AccessKeyId": "AKIA", "SecretAccessKey": "callback/secret"}

    credentials = pinpipe.Credentials.callback(make)
    assert credentials.access_key_id == "AKIA"
    gone = weakref.ref(make)
    del credentials, make
    gc.collect()
    assert gone() is None


# ---- the default chain ----


def test_a_profile_chosen_in_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        f"[profile notebook]\nregion = eu-north-1\naws_access_key_id = AKIANOTEBOOK00001\n"
        f"aws_secret_access_key = {SECRET}\naws_account_id = 314159265358\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT01")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert pinpipe.Credentials.default().source == "environment"
    chosen = pinpipe.Credentials.default(profile="notebook")
    assert (chosen.access_key_id, chosen.source) == ("AKIANOTEBOOK00001", "profile")
    assert (chosen.region, chosen.account_id, chosen.expires) == ("eu-north-1", "314159265358", None)
    assert chosen.endpoint("kinesis") == "https://kinesis.eu-north-1.amazonaws.com"
    assert chosen.description == "profile 'notebook'"
    with pytest.raises(errors.AuthError, match="'gone'"):
        pinpipe.Credentials.default(profile="gone")


def test_calls_without_credentials_share_a_chain_until_the_environment_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def key_of_a_signature() -> str:
        signed = pinpipe.sign("GET", "https://h/", service="s3", region="eu-west-1")
        return next(value for name, value in signed.headers if name.lower() == "authorization")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFIRST00000001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert "AKIAFIRST00000001" in key_of_a_signature()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECOND0000001")
    assert "AKIASECOND0000001" in key_of_a_signature()


def _child(credentials: pinpipe.Credentials, queue: multiprocessing.Queue[str]) -> None:
    queue.put(credentials.access_key_id)


def test_a_forked_child_has_its_parents_key(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = pinpipe.Credentials.callback(
        lambda: {
            "AccessKeyId": "AKIAPARENT000001",
            "SecretAccessKey": "callback/secret",
            "Expiration": later(7200),
        }
    )
    assert credentials.access_key_id == "AKIAPARENT000001"
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[str] = context.Queue()
    child = context.Process(target=_child, args=(credentials, queue))
    child.start()
    assert queue.get(timeout=20) == "AKIAPARENT000001"
    child.join(20)
    assert child.exitcode == 0


# ---- S3 with keys that end and clocks that are off ----


class Service:
    """A store that says what a test scripts, and notes what it was sent."""

    def __init__(self) -> None:
        self.script: list[tuple[int, str]] = []
        self.ahead_s = 0.0
        self.seen: list[dict[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.seen.append({name.lower(): value for name, value in self.headers.items()})
                status, body = service.script.pop(0) if service.script else (200, "content")
                data = body.encode()
                self.send_response_only(status)
                self.send_header("Date", formatdate(time.time() + service.ahead_s, usegmt=True))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


def refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


def rotating() -> pinpipe.Credentials:
    count = iter(range(1, 1000))
    return pinpipe.Credentials.callback(
        lambda: {
            "AccessKeyId": f"ASIAROTATING{next(count):04d}",
            "SecretAccessKey": SECRET,
            "SessionToken": TOKEN,
            "Expiration": later(7200),
        }
    )


def test_a_key_that_the_store_calls_expired_is_renewed_once(service: Service) -> None:
    service.script = [(400, refusal("ExpiredToken"))]
    client = pinpipe.s3.Client(service.url, credentials=rotating())
    assert client.get("bucket", "key") == b"content"
    keys = [request["authorization"].split("Credential=")[1][:16] for request in service.seen]
    assert keys == ["ASIAROTATING0001", "ASIAROTATING0002"]
    service.script = [(400, refusal("ExpiredToken"))] * 5
    with pytest.raises(errors.AuthError, match="ExpiredToken"):
        client.get("bucket", "key")
    assert len(service.seen) == 4


@pytest.mark.parametrize("hours", [-3, 3])
@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "SignatureDoesNotMatch"])
def test_a_wrong_clock_costs_one_request(service: Service, hours: int, code: str) -> None:
    service.ahead_s = hours * 3600
    service.script = [(403, refusal(code))]
    credentials = pinpipe.Credentials.static("AKIASKEWED000001", SECRET)
    client = pinpipe.s3.Client(service.url, credentials=credentials)
    for _ in range(3):
        assert client.get("bucket", "key") == b"content"
    assert len(service.seen) == 4  # one refused
    sent = [
        datetime.strptime(request["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        for request in service.seen
    ]
    assert abs((sent[0] - datetime.now(UTC)).total_seconds()) < 60
    assert all(abs((at - later(service.ahead_s)).total_seconds()) < 10 for at in sent[1:])
    # What signs for services that tell no time, such as MSK, is right from now on.
    assert abs(credentials.time() - (time.time() + service.ahead_s)) < 10
    other = pinpipe.s3.Client(service.url, credentials=credentials)
    assert other.get("bucket", "key") == b"content"
    assert len(service.seen) == 5


def test_a_wrong_signature_with_a_right_clock_is_final(service: Service) -> None:
    service.script = [(403, refusal("SignatureDoesNotMatch"))]
    client = pinpipe.s3.Client(service.url, credentials=pinpipe.Credentials.static("AKIA", SECRET))
    with pytest.raises(errors.AuthError):
        client.get("bucket", "key")
    assert len(service.seen) == 1


def test_a_store_that_is_down_is_not_asked_more_than_the_quota_pays(service: Service) -> None:
    service.script = [(500, "")] * 1000
    client = pinpipe.s3.Client(service.url, credentials=pinpipe.Credentials.static("AKIA", SECRET))
    for _ in range(60):
        with pytest.raises(errors.ServiceError):
            client.get("bucket", "key")
    assert len(service.seen) == 60 + 500 // 14


# ---- what is seen ----


def test_doctor_shows_the_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "AKIADOCTOR000SEEN",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_CREDENTIAL_EXPIRATION": "2099-01-02T03:04:05Z",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:4567",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pinpipe", "doctor", "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert rows["credentials"]["state"] == "ok"
    assert "AKIA…SEEN" in rows["credentials"]["detail"]
    assert "environment" in rows["credentials"]["detail"]
    assert "2099-01-02" in rows["credentials"]["detail"]
    assert rows["region"]["detail"] == "eu-west-1"
    assert rows["endpoint s3"]["detail"] == "https://s3.eu-west-1.amazonaws.com"
    assert rows["endpoint kinesis"]["detail"] == "http://127.0.0.1:4567"
    text = done.stdout + done.stderr
    for secret in (SECRET, TOKEN, "AKIADOCTOR000SEEN"):
        forms = (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
        assert not any(form in text for form in forms)


def test_doctor_without_an_identity_says_where_it_looked() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pinpipe", "doctor", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert rows["credentials"]["state"] == "missing"
    assert "AWS_ACCESS_KEY_ID" in rows["credentials"]["detail"]


def test_doctor_fails_where_what_is_configured_fails(tmp_path: Path) -> None:
    environment = os.environ | {"AWS_PROFILE": "gone"}
    done = subprocess.run(
        [sys.executable, "-m", "pinpipe", "doctor", "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert "'gone'" in rows["credentials"]["detail"]
