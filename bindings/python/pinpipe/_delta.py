"""Turns rows and the positions that they were read to into one commit of a Delta table, at most once for each position.

Never writes by the table's URI: a writer that loads a newer log by itself would not see that somebody was faster. Never
takes a checkpoint for the truth: the table's log is.
Rules: docs/stream.md, "Exactly once"; the Delta protocol's transaction identifiers.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

from pinpipe._delta_compact import compact
from pinpipe._kinesis_consumer import Position
from pinpipe._objects import Objects, open_objects
from pinpipe._outputs import delta_location, delta_storage_options, import_extra
from pinpipe._schema import Schema
from pinpipe.errors import ConflictError, DataError, FileError, NotFoundError

if TYPE_CHECKING:
    import pyarrow

    from pinpipe import s3

Mode = Literal["append", "merge"]

METADATA_KEY = "pinpipe"
CHECKPOINT_FORMAT = 1
CHECKPOINT_KEY = "_pinpipe/checkpoint.json"
CHECKPOINT_INTERVAL_S = 10.0
#: How long a commit is tried again that others' commits are in the way of; pauses between the attempts grow.
COMMIT_TIMEOUT_S = 120.0
BACKOFF_S, BACKOFF_MAX_S = 0.02, 1.0
#: Commits of the log that are searched for positions, step by step; None = all that are kept.
HISTORY_STEPS = (16, 256, None)


@dataclass
class Written:
    """What a commit did with its rows: new ones, and those that were there, with the same or with other content."""

    inserted: int = 0
    equal: int = 0
    updated: int = 0


class Storage(NamedTuple):
    """How a table in S3 is reached where the environment does not say it: the objects' client, deltalake's options."""

    client: s3.Client
    options: dict[str, str]


def is_delta_table(url: str, storage: Storage | None = None) -> bool:
    """Whether there is a table at delta+file:///dir or delta+s3://bucket/prefix."""
    location = delta_location(url)
    delta = import_extra("deltalake", "reading Delta")
    options = storage.options if storage else delta_storage_options(location)
    return bool(delta.DeltaTable.is_deltatable(location, options))


def folder_url(url: str) -> str:
    """The table's folder as `open_objects` takes it."""
    location = delta_location(url).rstrip("/")
    return location if location.startswith("s3://") else "file://" + quote(os.path.abspath(location))


