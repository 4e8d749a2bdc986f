"""Turns URLs into assets, lineage and links, and compares them with the names that others have for them.

Never runs a task.
Rules: docs/airflow.md, "Assets"; OpenLineage's naming.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow_provider_pinpipe import assets, links
from airflow_provider_pinpipe._compat import AIRFLOW_3, BaseEventTrigger, BaseTrigger
from airflow_provider_pinpipe.operators import CleanOperator, KinesisToDeltaOperator, QueryOperator
from airflow_provider_pinpipe.triggers import KinesisRecordsTrigger

from tests.airflow.home import ROOT


def test_assets_have_uris_that_airflow_keeps() -> None:
    found = [
        assets.stream("streaming-demo-pin", "eu-west-1"),
        assets.table("delta+s3://bucket/batch/pin"),
        assets.dataset("answers/daily"),
    ]
    assert [asset.uri for asset in found] == [
        "kinesis://eu-west-1/streaming-demo-pin",
        "s3://bucket/batch/pin",
        "pinpipe://answers/daily",
    ]


def test_airflow_asks_the_provider_about_its_schemes() -> None:
    """Airflow names a URI that a provider refuses in a warning (2.x) or an error (3.x)."""
    from urllib.parse import urlsplit

    for uri in ("kinesis://us-east-1", "kinesis:///name", "kinesis://us-east-1/a/b"):
        with pytest.raises(ValueError, match="kinesis://"):
            assets.sanitize_stream(urlsplit(uri))
    with pytest.raises(ValueError, match="pinpipe://"):
        assets.sanitize_name(urlsplit("pinpipe:///x"))
    assert assets.stream("name/").uri == "kinesis://us-east-1/name", "the handler has been asked"


def test_an_asset_can_be_watched() -> None:
    trigger = KinesisRecordsTrigger(stream="streaming-demo-pin", table="delta+s3://bucket/t")
    if not AIRFLOW_3:
        assert BaseEventTrigger is BaseTrigger and isinstance(trigger, BaseTrigger)
        return
    from airflow.sdk import AssetWatcher

    watcher = AssetWatcher(name="records", trigger=trigger)
    asset = assets.stream("streaming-demo-pin", watchers=[watcher])
    assert asset.watchers == [watcher]
    assert BaseEventTrigger.hash(*trigger.serialize()) == BaseEventTrigger.hash(*trigger.serialize())


def test_lineage_has_the_names_of_openlineage() -> None:
    tasks = [
        CleanOperator(
            task_id="clean",
            kind="pin",
            inputs="s3://bucket/topics/demo.pin/",
            to="delta+s3://bucket/batch/pin",
        ),
        KinesisToDeltaOperator(task_id="read", stream="streaming-demo-pin", table="delta+file:///data/pin"),
        QueryOperator(task_id="ask", pin="/data/pin.parquet", report="s3://bucket/report.html"),
    ]
    told = []
    for task in tasks:
        facets = task.get_openlineage_facets_on_complete(None)
        told.append(
            [[(each.namespace, each.name) for each in side] for side in (facets.inputs, facets.outputs)]
        )
    assert told == [
        [[("s3://bucket", "topics/demo.pin")], [("s3://bucket", "batch/pin")]],
        [[("kinesis://us-east-1", "streaming-demo-pin")], [("file", "/data/pin")]],
        [[("file", "/data/pin.parquet")], [("s3://bucket", "report.html")]],
    ]


def test_openlineage_asks_the_provider_about_its_assets() -> None:
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    stream, answers = assets.stream("streaming-demo-pin"), assets.dataset("answers/daily")
    found = [translate_airflow_asset(asset, None) for asset in (stream, answers)]
    assert [(each.namespace, each.name) for each in found] == [
        ("kinesis://us-east-1", "streaming-demo-pin"),
        ("pinpipe://answers", "daily"),
    ]


def test_the_manuals_event_driven_dag_is_one() -> None:
    page = (ROOT / "docs/airflow.md").read_text()
    (block,) = re.findall(r"^```python\n(from airflow\.sdk.*?)^```$", page, re.DOTALL | re.MULTILINE)
    if not AIRFLOW_3:
        with pytest.raises(ModuleNotFoundError, match=r"airflow\.sdk"):
            exec(block, {})
        return
    made: dict[str, Any] = {}
    exec(block, made)
    (watcher,) = made["records"].watchers
    assert isinstance(watcher.trigger, KinesisRecordsTrigger) or "KinesisRecordsTrigger" in str(
        watcher.trigger
    )


def test_links_lead_to_amazons_console() -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/streaming-demo-pin"
    page = "https://eu-west-1.console.aws.amazon.com/kinesis/home?region=eu-west-1"
    assert links.stream_url(arn, None) == f"{page}#/streams/details/streaming-demo-pin/monitoring"
    assert links.report_url("s3://bucket/a b.html", "eu-west-1") == (
        "https://eu-west-1.console.aws.amazon.com/s3/object/bucket?prefix=a%20b.html"
    )
    assert links.report_url("/data/report.html", None) == "file:///data/report.html"
