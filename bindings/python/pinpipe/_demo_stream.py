"""Turns three Kinesis streams into the stream layer's Delta tables of the demo, and both layers into a comparison.

Never cleans in a way of its own: the same core and the same rules as for the batch layer.
Rules: CONTRACT §2 (DIR/stream/<id>_pin_table …) and §6 (summary.json); domain notes §4 (the streaming notebook).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinpipe import kinesis
from pinpipe._outputs import import_extra
from pinpipe._row_sinks import GatewaySink, KinesisSink, StreamSink, streams_of
from pinpipe._schema import KINDS
from pinpipe._stream import stream
from pinpipe._tables import read_clean

if TYPE_CHECKING:
    from pinpipe._store import Store

#: Shards of each stream: what the course's mapping template creates where nothing else is said (domain §3.4).
SHARDS = 5
SHOWN_DIFFERENCES = 10


class StreamLayer:
    """The streams of one user in the embedded Kinesis."""

    def __init__(self, store: Store, user_id: str) -> None:
        """Creates the streams. Raises NotSupportedError where the package that writes the tables is missing."""
        import_extra("deltalake", "the stream path")
        client = kinesis.Client(store.endpoint, region=store.region, credentials=store.credentials)
        self._user_id = user_id
        self.store = store
        self._streams = streams_of(user_id)
        for name in self._streams.values():
            client.create_stream(name, SHARDS)

    def sink(self, door: str | None) -> StreamSink:
        """Where the emulator's rows go: by the gateway at `door`, or by Kinesis itself."""
        store = self.store
        if door:
            return GatewaySink(f"apigw+http://{door}", self._user_id)
        return KinesisSink(
            f"kinesis://{store.region}",
            self._user_id,
            endpoint=store.endpoint,
            credentials=store.credentials,
        )

    def consume(self, out: Path) -> dict[str, dict[str, int]]:
        """Reads every stream to its end into its table below `out`; the flow of the records, as summary.json has it."""
        return {kind: self._consume(kind, out) for kind in KINDS}

    def _consume(self, kind: str, out: Path) -> dict[str, int]:
        table = out.absolute() / f"{self._user_id}_{kind}_table"
        for old in (table, table.with_name(f"{table.name}.rejects")):
            shutil.rmtree(old, ignore_errors=True)
        flow = stream(
            self._streams[kind],
            f"delta+file://{table}",
            mode="merge",
            available_now=True,
            region=self.store.region,
            endpoint=self.store.endpoint,
            credentials=self.store.credentials,
        )
        return {
            "read": flow.read,
            "cleaned": flow.written,
            "duplicates": flow.duplicates + flow.equal + flow.updated,
            "rejected": flow.rejected,
            "conflicts": flow.conflicts,
        }


def _text(moment: datetime) -> str:
    """As the core writes it: a fraction only where there is one."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def ndjson_lines(table: Any) -> Iterator[bytes]:
    """The rows of a clean table as NDJSON, ordered by `ind`."""
    for row in table.sort_by("ind").to_pylist():
        named = {name: _text(value) if isinstance(value, datetime) else value for name, value in row.items()}
        yield json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def compare(batch: Mapping[str, object], streamed: Mapping[str, object]) -> dict[str, Any]:
    """Tables of both layers by kind: their rows as NDJSON in the order of `ind`, byte for byte."""
    result: dict[str, Any] = {}
    for kind, table in batch.items():
        sides = [list(ndjson_lines(read_clean(kind, each))) for each in (table, streamed[kind])]
        lines = set(sides[0]) ^ set(sides[1])
        different = sorted({json.loads(line)["ind"] for line in lines})
        result[kind] = {
            "identical": sides[0] == sides[1],
            "rows": [len(side) for side in sides],
            "different": len(different),
            "first_different": different[:SHOWN_DIFFERENCES],
        }
    return result
