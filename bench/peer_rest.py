"""One run of one way to post records to a REST proxy, in a process of its own: a line of JSON with CPU seconds.

Never counts imports, the first connection or the proxy; every way sends the same rows and looks at every answer.
Rules: docs/performance.md, "REST proxy"; domain notes §3.2 (what the course's script sends).

    python peer_rest.py JOB    JOB is JSON: who, endpoint, file, batch, rounds
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peer_run

CONTENT_TYPE = "application/vnd.kafka.json.v2+json"
TOPIC = "bench.pin"
Job = dict[str, Any]
Post = Callable[[str], tuple[int, bytes]]


def _requests(job: Job) -> Post:
    """As the course's script does: a connection a request."""
    import requests

    def post(body: str) -> tuple[int, bytes]:
        headers = {"Content-Type": CONTENT_TYPE}
        said = requests.request("POST", job["url"], headers=headers, data=body, timeout=30)
        return said.status_code, said.content

    return post


def _session(job: Job) -> Post:
    import requests

    session = requests.Session()
    session.trust_env = False

    def post(body: str) -> tuple[int, bytes]:
        said = session.post(job["url"], headers={"Content-Type": CONTENT_TYPE}, data=body, timeout=30)
        return said.status_code, said.content

    return post


def _urllib3(job: Job) -> Post:
    import urllib3

    pool = urllib3.PoolManager()

    def post(body: str) -> tuple[int, bytes]:
        said = pool.request("POST", job["url"], body=body, headers={"Content-Type": CONTENT_TYPE}, timeout=30)
        return said.status, said.data

    return post


def _by_post(post: Post) -> Callable[[list[Any], int], int]:
    def work(rows: list[Any], batch: int) -> int:
        done = 0
        for at in range(0, len(rows), batch):
            body = json.dumps({"records": [{"value": row} for row in rows[at : at + batch]]})
            status, answer = post(body)
            told = json.loads(answer)["offsets"] if status == 200 else []
            done += sum(entry["offset"] is not None for entry in told)
        return done

    return work


def _pinpipe(job: Job) -> Callable[[list[Any], int], int]:
    from pinpipe import kafka

    producer = kafka.RestProducer(job["endpoint"], batch_records=job["batch"], queue_bytes=1 << 20)

    def work(rows: list[Any], batch: int) -> int:
        before = producer.delivered
        for row in rows:
            producer.write(TOPIC, json.dumps(row))
            if batch == 1:
                producer.flush()
        producer.flush()
        return producer.delivered - before

    return work


def _pinpipe_table(job: Job) -> Callable[[list[Any], int], int]:
    import pinpipe
    from pinpipe import kafka

    producer = kafka.RestProducer(job["endpoint"], batch_records=job["batch"], queue_bytes=1 << 20)
    table = pinpipe.decode("pin", Path(job["file"]).read_bytes())

    def work(rows: list[Any], batch: int) -> int:
        return sum(result.error is None for result in producer.produce_table(TOPIC, table))

    return work


WAYS: dict[str, Callable[[Job], Callable[[list[Any], int], int]]] = {
    "requests": lambda job: _by_post(_requests(job)),
    "session": lambda job: _by_post(_session(job)),
    "urllib3": lambda job: _by_post(_urllib3(job)),
    "pinpipe": _pinpipe,
    "pinpipe-table": _pinpipe_table,
}


def main() -> None:
    """Runs the job."""
    job: Job = json.loads(sys.argv[1])
    job["url"] = f"{job['endpoint']}/topics/{TOPIC}"
    rows = [json.loads(line) for line in Path(job["file"]).read_text(encoding="utf-8").splitlines()]
    work = WAYS[job["who"]](job)
    peer_run.run(lambda: work(rows, job["batch"]), len(rows), job["rounds"])


if __name__ == "__main__":
    main()
