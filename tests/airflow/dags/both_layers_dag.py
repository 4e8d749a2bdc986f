"""Turns the whole pipeline into one DAG over real services: both layers of the course, sensors between the steps.

Never names a service: they are the connection's.
Rules: docs/airflow.md; tests/airflow/test_services.py runs it.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_pinpipe import assets
from airflow_provider_pinpipe.operators import (
    CleanOperator,
    EmulateOperator,
    KafkaToS3Operator,
    KinesisToDeltaOperator,
    QueryOperator,
)
from airflow_provider_pinpipe.sensors import NewObjectsSensor, StreamLagSensor

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

USER = "{{ params.user }}"
STORE = "s3://{{ params.bucket }}"
KINDS = ("pin", "geo", "user")

with DAG(
    dag_id="both_layers_dag",
    schedule=None,
    start_date=datetime(2024, 1, 1),
    default_args={"pinpipe_conn_id": "pinpipe_services", "retries": 0},
    params={"user": "demo", "bucket": "bucket", "brokers": "", "rows": 30},
) as dag:
    emulate = EmulateOperator(
        task_id="emulate",
        to=["kafka://{{ params.brokers }}", "kinesis://us-east-1"],
        rows="{{ params.rows }}",
        user_id=USER,
    )
    store = KafkaToS3Operator(
        task_id="store",
        topics=f"{USER}[.](pin|geo|user)",
        to=f"{STORE}/topics",
        group=f"{USER}-sink",
        idle=2,
        outlets=[assets.dataset("both_layers/raw")],
    )
    stored = NewObjectsSensor(
        task_id="stored",
        url=f"{STORE}/topics/{USER}.pin/",
        newer_than="{{ dag_run.start_date - macros.timedelta(minutes=5) }}",
        deferrable=True,
        poke_interval=1,
        timeout=60,
    )
    clean = [
        CleanOperator(
            task_id=f"clean_{kind}",
            kind=kind,
            inputs=f"{STORE}/topics/{USER}.{kind}/",
            to=f"delta+{STORE}/batch/{kind}",
            dedupe="ind",
            rejects=f"{STORE}/rejects/{kind}.ndjson",
            census=f"{STORE}/census/{kind}.json",
        )
        for kind in KINDS
    ]
    emulate >> store >> stored >> clean
    answer = QueryOperator(
        task_id="answer",
        pin=f"delta+{STORE}/batch/pin",
        geo=f"delta+{STORE}/batch/geo",
        user=f"delta+{STORE}/batch/user",
        answers=f"{STORE}/answers.json",
        report=f"{STORE}/report.html",
        cleaned=[task.output for task in clean],
    )
    for kind in KINDS:
        stream = {"stream": f"streaming-{USER}-{kind}", "table": f"delta+{STORE}/stream/{kind}"}
        to_delta = KinesisToDeltaOperator(task_id=f"stream_{kind}", mode="merge", **stream)
        caught_up = StreamLagSensor(
            task_id=f"caught_up_{kind}", deferrable=True, poke_interval=1, timeout=60, **stream
        )
        emulate >> to_delta >> caught_up >> answer
