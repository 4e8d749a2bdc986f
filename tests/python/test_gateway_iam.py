"""Turns signed requests, and ones that were changed on their way, into what a gateway with keys lets in; and TLS.

Never a signature of AWS: ours and an independent signer's, whose vectors are AWS's; tests/integration has botocore's.
Rules: docs/gateway.md, "Keys, IAM, TLS and browsers".
"""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import independent_signer
import pinpipe
import pytest
from gateway_serving import JSON, ONE, PATIENCE_S, ask, serving
from pinpipe import kafka
from pinpipe._gateway import Gateway
from pinpipe.errors import InvalidArgumentError

from tests.doubles.certificate import Certificate, make_certificate

KEY = pinpipe.Credentials.static("AKIDGATEWAYIAM", "gwIamSecretKeyV7example")
TEMPORARY = pinpipe.Credentials.static(
    "ASIDGATEWAYIAM", "gwIamSecretKeyT3example", token="gwIamTokenQ9example"
)
KEYS = (
    "# id,secret[,token]\r\nAKIDGATEWAYIAM,gwIamSecretKeyV7example\n\n"
    "ASIDGATEWAYIAM,gwIamSecretKeyT3example,gwIamTokenQ9example"
)
WRONG = "does not match the signature you provided"


@pytest.fixture(scope="module")
def cluster() -> Iterator[kafka.MockCluster]:
    with kafka.MockCluster() as mock:
        mock.create_topic("signed")
        yield mock


@pytest.fixture(scope="module")
def gateway(cluster: kafka.MockCluster) -> Iterator[Gateway]:
    with serving(
        cluster.brokers, settings={"linger.ms": 0}, iam_keys=KEYS, iam_region="eu-west-1"
    ) as gateway:
        yield gateway


def _signed(
    gateway: Gateway,
    target: str = "/test/topics/signed",
    body: bytes = ONE,
    *,
    method: str = "POST",
    key: pinpipe.Credentials = KEY,
    **how: Any,
) -> dict[str, str]:
    how = {"service": "execute-api", "region": "eu-west-1"} | how
    url = f"http://{gateway.address}{target}"
    headers = list(JSON.items()) if method == "POST" else []
    signed = pinpipe.sign(method, url, headers=headers, body=body, credentials=key, **how)
    return dict(signed.headers)


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["long-term", "temporary"])
@pytest.mark.parametrize("payload", ["signed", "signed-header"])
def test_signed_requests_come_in(gateway: Gateway, key: pinpipe.Credentials, payload: str) -> None:
    headers = _signed(gateway, key=key, payload=payload)
    assert ask(gateway.address, "POST", "/test/topics/signed", ONE, headers)[0] == 200
    for target in ("/topics/signed", "/topics/%73igned?a=b&A=%20+c&empty=&none", "//topics/./signed/"):
        status, _, body = ask(
            gateway.address, "GET", target, None, _signed(gateway, target, b"", method="GET", key=key)
        )
        assert status in (200, 404) and b'message":"The request' not in body, (target, body)


def test_an_independent_signer_comes_in(gateway: Gateway) -> None:
    key = independent_signer.Key("AKIDGATEWAYIAM", "gwIamSecretKeyV7example")
    for target in ("/test/topics/signed", "/test/topics/signed?b=%2F&a=1&a=0&c"):
        signed = independent_signer.sign(
            "POST",
            f"http://{gateway.address}{target}",
            list(JSON.items()),
            ONE,
            "execute-api",
            "eu-west-1",
            key,
            int(time.time()),
        )
        assert ask(gateway.address, "POST", target, ONE, JSON | signed.headers)[0] == 200


def test_what_was_changed_on_the_way_stays_out(gateway: Gateway) -> None:
    target = "/test/topics/signed"
    good = _signed(gateway, f"{target}?a=1")
    late = _signed(gateway, at=time.time() - 400)
    early = _signed(gateway, at=time.time() + 400)
    other = pinpipe.Credentials.static("AKIDGATEWAYIAM", "gwIamOtherSecretexample")
    tokenless = pinpipe.Credentials.static("ASIDGATEWAYIAM", "gwIamSecretKeyT3example")
    unknown = pinpipe.Credentials.static("AKIDNOBODY", "gwIamSecretKeyV7example")
    cases: list[tuple[str, bytes, dict[str, str], str]] = [
        (target, ONE, JSON, "Missing Authentication Token"),
        (
            target,
            ONE,
            JSON | {"Authorization": "AWS4-HMAC-SHA256 Credential=x"},
            "Authorization header requires",
        ),
        (f"{target}?a=1", ONE.replace(b"7528", b"7529"), good, WRONG),
        (f"{target}?a=2", ONE, good, WRONG),
        (f"{target}?a=1&a=1", ONE, good, WRONG),
        ("/test/topics/other?a=1", ONE, good, WRONG),
        (f"{target}?a=1", ONE, good | {"Content-Type": "application/vnd.kafka.binary.v2+json"}, WRONG),
        (target, ONE, _signed(gateway, key=other), WRONG),
        (target, ONE, _signed(gateway, key=tokenless), WRONG),
        (target, ONE, _signed(gateway, key=unknown), "security token included in the request is invalid"),
        (target, ONE, _signed(gateway, region="us-east-1"), "Credential should be scoped to"),
        (target, ONE, _signed(gateway, service="kinesis"), "Credential should be scoped to"),
        (target, ONE, late, "Signature expired"),
        (target, ONE, early, "Signature not yet current"),
        (target, ONE, late | {"x-amz-date": _signed(gateway)["x-amz-date"]}, WRONG),
    ]
    before = gateway.counters["stored"]
    for to, body, headers, words in cases:
        status, _, said = ask(gateway.address, "POST", to, body, headers)
        assert status == 403 and words in json.loads(said)["message"], (to, headers, said)
    assert gateway.counters["stored"] == before
    assert ask(gateway.address, "POST", f"{target}?a=1", ONE, good)[0] == 200
    assert ask(gateway.address, "GET", "/healthz")[0] == 200
    assert ask(gateway.address, "GET", "/metrics")[0] == 403


