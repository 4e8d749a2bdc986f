"""Turns the same day's work into a DAG that needs neither Databricks nor an account: emulate, clean, answer, report.

Never passes rows between tasks, never keeps an `ind` twice: tasks return counts and places.
Rules: docs/airflow.md, "Its twin without Databricks".

A run adds draws to `raw/`, cleans all that lies there into `batch/`, and leaves `answers/<day>.json` and
`report/<day>.html`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_provider_pinpipe.operators import CleanOperator, EmulateOperator, QueryOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

USER_ID = "demo"
KINDS = ("pin", "geo", "user")
DATA = "{{ params.data }}"
# Airflow 3 runs DAGs that have no logical date, when they are started by hand or by an asset.
DAY = "{{ (dag_run.logical_date or dag_run.run_after) | ds }}"

with DAG(
    dag_id="demo_local_dag",
    schedule="@daily",
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=2)},
    params={"data": "/tmp/pinpipe", "rows": 500},
    tags=["pinpipe"],
    doc_md=__doc__,
) as dag:
    emulate = EmulateOperator(
        task_id="emulate",
        to=f"file://{DATA}/raw",
        rows="{{ params.rows }}",
        user_id=USER_ID,
        state_dir=f"{DATA}/state",
    )
    clean = [
        CleanOperator(
            task_id=f"clean_{kind}",
            kind=kind,
            inputs=f"{DATA}/raw/{USER_ID}.{kind}.ndjson",
            to=f"delta+file://{DATA}/batch/{kind}",
            dedupe="ind",
            rejects=f"{DATA}/rejects/{kind}.ndjson",
            census=f"{DATA}/census/{kind}.json",
            expect="course",
        )
        for kind in KINDS
    ]
    answer = QueryOperator(
        task_id="answer",
        pin=f"{DATA}/batch/pin",
        geo=f"{DATA}/batch/geo",
        user=f"{DATA}/batch/user",
        answers=f"{DATA}/answers/{DAY}.json",
        report=f"{DATA}/report/{DAY}.html",
        cleaned=[task.output for task in clean],
    )
    emulate >> clean >> answer
