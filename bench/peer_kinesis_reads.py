"""One run of one way to read records from Kinesis, in a process of its own: a line of JSON, CPU seconds a call.

Never counts imports or the first calls; every way has the data of each record, `clean` has its columns cleaned.
Rules: docs/performance.md, "Kinesis".

    python peer_kinesis_reads.py WHO ENDPOINT CALLS    WHO is columns, clean, boto3 or "boto3, json"
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

WARM = 3
STREAM = "bench"
Work = Callable[[], int]


def _pinpipe(who: str, endpoint: str) -> Work:
    import pinpipe

    credentials = pinpipe.Credentials.static("bench", "bench/secret")
    consumer = pinpipe.kinesis.Consumer(STREAM, endpoint, region="us-east-1", credentials=credentials)

    def clean() -> int:
        return consumer.clean_batch("pin", timeout=10).num_rows

    def columns() -> int:
        batch = consumer.consume_batch(timeout=10)
        batch.__arrow_c_array__()
        return batch.num_records

    return clean if who == "clean" else columns


def _boto3(who: str, endpoint: str) -> Work:
    import boto3

    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench/secret",
    )
    iterator = client.get_shard_iterator(
        StreamName=STREAM, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]

    def work() -> int:
        records = client.get_records(ShardIterator=iterator)["Records"]
        if who.endswith("json"):
            return len([json.loads(record["Data"]) for record in records])
        return len(records)

    return work


def main() -> None:
    """Measures one way."""
    who, endpoint, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    work = _boto3(who, endpoint) if who.startswith("boto3") else _pinpipe(who, endpoint)
    for _ in range(WARM):
        work()
    before = time.process_time()
    records = sum(work() for _ in range(calls))
    print(json.dumps({"cpu_s": (time.process_time() - before) / calls, "records": records // calls}))


if __name__ == "__main__":
    main()
