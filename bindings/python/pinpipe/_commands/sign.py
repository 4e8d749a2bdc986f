"""Turns a method and a URL into a signed request, printed for reading, for programs or for curl.

Never sends the request.
Rules: CONTRACT §2 (`pinpipe sign`); docs/signing.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from datetime import datetime
from pathlib import Path

from pinpipe import _printing
from pinpipe._credentials import Credentials
from pinpipe._sign import SignedRequest, sign
from pinpipe.errors import FileError

HELP = "sign an HTTP request for AWS (SigV4) and print it, with a curl line that sends it"
EXAMPLE = (
    "pinpipe sign GET https://examplebucket.s3.eu-west-1.amazonaws.com/a.json "
    "--service s3 --region eu-west-1 --presign 900"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("method", metavar="METHOD", help="GET, PUT, …")
    parser.add_argument("url", metavar="URL", help="absolute, exactly as it will be sent")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header that will be sent",
    )
    parser.add_argument("--body", metavar="F", help="file that will be sent; - = standard input")
    parser.add_argument(
        "--service", required=True, metavar="S", help="signing name: s3, kinesis, execute-api, …"
    )
    parser.add_argument("--region", required=True, metavar="R", help="such as eu-west-1")
    parser.add_argument(
        "--presign", type=int, metavar="SECONDS", help="sign in the URL, which then lives that long"
    )
    parser.add_argument(
        "--payload",
        choices=("signed", "signed-header", "unsigned"),
        help="what the signature says of the body (default: the service's rule)",
    )
    parser.add_argument(
        "--credentials", metavar="CSV", help="the IAM console's CSV file (default: AWS_ACCESS_KEY_ID, …)"
    )
    parser.add_argument("--at", metavar="TIME", help="ISO 8601 time to sign for (default: now)")
    parser.add_argument("--format", choices=_printing.FORMATS, default="table", help="how to print")


def run(arguments: argparse.Namespace) -> int:
    """Prints the signed request; returns the exit code."""
    headers = []
    for line in arguments.header:
        name, colon, value = line.partition(":")
        if not colon:
            print(f"pinpipe sign: -H '{line}' has no colon", file=sys.stderr)
            return 2
        headers.append((name, value.strip(" \t")))
    try:
        at = datetime.fromisoformat(arguments.at) if arguments.at else None
    except ValueError:
        print(f"pinpipe sign: --at '{arguments.at}' is no ISO 8601 time", file=sys.stderr)
        return 2
    signed = sign(
        arguments.method,
        arguments.url,
        headers=headers,
        body=_body(arguments.body),
        service=arguments.service,
        region=arguments.region,
        credentials=Credentials.from_csv(arguments.credentials) if arguments.credentials else None,
        at=at,
        presign=arguments.presign,
        payload=arguments.payload,
    )
    print(_rendered(arguments.method, signed, _curl_line(arguments, signed), arguments.format))
    return 0


def _body(file: str | None) -> bytes:
    if file is None:
        return b""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise FileError(f"cannot read '{file}': {error.strerror}", native_code=error.errno or 0) from error


def _curl_line(arguments: argparse.Namespace, signed: SignedRequest) -> str:
    words = ["curl", "--globoff", "--path-as-is"]
    words += ["--head"] if arguments.method == "HEAD" else ["--request", arguments.method]
    for name, value in signed.headers:
        words += ["--header", f"{name}: {value}" if value else f"{name};"]
    if arguments.body is not None:
        words += ["--data-binary", f"@{arguments.body}"]
        if not any(name.lower() == "content-type" for name, _ in signed.headers):
            words += ["--header", "Content-Type:"]
    return shlex.join([*words, signed.url])


def _rendered(method: str, signed: SignedRequest, curl: str, form: str) -> str:
    if form == "json":
        names = ("url", "headers", "canonical_request", "string_to_sign", "signature")
        whole = {"method": method, **{name: getattr(signed, name) for name in names}, "curl": curl}
        return json.dumps(whole, ensure_ascii=False, indent=1)
    rows = [("method", "", method), ("url", "", signed.url)]
    rows += [("header", name, value) for name, value in signed.headers]
    rows += [("signature", "", signed.signature)]
    if form == "table":
        return "\n".join([_printing.render(("part", "name", "value"), rows, form), "", curl])
    return _printing.render(("part", "name", "value"), [*rows, ("curl", "", curl)], form)