class DeltaTarget:
    """A Delta table that takes a stream's rows together with the shards' positions.

    Each shard has a transaction identifier of its own in the log, whose version counts the shard's commits: two
    writers of one shard cannot both commit after the same version, writers of different shards append side by side.
    """

    def __init__(
        self,
        url: str,
        schema: Schema,
        stream: str,
        mode: Mode,
        checkpoint: tuple[Objects, str] | None = None,
        storage: Storage | None = None,
    ) -> None:
        """Opens the table, makes it where it is missing.

        stream: what names it for good, such as its ARN. checkpoint: the store and the key of its object; else it lies
        in the table's folder. storage: of a table in S3, else by the environment.
        Raises DataError where the table has other columns.
        """
        self._delta = import_extra("deltalake", "writing Delta")
        self._location = delta_location(url)
        self._schema = schema
        self._stream = stream
        self.mode = mode
        self._options = storage.options if storage else delta_storage_options(self._location)
        self._folder = open_objects(folder_url(url), storage.client if storage else None)
        self._checkpoint = checkpoint or (self._folder, CHECKPOINT_KEY)
        self._checkpointed = time.monotonic()
        self._versions: dict[str, int] = {}
        self.positions: dict[str, Position] = {}
        self._table = self._open()

    def _open(self) -> Any:
        arrow, options = self._schema.arrow(), self._options
        try:
            try:
                table = self._delta.DeltaTable.create(
                    self._location, schema=arrow, mode="ignore", storage_options=options
                )
            except self._delta.exceptions.CommitFailedError:  # another writer has made it meanwhile
                table = self._delta.DeltaTable(self._location, storage_options=options)
        except (self._delta.exceptions.DeltaError, OSError) as error:
            raise self._error(error) from None
        found = [field.name for field in table.schema().fields]
        if found != arrow.names:
            raise DataError(
                f"Delta table '{self._location}' has the columns {', '.join(found)}, not {', '.join(arrow.names)}"
            )
        return table

    @property
    def table_id(self) -> str:
        """What the table is called in its own log; one that is made anew in the same place has another."""
        return str(self._table.metadata().id)

    def _error(self, error: Exception) -> FileError:
        return FileError(f"Delta table '{self._location}': {str(error).splitlines()[0]}")

    def _app_id(self, shard: str) -> str:
        return f"pinpipe:{self._stream}:{shard}"

    def _version(self, shard: str) -> int:
        """Commits of this shard that the loaded log knows."""
        found: int | None = self._table.transaction_version(self._app_id(shard))
        return found or 0

    def load(self, shards: Iterable[str]) -> dict[str, Position]:
        """Looks up where each of these shards stands in the table's log; the positions that are known.

        The next commit goes on from there: whoever reads must do so with every shard, also with one that another
        writer has moved. Of a table without any, those of the checkpoint, where there is one. Raises ConflictError
        where the checkpoint is another table's, DataError where a position is in the log no longer.
        """
        try:
            self._table.update_incremental()
        except (self._delta.exceptions.DeltaError, OSError) as error:
            raise self._error(error) from None
        self._versions = {shard: self._version(shard) for shard in shards}
        kept = self._read_checkpoint(fresh=not any(self._versions.values()))
        known = {shard: kept[shard] for shard in kept if kept[shard][0] == self._versions.get(shard)}
        wanted = {shard for shard, version in self._versions.items() if version} - known.keys()
        for limit in HISTORY_STEPS:
            if not wanted:
                break
            known.update(self._search(wanted, limit))
            wanted -= known.keys()
        if wanted:
            raise DataError(
                f"Delta table '{self._location}': its log has lost the position of {', '.join(sorted(wanted))} and the"
                " checkpoint does not have it either"
            )
        self.positions = {shard: position for shard, (_, position) in known.items()}
        return dict(self.positions)

    def _search(self, wanted: set[str], limit: int | None) -> dict[str, tuple[int, Position]]:
        found: dict[str, tuple[int, Position]] = {}
        for entry in self._table.history(limit):
            told = json.loads(entry[METADATA_KEY]) if METADATA_KEY in entry else {}
            for shard, (version, position) in _entries(told, self._stream).items():
                if shard in wanted and version == self._versions[shard]:
                    found.setdefault(shard, (version, position))
        return found

    def commit(
        self, rows: pyarrow.Table, moved: Mapping[str, Position], *, rejects: Iterable[str] = ()
    ) -> Written | None:
        """Writes rows with the positions that they were read to; None where another writer had moved one of the shards.

        Then nothing was written, or by a commit whose answer was lost, and `load` tells where the shards stand.
        rejects: names of objects with the records of the same stretch that could not be read; the commit tells of
        them. Raises FileError.
        """
        versions = {shard: self._versions.get(shard, 0) + 1 for shard in moved}
        entries = {shard: [versions[shard], position] for shard, position in moved.items()}
        told = {"stream": self._stream, "shards": entries, "rejects": list(rejects)}
        metadata = {METADATA_KEY: json.dumps(told)}
        counts = {self._app_id(shard): version for shard, version in versions.items()}
        deadline = time.monotonic() + COMMIT_TIMEOUT_S
        for attempt in itertools.count(1):
            if any(self._version(shard) >= version for shard, version in versions.items()):
                return None
            try:
                written = self._write(rows, counts, metadata)
                break
            except (self._delta.exceptions.DeltaError, OSError) as error:
                self._table.update_incremental()
                conflict = isinstance(error, self._delta.exceptions.CommitFailedError)
                if not conflict or time.monotonic() > deadline:
                    raise self._error(error) from None
                time.sleep(random.uniform(0, min(BACKOFF_S * attempt, BACKOFF_MAX_S)))
        self._versions.update(versions)
        self.positions.update(moved)
        return written

    def _write(self, rows: pyarrow.Table, counts: Mapping[str, int], metadata: Mapping[str, str]) -> Written:
        if self.mode == "append" or not rows.num_rows:
            self._append(rows, self._properties(counts, metadata))
            return Written(rows.num_rows)
        before = self._table.version()
        others = [name for name in rows.column_names if name != "ind"]
        metrics = (
            self._table.merge(
                rows,
                predicate="target.ind = source.ind",
                source_alias="source",
                target_alias="target",
                commit_properties=self._properties(counts, metadata),
            )
            .when_matched_update_all(
                predicate=" OR ".join(f"(source.{name} IS DISTINCT FROM target.{name})" for name in others)
            )
            .when_not_matched_insert_all()
            .execute()
        )
        if (
            self._table.version() == before
        ):  # nothing changed, so nothing was committed: the positions have moved
            self._append(rows.slice(0, 0), self._properties(counts, metadata))
        inserted, updated = metrics["num_target_rows_inserted"], metrics["num_target_rows_updated"]
        return Written(inserted, rows.num_rows - inserted - updated, updated)

    def _append(self, rows: pyarrow.Table, properties: Any) -> None:
        self._delta.write_deltalake(self._table, rows, mode="append", commit_properties=properties)

    def _properties(self, counts: Mapping[str, int], metadata: Mapping[str, str]) -> Any:
        transactions = [self._delta.Transaction(app_id, version) for app_id, version in counts.items()]
        return self._delta.CommitProperties(custom_metadata=metadata, app_transactions=transactions)

    def compact(self) -> None:
        """Puts small files together; where another writer is in the way, it is left for later."""
        compact(self._table, self._folder)
        self._table.update_incremental()

    def save_checkpoint(self, *, now: bool = False) -> None:
        """Mirrors the positions to the checkpoint, at most every 10 s unless `now`."""
        if not now and time.monotonic() - self._checkpointed < CHECKPOINT_INTERVAL_S:
            return
        self._checkpointed = time.monotonic()
        store, key = self._checkpoint
        table_id = self.table_id
        document = self._checkpoint_document() or {}
        if document.get("table_id") != table_id:
            document = {"streams": {}}
        document |= {"format": CHECKPOINT_FORMAT, "table": self._location, "table_id": table_id}
        kept = document["streams"].setdefault(self._stream, {})
        for shard, position in self.positions.items():
            if kept.get(shard, [0])[0] <= self._versions.get(shard, 0):
                kept[shard] = [self._versions.get(shard, 0), position]
        store.put(key, json.dumps(document, indent=1).encode() + b"\n")

    def _checkpoint_document(self) -> dict[str, Any] | None:
        store, key = self._checkpoint
        try:
            text = store.get(key)
        except NotFoundError:
            return None
        try:
            document = json.loads(text)
            if document["format"] != CHECKPOINT_FORMAT or not isinstance(document["streams"], dict):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise DataError(f"checkpoint '{store.url}/{key}' is none of pinpipe's") from None
        return dict(document)

    def _read_checkpoint(self, *, fresh: bool) -> dict[str, tuple[int, Position]]:
        document = self._checkpoint_document()
        if document is None:
            return {}
        told = {"stream": self._stream, "shards": document["streams"].get(self._stream, {})}
        kept = _entries(told, self._stream)
        if document.get("table_id") == self.table_id:
            return kept
        store, key = self._checkpoint
        if not fresh or document.get("table") != self._location:
            raise ConflictError(
                f"checkpoint '{store.url}/{key}' is that of table '{document.get('table')}': each table needs its own"
            )
        # The table was made anew: it begins where the old one stood, and that is kept before its first commit.
        self.positions = {shard: position for shard, (_, position) in kept.items()}
        self.save_checkpoint(now=True)
        return {shard: (0, position) for shard, position in self.positions.items()}


def _entries(told: Mapping[str, Any], stream: str) -> dict[str, tuple[int, Position]]:
    """Shard -> (version, position) of one commit's metadata or of the checkpoint."""
    if told.get("stream") != stream:
        return {}
    found: dict[str, tuple[int, Position]] = {}
    for shard, (version, position) in told.get("shards", {}).items():
        found[shard] = (version, position if isinstance(position, str) else (position[0], position[1]))
    return found
