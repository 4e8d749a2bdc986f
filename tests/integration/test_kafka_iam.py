"""Turns a real broker that checks signatures into proof: our tokens log in, wrong ones do not, and none runs out.

Never skips: a missing JDK or Maven is a failure.
Rules: docs/kafka.md, "MSK with IAM login"; issue 6, first slice.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from gates import backend_of
from kafka_iam_broker import CLOCK_OFF_S, KEY, REGION, SECRET, SESSION, SHORT_AGE_S, IamBroker
from pinpipe import Credentials, errors, kafka, s3
from pinpipe._sink import Sink
from servers import Store

from tests.doubles.gate import Gate
from tests.doubles.sigv4_verifier import Key

PLAIN = {"security.protocol": "sasl_plaintext"}
KEY_LIFE_S = 10
IDLE_S = 26


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key and no region but those that a test gives."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def read_one(consumer: kafka.Consumer, seconds: float = 30.0) -> kafka.Message:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        messages = consumer.poll(1.0)
        if messages:
            return messages[0]
    pytest.fail(f"no message within {seconds} s")


def refused(call: Callable[[], object]) -> str:
    """The text alone: an error that a test keeps would keep its client, which goes on trying."""
    try:
        call()
    except errors.AuthError as error:
        return str(error)
    pytest.fail("the login was not refused")


def test_one_record_over_tls(iam_broker: IamBroker) -> None:
    topic, key = "iam.tls", Credentials.static(KEY, SECRET)
    settings = {"ssl.ca.location": str(iam_broker.certificate.file)}
    with kafka.Admin(iam_broker.tls, settings=settings, iam=key, region=REGION) as admin:
        admin.create_topic(topic)
    with kafka.Producer(iam_broker.tls, settings=settings, iam=key, region=REGION) as producer:
        producer.write(topic, b'{"index":1}', b"k")
        producer.flush()
        assert (producer.delivered, producer.failed) == (1, 0)
    with kafka.Consumer(iam_broker.tls, "iam", topic, settings=settings, iam=key, region=REGION) as consumer:
        message = read_one(consumer)
        assert (message.key, message.value) == (b"k", b'{"index":1}')
        consumer.commit({(topic, message.partition): message.offset + 1})
    assert sum(line.startswith("accepted") for line in iam_broker.judgements()) >= 3


def test_a_temporary_key_signs_its_token(iam_broker: IamBroker) -> None:
    temporary = Credentials.static(KEY, SECRET, SESSION)
    with kafka.Admin(iam_broker.session, settings=PLAIN, iam=temporary, region=REGION) as admin:
        admin.topics()
    with (
        kafka.Admin(
            iam_broker.session, settings=PLAIN, iam=Credentials.static(KEY, SECRET), region=REGION
        ) as admin,
        pytest.raises(errors.AuthError),
    ):
        admin.topics()


@contextmanager
def token_service(clock_offset_s: int = 0) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """An STS that answers AssumeRole with the broker's temporary key: its URL, and the forms that it got.

    It refuses signatures that are 5 minutes off its own clock.
    """
    forms: list[dict[str, list[str]]] = []
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + clock_offset_s + 3600))
    answer = (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
        f"<SessionToken>{SESSION}</SessionToken><Expiration>{expires}</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            forms.append(parse_qs(body.decode()))
            signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z").timestamp()
            good = abs(time.time() + clock_offset_s - signed) < 300
            said = (
                answer
                if good
                else b"<ErrorResponse><Error><Code>RequestExpired</Code></Error></ErrorResponse>"
            )
            self.send_response(200 if good else 400)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + clock_offset_s)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", forms
        finally:
            server.shutdown()
            thread.join()


def test_the_role_of_client_properties_is_assumed(
    iam_broker: IamBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    role = "arn:aws:iam::584739742957:role/0a1b-ec2-access-role"
    properties = tmp_path / "client.properties"
    properties.write_text(
        "security.protocol = SASL_PLAINTEXT\n"
        "sasl.mechanism = AWS_MSK_IAM\n"
        f'sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="{role}";\n'
        "sasl.client.callback.handler.class = software.amazon.msk.auth.iam.IAMClientCallbackHandler\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY")
    with token_service() as (url, forms):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        with kafka.Admin(iam_broker.session, properties=properties, region=REGION) as admin:
            admin.topics()
    assert [form["RoleArn"] for form in forms] == [[role]]
    assert forms[0]["RoleSessionName"][0].startswith("pinpipe-")


@pytest.mark.parametrize("offset_s", [CLOCK_OFF_S, -CLOCK_OFF_S], ids=["behind", "ahead"])
def test_a_clock_two_hours_wrong_is_known_from_the_first_answer(
    iam_broker: IamBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offset_s: int
) -> None:
    """The machine's clock and that of the services are two hours apart: no login fails."""
    brokers = iam_broker.ahead if offset_s > 0 else iam_broker.behind
    (tmp_path / "config").write_text(
        "[default]\nrole_arn = arn:aws:iam::584739742957:role/pin\nsource_profile = own\n"
        f"[profile own]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    before = len(iam_broker.judgements())
    with token_service(offset_s) as (url, forms):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        with kafka.Admin(brokers, settings=PLAIN, iam=Credentials.default(region=REGION)) as admin:
            admin.topics()
    assert len(forms) == 2  # the first told the time
    assert {line.split()[0] for line in iam_broker.judgements()[before:]} == {"accepted"}


@pytest.mark.parametrize("offset_s", [CLOCK_OFF_S, -CLOCK_OFF_S], ids=["behind", "ahead"])
def test_a_client_learns_the_time_from_another_one(
    iam_broker: IamBroker, versitygw: Store, offset_s: int
) -> None:
    """A client that was made and refused before anybody knew the time goes on once any answer has told it."""
    name, brokers = f"iam.clock.{offset_s % 7}", iam_broker.ahead if offset_s > 0 else iam_broker.behind
    key = Credentials.static(KEY, SECRET, SESSION)
    with (
        kafka.Admin(brokers, settings=PLAIN, iam=key, region=REGION) as admin,
        Gate(backend_of(versitygw), keys=[Key(KEY, SECRET, SESSION)], clock_offset_s=offset_s) as gate,
    ):
        told = refused(admin.topics)
        assert "invalid_token" in told
        store = s3.Client(gate.endpoint, region=versitygw.region, credentials=key)
        store.create_bucket(name)
        store.delete_bucket(name)
        before = len(iam_broker.judgements())
        admin.create_topic(name)
    assert {line.split()[0] for line in iam_broker.judgements()[before:]} == {"accepted"}


def test_the_object_sink_logs_in(iam_broker: IamBroker, tmp_path: Path) -> None:
    topic, key = "iam.sink", Credentials.static(KEY, SECRET)
    with kafka.Admin(iam_broker.plain, settings=PLAIN, iam=key, region=REGION) as admin:
        admin.create_topic(topic)
    with kafka.Producer(iam_broker.plain, settings=PLAIN, iam=key, region=REGION) as producer:
        producer.write(topic, b'{"index":1}')
    to = f"file://{tmp_path}/store"
    with Sink(iam_broker.plain, topic, to, settings=PLAIN, iam=key, region=REGION) as sink:
        sink.run(lambda running: running.counters["records_read"] == 1)
        sink.flush()
        assert sink.stored_offsets == {(topic, 0): 1}


def test_the_sink_command_logs_in(
    iam_broker: IamBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    topic, properties = "iam.command", tmp_path / "client.properties"
    properties.write_text("security.protocol=SASL_PLAINTEXT\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with kafka.Admin(iam_broker.plain, properties=properties, iam=True, region=REGION) as admin:
        admin.create_topic(topic)
    with kafka.Producer(iam_broker.plain, properties=properties, iam=True, region=REGION) as producer:
        producer.write(topic, b'{"index":1}')
    command = [
        sys.executable,
        "-m",
        "pinpipe",
        "sink",
        "--brokers",
        iam_broker.plain,
        "--topics",
        r"iam\.command",
    ]
    command += [
        "--to",
        f"file://{tmp_path}/store",
        "--iam",
        "--region",
        REGION,
        "--properties",
        str(properties),
    ]
    done = subprocess.run(
        [*command, "--until-idle", "5"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    stored = list((tmp_path / "store").rglob("*.json"))
    assert [path.read_bytes() for path in stored] == [b'{"index":1}\n']


def test_client_properties_and_the_default_chain(
    iam_broker: IamBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", REGION)
    properties = tmp_path / "client.properties"
    properties.write_text(
        "# Sets up TLS for encryption and SASL for authN.\n"
        "security.protocol = SASL_PLAINTEXT\n"
        "sasl.mechanism = AWS_MSK_IAM\n"
        "sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required;\n"
        "sasl.client.callback.handler.class = software.amazon.msk.auth.iam.IAMClientCallbackHandler\n"
    )
    with kafka.Admin(iam_broker.plain, properties=properties) as admin:
        admin.topics()
    with kafka.Admin(iam_broker.plain, settings=PLAIN, iam=True) as admin:
        admin.topics()


@pytest.mark.parametrize(
    ("credentials", "region", "refusal"),
    [
        (Credentials.static(KEY, SECRET[:-1] + "X"), REGION, "the signature"),
        (Credentials.static("AKIAI44QH8DHBEXAMPLE", SECRET), REGION, "the credential"),
        (Credentials.static(KEY, SECRET), "us-east-1", "the host kafka.us-east-1.amazonaws.com"),
    ],
    ids=["secret", "key", "region"],
)
def test_a_refused_login_is_one_clear_message_soon(
    iam_broker: IamBroker, credentials: Credentials, region: str, refusal: str
) -> None:
    address = iam_broker.plain
    login: dict[str, Any] = {"settings": PLAIN, "iam": credentials, "region": region}
    caught: list[str] = []
    before = len(iam_broker.judgements())
    started = time.monotonic()
    with kafka.Admin(address, **login) as admin:
        caught.append(refused(admin.topics))
        caught.append(refused(lambda: admin.create_topic("iam.refused")))
    producer = kafka.Producer(address, **login)
    caught.append(refused(lambda: producer.write("iam.refused", b"1")))
    producer.close()
    with kafka.Consumer(address, "iam", "iam.refused", **login) as consumer:
        caught.append(refused(lambda: consumer.poll(30)))
    assert time.monotonic() - started < 20
    for told in caught:
        assert "invalid_token" in told
        assert f"signed for region '{region}' with the key of static" in told
        assert "\n" not in told
        assert credentials.secret_access_key not in told
    since = iam_broker.judgements()[before:]
    assert since
    assert set(since) == {f"refused {refusal}"}
    print(caught[0])


def key_process(folder: Path) -> Path:
    """Makes the default profile's key come from a program, for 10 s each; the file has a line for every call.

    While `broken` is in the folder the program fails.
    """
    calls, script = folder / "calls", folder / "keys"
    script.write_text(
        "#!/bin/sh\n"
        f"echo call >> {calls}\n"
        f"test -e {folder / 'broken'} && exit 1\n"
        f'printf \'{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}","Expiration":"%s"}}\''
        f" \"$(date -u -d '+{KEY_LIFE_S} seconds' +%Y-%m-%dT%H:%M:%SZ)\"\n"
    )
    script.chmod(0o700)
    (folder / "config").write_text(f"[default]\ncredential_process = {script}\n")
    return calls


def test_a_token_that_runs_out_is_renewed_without_any_call(
    iam_broker: IamBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key lives for 10 s, the broker takes no token older than 12 s, and for 26 s nobody calls the client."""
    topic, calls = "iam.idle", key_process(tmp_path)
    key = Credentials.default()
    with kafka.Admin(iam_broker.short, settings=PLAIN, iam=key, region=REGION) as admin:
        admin.create_topic(topic)
    before = len(iam_broker.judgements())
    with (
        kafka.Producer(iam_broker.short, settings=PLAIN, iam=key, region=REGION) as producer,
        kafka.Consumer(iam_broker.short, "idle", topic, settings=PLAIN, iam=key, region=REGION) as consumer,
    ):
        for round_number in range(2):
            producer.write(topic, f"{round_number}".encode())
            producer.flush(10)
            assert read_one(consumer).value == f"{round_number}".encode()
            if round_number == 0:
                time.sleep(IDLE_S)
        assert (producer.delivered, producer.failed) == (2, 0)
    since = iam_broker.judgements()[before:]
    assert all(line.startswith("accepted") for line in since), since
    signed = [int(line.split()[1]) for line in since]
    assert signed[-1] - signed[0] > IDLE_S - SHORT_AGE_S
    assert len(calls.read_text().splitlines()) >= 3
    print(f"{len(since)} logins, {len(set(signed))} tokens, {len(calls.read_text().split())} keys")


def test_keys_that_stop_coming_are_the_error_until_they_come_again(
    iam_broker: IamBroker, tmp_path: Path
) -> None:
    topic, broken = "iam.broken", tmp_path / "broken"
    key_process(tmp_path)
    key = Credentials.default()
    with kafka.Admin(iam_broker.short, settings=PLAIN, iam=key, region=REGION) as admin:
        admin.create_topic(topic)
    with kafka.Producer(iam_broker.short, settings=PLAIN, iam=key, region=REGION) as producer:
        producer.write(topic, b"1")
        producer.flush(10)
        broken.touch()
        producer.write(topic, b"2")
        producer.flush(10)
        time.sleep(SHORT_AGE_S + 4)
        producer.write(topic, b"3")
        told = refused(lambda: producer.flush(20))
        assert "MSK IAM login: credentials of credential_process of profile 'default'" in told
        assert "exit status 1" in told
        broken.unlink()
        deadline = time.monotonic() + 60
        while producer.waiting and time.monotonic() < deadline:
            time.sleep(0.5)
            producer.poll()
        assert (producer.delivered, producer.failed) == (3, 0)
    print(told)


def test_keys_of_a_callback_are_renewed_by_calls(iam_broker: IamBroker) -> None:
    """Nothing of the library's calls into Python by itself: the first call after the key's end renews."""
    topic, made = "iam.callback", []

    def key() -> dict[str, object]:
        made.append(time.time())
        return {"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": int(time.time()) + 4}

    credentials = Credentials.callback(key)
    with kafka.Admin(iam_broker.short, settings=PLAIN, iam=credentials, region=REGION) as admin:
        admin.create_topic(topic)
    with kafka.Producer(iam_broker.short, settings=PLAIN, iam=credentials, region=REGION) as producer:
        producer.write(topic, b"1")
        producer.flush(10)
        count = len(made)
        time.sleep(15)
        assert len(made) == count
        producer.write(topic, b"2")
        producer.flush(10)
        assert (producer.delivered, producer.failed) == (2, 0)
        assert len(made) > count


def test_what_excludes_iam_login_is_named(tmp_path: Path) -> None:
    key = Credentials.static(KEY, SECRET)
    with pytest.raises(errors.InvalidArgumentError, match="no region for the cluster's IAM login"):
        kafka.Producer("127.0.0.1:1", iam=key)
    with pytest.raises(errors.InvalidArgumentError, match=r"security\.protocol.*sasl_ssl"):
        kafka.Producer("127.0.0.1:1", iam=key, region=REGION, settings={"security.protocol": "plaintext"})
    with pytest.raises(errors.InvalidArgumentError, match=r"sasl\.mechanisms.*PLAIN"):
        kafka.Producer("127.0.0.1:1", iam=key, region=REGION, settings={"sasl.mechanism": "PLAIN"})
    with pytest.raises(errors.AuthError, match=r"MSK IAM login: .*no such place"):
        kafka.Producer("127.0.0.1:1", iam=Credentials.callback(_fail), region=REGION)
    with pytest.raises(errors.NotFoundError, match=r"none\.properties"):
        kafka.Producer("127.0.0.1:1", properties=tmp_path / "none.properties")


def _fail() -> object:
    raise RuntimeError("no such place")
