"""Turns topics, streams, tables and objects into asset URIs, and into the names that OpenLineage has for them.

Never opens anything, never keeps a login in a URI.
Rules: docs/airflow.md, "Assets"; OpenLineage's naming of Kafka, S3 and files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote

from airflow_provider_pinpipe._compat import Asset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openlineage.client.event_v2 import Dataset

DEFAULT_REGION = "us-east-1"


def stream(name: str, region: str = DEFAULT_REGION, **told: Any) -> Asset:
    """The asset kinesis://region/name."""
    return Asset(uri=f"kinesis://{region}/{name}", **told)


def table(url: str, **told: Any) -> Asset:
    """The asset of a table or of objects: s3://bucket/prefix or file:///dir, whatever format lies there."""
    return Asset(uri=_plain(url), **told)


def dataset(name: str, **told: Any) -> Asset:
    """The asset pinpipe://name of what has a name only, such as the answers of a day."""
    return Asset(uri=f"pinpipe://{quote(name, safe='/')}", **told)


def sanitize_stream(uri: SplitResult) -> SplitResult:
    """kinesis://region/name. Raises ValueError where one is missing or there is more."""
    name = uri.path.strip("/")
    if not uri.netloc or not name or "/" in name:
        raise ValueError("URI format kinesis:// must contain a region and the name of a stream")
    return uri._replace(path=f"/{name}", query="", fragment="")


def sanitize_name(uri: SplitResult) -> SplitResult:
    """pinpipe://name. Raises ValueError without a name."""
    if not uri.netloc:
        raise ValueError("URI format pinpipe:// must contain a name")
    return uri._replace(path=uri.path.rstrip("/"), query="", fragment="")


def to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """What OpenLineage calls an asset of this provider's schemes."""
    from openlineage.client.event_v2 import Dataset

    ((namespace, name),) = lineage_names([asset.uri])
    return Dataset(namespace=namespace, name=name)


def lineage_names(urls: Sequence[str | None]) -> list[tuple[str, str]]:
    """(namespace, name) of each URL or path, as OpenLineage has them; what is None is left out."""
    return [_lineage_name(url) for url in urls if url]


def _plain(url: str) -> str:
    return url.removeprefix("delta+")


def _lineage_name(url: str) -> tuple[str, str]:
    scheme, found, rest = _plain(url).partition("://")
    if not found:
        return "file", os.path.abspath(url)
    if scheme == "file":
        return "file", rest.rstrip("/")
    place, _, name = rest.partition("/")
    return f"{scheme}://{place}", name.strip("/") or "/"
