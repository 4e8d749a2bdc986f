"""Turns many small files of a Delta table into one, by a commit that no other writer's can cross.

Never uses deltalake's own compaction: as of 1.6 it does not see that files which it puts together were taken away by
another writer meanwhile, and their rows come back. Never touches a table beyond reader version 1 and writer version 2.
Rules: the Delta protocol, "Add File and Remove File", "Delta Log Entries"; docs/stream.md, "Small files".
"""

from __future__ import annotations

import io
import json
import time
import uuid
from typing import Any

from pinpipe._objects import Objects
from pinpipe.errors import NotFoundError

#: Sizes of what is put together; fewer files than the least are left alone.
FILE_BYTES_MAX = 16 << 20
TOTAL_BYTES_MAX = 64 << 20
FILES_MIN, FILES_MAX = 8, 1000
#: Commits of other writers behind which this one may still be placed.
COMMITS_PASSED_MAX = 100


def compact(table: Any, store: Objects) -> bool:
    """Puts the table's small files together; False where there was nothing to do, or somebody was in the way.

    table: the deltalake table, loaded. store: its folder.
    """
    protocol = table.protocol()
    if protocol.min_reader_version > 1 or protocol.min_writer_version > 2:
        return False
    files = _small_files(table)
    if len(files) < FILES_MIN:
        return False
    try:
        add = _put_together([path for path, _ in files], store)
    except NotFoundError:  # another writer has put them together, and a vacuum has been here
        return False
    now_ms = int(time.time() * 1000)
    removes = [
        {"path": path, "deletionTimestamp": now_ms, "dataChange": False, "partitionValues": {}, "size": size}
        for path, size in files
    ]
    told = {"timestamp": now_ms, "operation": "OPTIMIZE", "operationParameters": {}, "engineInfo": "pinpipe"}
    actions = [{"commitInfo": told}, *({"remove": remove} for remove in removes), {"add": add}]
    entry = "".join(json.dumps(action, separators=(",", ":")) + "\n" for action in actions).encode()
    return _place(entry, {path for path, _ in files}, table.version() + 1, store)


def _small_files(table: Any) -> list[tuple[str, int]]:
    """Paths and sizes, those that were added last at the end."""
    found: list[tuple[str, int]] = []
    total = 0
    actions = table.get_add_actions(flatten=True)
    for path, size in zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True):
        if size <= FILE_BYTES_MAX and total + size <= TOTAL_BYTES_MAX and len(found) < FILES_MAX:
            found.append((path, size))
            total += size
    return found


def _put_together(paths: list[str], store: Objects) -> dict[str, Any]:
    """Writes one file with the rows of all; the action that adds it."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    tables = [parquet.read_table(io.BytesIO(store.get(path))) for path in paths]
    rows = pa.concat_tables(
        [each.cast(tables[0].schema) for each in tables]
    )  # writers name a list's child otherwise
    file = io.BytesIO()
    parquet.write_table(rows, file, compression="zstd")
    name = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
    store.put(name, file.getvalue())
    least, greatest = compute.min_max(rows["ind"]).as_py().values()
    stats = {
        "numRecords": rows.num_rows,
        "minValues": {"ind": least},
        "maxValues": {"ind": greatest},
        "nullCount": {"ind": rows["ind"].null_count},
    }
    return {
        "path": name,
        "partitionValues": {},
        "size": file.tell(),
        "modificationTime": int(time.time() * 1000),
        "dataChange": False,
        "stats": json.dumps(stats),
    }


def _place(entry: bytes, removed: set[str], version: int, store: Objects) -> bool:
    """Makes the entry the log's next one, behind commits that left our files and the table's shape alone."""
    for number in range(version, version + COMMITS_PASSED_MAX):
        key = f"_delta_log/{number:020}.json"
        if store.create(key, entry):
            return True
        for line in store.get(key).splitlines():
            action = json.loads(line)
            if (
                action.get("remove", {}).get("path") in removed
                or "metaData" in action
                or "protocol" in action
            ):
                return False
    return False
