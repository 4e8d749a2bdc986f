"""Turns the facts of the course's DAG into a file as its students had it, to see which Airflow takes it.

Never run: its cluster was the course's. What it shows is `schedule_interval`, which Airflow 3 has no more.
Rules: the course's brief, module 8; the values most students left in it.
"""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,  # noqa: F401 - most imported it, few used it
    DatabricksSubmitRunOperator,
)

notebook_task = {"notebook_path": "/Users/someone@example.com/batch"}
notebook_params = {"Variable": 5}
default_args = {
    "owner": "0a1b2c3d4e5f",
    "depends_on_past": False,
    "retries": 1,
    "retry_delay": timedelta(minutes=2),
}

with DAG(
    "0a1b2c3d4e5f_dag",
    start_date=datetime(2023, 9, 1),
    schedule_interval="@daily",
    catchup=False,
    default_args=default_args,
) as dag:
    opr_submit_run = DatabricksSubmitRunOperator(
        task_id="submit_run",
        databricks_conn_id="databricks_default",
        existing_cluster_id="1108-162752-8okw8dgg",
        notebook_task=notebook_task,
    )