def test_keys_that_are_none_are_told_without_them(cluster: kafka.MockCluster) -> None:
    for keys, words in (
        ("id\n", "line 1"),
        ("AKIDGATEWAYIAM,s\nno key at all", "line 2"),
        ("# none\n", "none"),
    ):
        with pytest.raises(InvalidArgumentError, match=words) as refused:
            Gateway("127.0.0.1:0", cluster.brokers, iam_keys=keys)
        assert "at all" not in str(refused.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def _pem(certificate: Certificate) -> tuple[str, str]:
    return certificate.file.read_text(encoding="ascii"), certificate.key_file.read_text(encoding="ascii")


def test_tls_with_iam_and_our_own_client(cluster: kafka.MockCluster, certificate: Certificate) -> None:
    cluster.create_topic("secret")
    with serving(cluster.brokers, iam_keys=KEYS, tls=_pem(certificate)) as gateway:
        endpoint, ca_file = f"https://{gateway.address}/test", certificate.file
        with kafka.RestProducer(endpoint, iam=TEMPORARY, region="us-east-1", ca_file=ca_file) as producer:
            for number in range(300):
                producer.write("secret", b"%d" % number)
            producer.flush(PATIENCE_S)
        assert gateway.counters["stored"] == 300
        context = ssl.create_default_context(cafile=certificate.file)
        connection = http.client.HTTPSConnection(gateway.address, timeout=PATIENCE_S, context=context)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        connection.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(gateway.address, "GET", "/healthz")


def _healthy(connection: http.client.HTTPSConnection) -> str | None:
    """What a connection is told to do next, once it was answered."""
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.read() == b'{"status":"ok"}'
    return answer.getheader("Connection")


def test_certificate_is_renewed_by_a_signal(cluster: kafka.MockCluster, tmp_path: Path) -> None:
    """Open connections get their answers, new ones the new certificate; a broken one changes nothing."""
    first, served = make_certificate(tmp_path), Certificate(tmp_path / "served", tmp_path / "served.key")
    (tmp_path / "second").mkdir()
    second = make_certificate(tmp_path / "second")

    def put(certificate: Certificate) -> None:
        served.file.write_bytes(certificate.file.read_bytes())
        served.key_file.write_bytes(certificate.key_file.read_bytes())

    def connection(certificate: Certificate) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=certificate.file)
        return http.client.HTTPSConnection(address, timeout=PATIENCE_S, context=context)

    put(first)
    command = [sys.executable, "-m", "pinpipe", "gateway", "--listen", "127.0.0.1:0", "--workers", "2"]
    command += ["--brokers", cluster.brokers, "--tls-certificate", served.file, "--tls-key", served.key_file]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as program:
        try:
            assert program.stderr
            address = program.stderr.readline().rsplit("https://")[1].strip()
            open_ones = [connection(first) for _ in range(4)]
            assert {_healthy(one) for one in open_ones} == {None}
            put(second)
            for told in ("serves with the certificate as it is now", "keeps its certificate: "):
                program.send_signal(signal.SIGHUP)
                assert all(told in program.stderr.readline() for _ in range(2))
                assert {_healthy(connection(second)) for _ in range(4)} == {None}
                with pytest.raises(ssl.SSLError):
                    _healthy(connection(first))
                served.key_file.write_bytes(first.key_file.read_bytes())
            assert {_healthy(one) for one in open_ones} == {"close"}
            program.send_signal(signal.SIGTERM)
            assert program.wait(PATIENCE_S) == 0
        finally:
            program.kill()


def test_certificate_without_its_key_is_refused(cluster: kafka.MockCluster, certificate: Certificate) -> None:
    pem, key = _pem(certificate)
    for tls, words in (((pem, ""), "come together"), ((pem, "no key"), "PEM"), (("none", key), "PEM")):
        with pytest.raises(InvalidArgumentError, match=words):
            Gateway("127.0.0.1:0", cluster.brokers, tls=tls)
