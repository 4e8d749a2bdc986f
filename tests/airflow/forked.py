"""Turns a process that has used the library into a parent whose forked child runs tasks, as Airflow's workers fork.

Never imports deltalake in the parent: it refuses forked children itself, and Airflow's parents load no task's packages.
Rules: docs/airflow.md, "Forks"; tests/airflow/test_services.py runs it: folder, bucket, stream.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pinpipe
from airflow_provider_pinpipe.hook import PinpipeHook
from airflow_provider_pinpipe.operators import CleanOperator, KinesisToDeltaOperator

ROW = (
    '{"ind": 1, "country": "Albania", "latitude": 1.5, "longitude": 2.5, "timestamp": "2018-01-01T00:00:00"}'
)


class Nobody:
    """A task instance that keeps nothing."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Forgets it."""


def tasks(folder: str, stream: str) -> tuple[int, int]:
    """What two tasks counted."""
    rows = Path(folder) / "geo.ndjson"
    rows.write_text(ROW)
    clean = CleanOperator(task_id="clean", kind="geo", inputs=str(rows), to=f"{folder}/geo.parquet")
    table = f"delta+file://{folder}/child"
    read = KinesisToDeltaOperator(
        task_id="read", pinpipe_conn_id="pinpipe_services", stream=stream, table=table
    )
    context: Any = {"ti": Nobody()}
    return clean.execute(context)["cleaned"], read.execute(context)["written"]


def main() -> int:
    """Uses the library, forks, and waits for the child; 0 where both went well."""
    folder, bucket, stream = sys.argv[1:]
    services = PinpipeHook("pinpipe_services").get_conn()
    store = services.s3()
    streams = pinpipe.kinesis.Client(**services.kinesis())
    assert list(store.list(bucket)) == [] and streams.describe_stream(stream)
    pinpipe.clean("geo", ROW.encode())
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if tasks(folder, stream) == (1, 3) else 2)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert list(store.list(bucket)) == [], "the parent's client is its own"
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
