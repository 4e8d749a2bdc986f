"""One run of one way to write records to Kinesis, straight or by a gateway, in a process of its own: a line of JSON.

Never counts imports, the first connection or the service; every way sends the same records and looks at every answer.
Rules: docs/performance.md, "Kinesis"; domain notes §3.4 (what the course's script sends).

    python peer_kinesis.py JOB    JOB is JSON: who, endpoint, ca_file, records, bytes, rounds
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import peer_run

STREAM = "bench"
Job = dict[str, Any]
Work = Callable[[list[str]], int]


def _boto3(job: Job) -> Work:
    import boto3

    client = boto3.client(
        "kinesis", endpoint_url=job["endpoint"], region_name="us-east-1", verify=job["ca_file"]
    )

    def work(texts: list[str]) -> int:
        records = [{"Data": text.encode(), "PartitionKey": str(number)} for number, text in enumerate(texts)]
        said = client.put_records(StreamName=STREAM, Records=records)
        return sum("SequenceNumber" in entry for entry in said["Records"])

    return work


def _by_put(job: Job, put: Callable[[str, dict[str, str], str], Any]) -> Work:
    """The course's script: one PUT a record."""
    url = f"{job['endpoint']}/test/streams/{STREAM}/record"

    def work(texts: list[str]) -> int:
        done = 0
        for number, text in enumerate(texts):
            body = json.dumps({"StreamName": STREAM, "Data": json.loads(text), "PartitionKey": str(number)})
            said = put(url, {"Content-Type": "application/json"}, body)
            done += said.status_code == 200 and "SequenceNumber" in said.json()
        return done

    return work


def _requests(job: Job) -> Work:
    import requests

    return _by_put(
        job,
        lambda url, headers, body: requests.request(
            "PUT", url, headers=headers, data=body, timeout=30, verify=job["ca_file"]
        ),
    )


def _session(job: Job) -> Work:
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = job["ca_file"]
    return _by_put(job, lambda url, headers, body: session.put(url, headers=headers, data=body, timeout=30))


def _pinpipe(job: Job) -> Work:
    from pinpipe import kinesis

    producer = kinesis.Producer(STREAM, job["endpoint"], region="us-east-1", ca_file=job["ca_file"])

    def work(texts: list[str]) -> int:
        before = producer.delivered
        for number, text in enumerate(texts):
            producer.write(text, str(number))
        producer.flush()
        return producer.delivered - before

    return work


def _pinpipe_batch(job: Job) -> Work:
    """Lists of Python's texts, or columns that are Arrow's from the beginning."""
    from pinpipe import kinesis

    producer = kinesis.Producer(STREAM, job["endpoint"], region="us-east-1", ca_file=job["ca_file"])
    columns: list[Any] = []

    def work(texts: list[str]) -> int:
        before = producer.delivered
        if job["who"].endswith("Arrow"):
            columns[:] = columns or _columns(texts)
            producer.write_batch(*columns)
        else:
            producer.write_batch(texts, [str(number) for number in range(len(texts))])
        producer.flush()
        return producer.delivered - before

    return work


def _columns(texts: list[str]) -> list[Any]:
    import pyarrow as pa

    return [pa.array(texts), pa.array([str(number) for number in range(len(texts))])]


def _pinpipe_put(job: Job) -> Work:
    from pinpipe import kinesis

    gateway = kinesis.Gateway(f"{job['endpoint']}/test", resource="record")
    producer = kinesis.Producer(STREAM, gateway=gateway, ca_file=job["ca_file"])

    def work(texts: list[str]) -> int:
        before = producer.delivered
        for number, text in enumerate(texts):
            producer.write(json.dumps(json.loads(text)), str(number))
            producer.flush()
        return producer.delivered - before

    return work


WAYS: dict[str, Callable[[Job], Work]] = {
    "boto3": _boto3,
    "requests": _requests,
    "session": _session,
    "pinpipe": _pinpipe,
    "pinpipe, lists": _pinpipe_batch,
    "pinpipe, Arrow": _pinpipe_batch,
    "pinpipe-put": _pinpipe_put,
}


def main() -> None:
    """Runs the job."""
    job: Job = json.loads(sys.argv[1])
    texts = [json.dumps("x" * (job["bytes"] - 2))] * job["records"]
    work = WAYS[job["who"]](job)
    peer_run.run(lambda: work(texts), len(texts), job["rounds"])


if __name__ == "__main__":
    main()
