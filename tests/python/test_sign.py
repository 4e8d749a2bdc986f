"""Turns AWS's signing vectors and our own into calls of the public API.

Never compares less than canonical request, string to sign and signature of a case.
Rules: tests/vectors/sigv4/SOURCE.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pinpipe
import pytest

VECTORS = Path(__file__).parents[1] / "vectors" / "sigv4"
SUITE = sorted(folder for folder in (VECTORS / "v4").iterdir() if folder.is_dir())
EXTRA = [json.loads(line) for line in (VECTORS / "extra" / "cases.jsonl").read_text().splitlines()]
KEY = pinpipe.Credentials.static("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SIGNED = Counter[str]()


@pytest.fixture(scope="module", autouse=True)
def _counts(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(f"signed as the vectors say: {dict(sorted(SIGNED.items()))}")


def _read_request(text: str) -> tuple[str, str, list[tuple[str, str]], bytes]:
    head, _, body = text.partition("\n\n")
    first, *lines = head.rstrip("\n").split("\n")
    match = re.fullmatch(r"(\S+) (.*) HTTP/1\.1", first)
    assert match
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith((" ", "\t")):
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line}")  # a folded line, which HTTP/1.1 has given up
        else:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return match[1], match[2], headers, body.encode()


@pytest.mark.parametrize("form", ["header", "query"])
@pytest.mark.parametrize("folder", SUITE, ids=lambda folder: folder.name)
def test_suite(folder: Path, form: str) -> None:
    context = json.loads((folder / "context.json").read_text())
    method, target, headers, body = _read_request((folder / "request.txt").read_text())
    key = context["credentials"]
    signed = pinpipe.sign(
        method,
        "https://example.amazonaws.com" + target,
        headers=headers,
        body=body if context["sign_body"] else b"",
        service=context["service"],
        region=context["region"],
        credentials=pinpipe.Credentials.static(
            key["access_key_id"], key["secret_access_key"], key.get("token")
        ),
        at=datetime.fromisoformat(context["timestamp"]),
        presign=context["expiration_in_seconds"] if form == "query" else None,
        payload="signed-header" if context["sign_body"] else "signed",
        normalize=context["normalize"],
        sign_token=not context.get("omit_session_token", False),
    )
    assert signed.canonical_request == (folder / f"{form}-canonical-request.txt").read_text().strip("\n")
    assert signed.string_to_sign == (folder / f"{form}-string-to-sign.txt").read_text().strip("\n")
    assert signed.signature == (folder / f"{form}-signature.txt").read_text().strip()
    expected = (folder / f"{form}-signed-request.txt").read_text()
    if form == "header":
        authorization = dict(signed.headers)["authorization"]
        assert f"Authorization:{authorization}\n" in expected
    else:
        _, expected_target, _, _ = _read_request(expected)
        parameters = expected_target.partition("?")[2].split("&")
        assert sorted(signed.url.partition("?")[2].split("&")) == sorted(
            parameter if "=" in parameter else f"{parameter}=" for parameter in parameters
        )
        assert signed.url.endswith(signed.signature)
    SIGNED[f"suite {form}"] += 1


def _key_of(case: dict[str, Any]) -> pinpipe.Credentials:
    key = case["credentials"]
    return pinpipe.Credentials.static(
        key["access_key_id"], key["secret_access_key"], key.get("session_token")
    )


def _body_of(case: dict[str, Any]) -> bytes:
    byte, count = case.get("body_fill", (0, 0))
    return base64.b64decode(case.get("body_b64") or "") or bytes([byte]) * count


def _at_of(case: dict[str, Any]) -> datetime:
    return datetime.strptime(case["time"], "%Y%m%dT%H%M%SZ")


def _extra(*kinds: str) -> Any:
    cases = [case for case in EXTRA if case["kind"] in kinds]
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def _assert_signed(signed: pinpipe.SignedRequest, case: dict[str, Any]) -> None:
    assert signed.canonical_request == case["expect"]["canonical_request"]
    assert signed.string_to_sign == case["expect"]["string_to_sign"]
    assert signed.signature == case["expect"]["signature"]
    SIGNED[f"extra {case['kind']}"] += 1


@_extra("header", "presign")
def test_extra(case: dict[str, Any]) -> None:
    modes = {"UNSIGNED-PAYLOAD": "unsigned", "signed": "signed"}
    is_header = case["kind"] == "header"
    signed = pinpipe.sign(
        case["method"],
        case["url"],
        headers=case["headers"],
        body=_body_of(case),
        service=case["service"],
        region=case["region"],
        credentials=_key_of(case),
        at=_at_of(case),
        presign=None if is_header else case["expires"],
        payload=modes[case["payload_mode"]] if is_header else None,
    )
    _assert_signed(signed, case)
    if is_header:
        assert dict(signed.headers)["authorization"] == case["expect"]["authorization"]
        assert signed.url == case["url"]
    else:
        assert signed.url == case["expect"]["presigned_url"]


@_extra("msk")
def test_extra_msk(case: dict[str, Any]) -> None:
    expect = case["expect"]
    signed = pinpipe.sign(
        "GET",
        f"https://{expect['host']}/?Action=kafka-cluster%3AConnect",
        service=case["service"],
        region=case["region"],
        credentials=_key_of(case),
        at=_at_of(case),
        presign=case["expires"],
    )
    _assert_signed(signed, case)
    made = pinpipe.kafka.msk_token(
        case["region"], _key_of(case), _at_of(case), case["expires"], user_agent=case["user_agent"]
    )
    assert made == (expect["token"], expect["lifetime_ms"])
    assert base64.urlsafe_b64decode(made[0] + "=" * (-len(made[0]) % 4)).decode() == expect["url"]


@_extra("chunked", "chunked-trailer")
def test_extra_chunked(case: dict[str, Any]) -> None:
    expect, trailer = case["expect"], case["trailer"]
    own = {"host", "x-amz-decoded-content-length", "x-amz-content-sha256", "x-amz-date", "x-amz-trailer"}
    signed = pinpipe.sign(
        case["method"],
        case["url"],
        headers=[
            (name, value) for name, value in case["headers"] if name not in own | {"x-amz-security-token"}
        ],
        body=_body_of(case),
        service=case["service"],
        region=case["region"],
        credentials=_key_of(case),
        at=_at_of(case),
        payload="streaming-signed-trailer" if trailer else "streaming-signed",
        checksum=trailer[0].removeprefix("x-amz-checksum-") if trailer else None,
        chunk_bytes=case["chunk_size"],
    )
    _assert_signed(signed, case)
    body = bytes(signed.body)
    assert re.findall(rb";chunk-signature=([0-9a-f]{64})\r\n", body) == [
        signature.encode() for signature in expect["chunk_signatures"]
    ]
    assert not trailer or f"x-amz-trailer-signature:{expect['trailer_signature']}\r\n".encode() in body
    assert (len(body), hashlib.sha256(body).hexdigest()) == (expect["wire_length"], expect["wire_sha256"])


def test_every_vector_is_there() -> None:
    kinds = Counter(case["kind"] for case in EXTRA)
    assert len(SUITE) == 28
    assert kinds == {"header": 64, "presign": 32, "msk": 25, "chunked": 21, "chunked-trailer": 18}


def _sign(**changed: Any) -> pinpipe.SignedRequest:
    arguments: dict[str, Any] = {
        "method": "GET",
        "url": "https://h/",
        "service": "s3",
        "region": "eu-west-1",
        "credentials": KEY,
        "at": 1,
    } | changed
    return pinpipe.sign(arguments.pop("method"), arguments.pop("url"), **arguments)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"url": "https://h/\r\n"}, "control character 0x0d"),
        ({"url": "ftp://h/"}, "ftp://h/"),
        ({"url": "https:///x"}, "no host"),
        ({"method": "GET\n"}, "method"),
        ({"headers": [("X-Amz-Date", "1")]}, "x-amz-date"),
        ({"headers": [("Authorization", "1")]}, "authorization"),
        ({"headers": [("a", "b\nc: d")]}, "header a"),
        ({"headers": [("a\0", "b")]}, "header name"),
        ({"url": "https://h/?X-Amz-Credential=1"}, "X-Amz-Credential"),
        ({"region": "eu west"}, "eu west"),
        ({"region": ""}, "region"),
        ({"presign": 0}, "expiry: 0 s"),
        ({"presign": -1}, "expiry: -1 s"),
        ({"presign": 604801}, "604801"),
        ({"payload": "streaming"}, "streaming"),
        ({"payload": "streaming-signed", "presign": 60}, "presigned"),
        ({"payload": "streaming-signed", "service": "kinesis"}, "kinesis"),
        ({"payload": "streaming-signed", "checksum": "crc32"}, "checksum"),
        ({"checksum": "md5"}, "md5"),
        ({"chunk_bytes": 9000}, "chunk_bytes"),
        ({"payload": "signed", "presign": 60}, "presigned"),
        ({"payload": "unsigned", "url": "http://h/"}, "http:"),
    ],
)
def test_refused_input_names_the_datum(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(pinpipe.Error) as caught:
        _sign(**changed)
    assert caught.value.status == "EINVAL"
    assert named in caught.value.message
    assert isinstance(caught.value, ValueError)


def test_limits() -> None:
    with pytest.raises(pinpipe.Error) as caught:
        _sign(headers=[(f"x-{number}", "1") for number in range(129)])
    assert caught.value.status == "ELIMIT"
    with pytest.raises(pinpipe.Error) as caught:
        _sign(url="https://h/?" + "&".join(f"k{number}" for number in range(1001)))
    assert caught.value.status == "ELIMIT"
    _sign(headers=[(f"x-{number}", "1") for number in range(128)])


def test_time_forms_and_midnight() -> None:
    naive = _sign(at=datetime(2026, 1, 2, 3, 4, 5)).string_to_sign
    assert naive == _sign(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)).string_to_sign
    assert naive.split("\n")[1] == "20260102T030405Z"
    moments = [
        (1582934399, "20200228T235959Z"),
        (1582934400, "20200229T000000Z"),
        (253402300799, "99991231T235959Z"),
    ]
    for at, text in moments:
        assert _sign(at=at).string_to_sign.split("\n")[1:3] == [text, f"{text[:8]}/eu-west-1/s3/aws4_request"]


def test_body_kinds_are_equal() -> None:
    signatures = {
        _sign(body=body).signature for body in (b"x\0", bytearray(b"x\0"), memoryview(b"x\0"), "x\0")
    }
    assert len(signatures) == 1


def test_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.csv"
    file.write_bytes(
        b"\xef\xbb\xbfUser name,Access key ID,Secret access key\r\nme,AKIAIOSFODNN7EXAMPLE,se/cret\r\n"
    )
    key = pinpipe.Credentials.from_csv(file)
    assert (key.access_key_id, key.secret_access_key, key.session_token) == (
        "AKIAIOSFODNN7EXAMPLE",
        "se/cret",
        None,
    )
    assert repr(key) == "Credentials(AKIA…MPLE, csv)"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    file.write_text("Access key ID\nx\n")
    with pytest.raises(pinpipe.Error, match="no column 'Secret access key'"):
        pinpipe.Credentials.from_csv(file)
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.Credentials.from_csv(tmp_path / "none.csv")
    assert caught.value.status == "ENOTFOUND"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.Credentials.default()
    assert caught.value.status == "EAUTH"
    assert "AWS_ACCESS_KEY_ID" in caught.value.message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    with pytest.raises(pinpipe.Error, match="half a key"):
        pinpipe.Credentials.default()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "se/cret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token==")
    assert pinpipe.Credentials.default().session_token == "token=="


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "se/cret"}
    return subprocess.run(
        [sys.executable, "-m", "pinpipe", "sign", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_command(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    common = ("--service", "execute-api", "--region", "eu-west-1", "--at", "2026-01-02T03:04:05Z")
    done = _run(
        "POST", "https://h/x", "-H", "Content-Type: a/b", "--body", str(body), *common, "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    direct = pinpipe.sign(
        "POST",
        "https://h/x",
        headers=[("Content-Type", "a/b")],
        body=b"{}",
        service="execute-api",
        region="eu-west-1",
        at=datetime(2026, 1, 2, 3, 4, 5),
        credentials=pinpipe.Credentials.static("AKIDEXAMPLE", "se/cret"),
    )
    assert shown["signature"] == direct.signature
    assert "se/cret" not in done.stdout
    table = _run("GET", "https://h/x", *common, "--presign", "60").stdout
    assert table.splitlines()[-1].startswith("curl --globoff --path-as-is --request GET 'https://h/x?X-Amz-")
    assert _run("GET", "https://h/x", *common, "-H", "nothing").returncode == 2
    failed = _run("GET", "https://h/x", "--service", "s3", "--region", "a b")
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
