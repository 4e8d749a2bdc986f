"""Turns one Kinesis PutRecord, signed again and again by `pinpipe.sign`, into a line of JSON: CPU a signature.

Never gives it less to do than a program would: time, key and body come from Python each time.
Rules: reference/signing.md §6; run by bench/sign.py.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pinpipe

COUNT = 20_000


def main() -> None:
    """Signs COUNT bodies; with a second argument, the one that botocore signed, for its time."""
    case: dict[str, Any] = json.loads(sys.argv[1])
    key = pinpipe.Credentials.static(case["key"], case["secret"], case["token"] or None)
    headers = [(name, value) for name, value in case["headers"].items()]
    rest = b"x" * (case["body_bytes"] - 8)

    def sign(number: int, at: float | None) -> pinpipe.SignedRequest:
        body = number.to_bytes(8, "little") + rest
        return pinpipe.sign(
            "POST",
            case["url"],
            headers=headers,
            body=body,
            service=case["service"],
            region=case["region"],
            credentials=key,
            at=at,
        )

    if "at" in case:
        print(json.dumps(dict(sign(case["number"], case["at"]).headers)))
        return
    before = time.process_time()
    for number in range(COUNT):
        sign(number, None)
    print(json.dumps({"ns": 1e9 * (time.process_time() - before) / COUNT}))


if __name__ == "__main__":
    main()
