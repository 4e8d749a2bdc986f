"""Turns what a task has pushed into buttons of Airflow's pages: the report, the stream in Amazon's console.

Never asks a service: a link is made by the task, and only read here.
Rules: docs/airflow.md, "Links".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_provider_pinpipe._compat import BaseOperatorLink, XCom

CONSOLE = "https://{region}.console.aws.amazon.com"


class _PushedLink(BaseOperatorLink):
    """A link that the task pushed under `key`."""

    key = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The link; empty before the task has run."""
        return str(XCom.get_value(key=self.key, ti_key=ti_key) or "")


class ReportLink(_PushedLink):
    """The page with the answers."""

    name = "Report"
    key = "pinpipe_report_link"


class StreamLink(_PushedLink):
    """The stream in Amazon's console."""

    name = "Kinesis stream"
    key = "pinpipe_stream_link"


def report_url(report: str, region: str | None) -> str:
    """Where a browser finds a report: Amazon's console for s3://bucket/key, else the report's own place."""
    if not report.startswith("s3://"):
        return report if "://" in report else f"file://{report}"
    bucket, _, key = report.removeprefix("s3://").partition("/")
    console = CONSOLE.format(region=region or "us-east-1")
    return f"{console}/s3/object/{bucket}?prefix={quote(key, safe='')}"


def stream_url(stream: str, region: str | None) -> str:
    """The page of a stream; of an ARN, its name and region."""
    parts = stream.split(":")
    name = parts[-1].rpartition("/")[2]
    place = region or (parts[3] if len(parts) == 6 else "us-east-1")
    return f"{CONSOLE.format(region=place)}/kinesis/home?region={place}#/streams/details/{name}/monitoring"
