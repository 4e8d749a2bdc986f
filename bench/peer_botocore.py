"""Turns one Kinesis PutRecord, signed again and again by botocore, into a line of JSON: CPU a signature.

Never times what is not signing: the requests are made before, and only `add_auth` is inside the clock.
Rules: reference/signing.md §6; run by bench/sign.py in an environment of its own.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

COUNT = 4000


def _request(case: dict[str, Any], number: int) -> AWSRequest:
    body = number.to_bytes(8, "little") + b"x" * (case["body_bytes"] - 8)
    return AWSRequest(method="POST", url=case["url"], data=body, headers=dict(case["headers"]))


def main() -> None:
    """Signs COUNT fresh requests; the last one's signature is told so that it can be compared."""
    case = json.loads(sys.argv[1])
    key = Credentials(case["key"], case["secret"], case["token"] or None)
    signer = SigV4Auth(key, case["service"], case["region"])
    requests = [_request(case, number) for number in range(COUNT)]
    before = time.process_time()
    for request in requests:
        signer.add_auth(request)
    seconds = time.process_time() - before
    last = requests[-1].headers
    answer = {
        "ns": 1e9 * seconds / COUNT,
        "version": botocore.__version__,
        "date": last["X-Amz-Date"],
        "authorization": last["Authorization"],
        "number": COUNT - 1,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
