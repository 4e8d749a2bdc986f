"""Turns a question about a service into one look at it: are there new objects, how far is a table behind its stream.

Never waits: sensors and triggers repeat a look, and it has one answer or None.
Rules: docs/airflow.md, "Sensors".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from airflow_provider_pinpipe.hook import Services

Found = dict[str, Any]


def moment(text: str | None) -> datetime | None:
    """A time from ISO text, in UTC where it names no zone; None from None, "" and "None", an empty template's text."""
    if not text or text == "None":
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def new_objects(services: Services, url: str, newer_than: str | None, at_least: int) -> Found | None:
    """How many objects or files lie below `url` since a time, and the first and last of their names; None = too few.

    url: s3://bucket/prefix or file:///dir. Counting ends at ten thousand.
    """
    since = moment(newer_than)
    names = []
    listed = _objects(services, url) if url.startswith("s3://") else _files(url)
    for name, modified in listed:
        if since is None or modified is None or modified >= since:
            names.append(name)
        if len(names) >= max(at_least, 10_000):
            break
    if len(names) < at_least:
        return None
    return {"url": url, "count": len(names), "first": names[0], "last": names[-1]}


def _objects(services: Services, url: str) -> Iterator[tuple[str, datetime | None]]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    for found in services.s3().list(bucket, prefix):
        yield found.key, found.modified


def _files(url: str) -> Iterator[tuple[str, datetime | None]]:
    root = unquote(url.removeprefix("file://"))
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                changed = os.stat(path).st_mtime
            except FileNotFoundError:  # it went while the folder was read
                continue
            yield os.path.relpath(path, root), datetime.fromtimestamp(changed, UTC)


def stream_lag(
    services: Services,
    stream: str,
    table: str,
    record: str | None,
    checkpoint: str | None,
    region: str | None,
) -> Found:
    """How many seconds a table is behind its stream, and since when a record waits."""
    import pinpipe

    lag = pinpipe.jobs.lag(
        stream,
        table,
        record=record,
        checkpoint=checkpoint,
        storage=services.storage() if table.startswith("delta+s3://") else None,
        **services.kinesis(region),
    )
    since = lag.since.isoformat() if lag.since else None
    return {"stream": stream, "table": table, "lag_s": round(lag.seconds, 3), "since": since}
