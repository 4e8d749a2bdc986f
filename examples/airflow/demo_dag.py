"""Turns the course's scheduled notebook into a DAG that can be left alone: one Databricks run a day.

Never submits a day's run twice, never runs two days at once, never waits without end.
Rules: the course's brief (file and DAG are called `<UserId>_dag`, daily); docs/airflow.md, "The course's DAG".

The connection `databricks_default` holds the workspace's host and a token. Set notebook and cluster once, in the
DAG's parameters: Airflow shows them as a form when a run is started by hand.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

# A request that is repeated because its answer was lost finds the run that it began; another run or a retry begins
# its own. Databricks takes 64 letters.
TOKEN = "{{ macros.uuid.uuid5(macros.uuid.NAMESPACE_URL, [dag.dag_id, run_id, ti.try_number] | join('/')) }}"

with DAG(
    dag_id="demo_dag",
    schedule="@daily",
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=2),
        "execution_timeout": timedelta(hours=2),
    },
    params={
        "notebook_path": "/Workspace/Users/demo/batch",
        "cluster_id": "1108-162752-8okw8dgg",
        "topics": "/Volumes/main/pinterest/landing/topics",
        "user_id": "demo",
        "schema": "main.pinterest",
    },
    tags=["pinpipe"],
    doc_md=__doc__,
) as dag:
    DatabricksSubmitRunOperator(
        task_id="submit_run",
        json={
            "run_name": "{{ dag.dag_id }} {{ run_id }}",
            "idempotency_token": TOKEN,
            "existing_cluster_id": "{{ params.cluster_id }}",
            "notebook_task": {
                "notebook_path": "{{ params.notebook_path }}",
                "base_parameters": {
                    name: f"{{{{ params.{name} }}}}" for name in ("topics", "user_id", "schema")
                },
            },
            "timeout_seconds": 7200,
        },
    )
