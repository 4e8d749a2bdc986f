"""Turns commits of rows and positions into a Delta table on disk, by writers that race, die, and lose their checkpoint.

Never starts a server: a stream's shards are names and numbers here.
Rules: docs/stream.md, "Exactly once".
"""

from __future__ import annotations

import json
import random
import shutil
import threading
from pathlib import Path

import pyarrow
import pyarrow.compute
import pytest
from deltalake import DeltaTable
from pinpipe._delta import DeltaTarget, Mode
from pinpipe._objects import open_objects
from pinpipe._schema import Schema
from pinpipe.errors import ConflictError, DataError, InvalidArgumentError

GEO = Schema("geo")
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/streaming-demo-geo"


def target(
    folder: Path, mode: Mode = "append", stream: str = ARN, checkpoint: str = "checkpoint.json"
) -> DeltaTarget:
    place = (open_objects(f"file://{folder}"), checkpoint)
    return DeltaTarget(f"delta+file://{folder}/table", GEO, stream, mode, place)


def rows(*keys: int, country: str = "Albania") -> pyarrow.Table:
    given = [{"ind": key, "country": country, "coordinates": [1.5, None], "timestamp": None} for key in keys]
    return pyarrow.Table.from_pylist(given, schema=GEO.arrow())


def keys_of(folder: Path) -> list[int]:
    return sorted(DeltaTable(str(folder / "table")).to_pyarrow_table()["ind"].to_pylist())


def test_positions_are_in_the_log_and_nowhere_else_needed(tmp_path: Path) -> None:
    writer = target(tmp_path)
    assert writer.load(["a", "b"]) == {}
    assert writer.commit(rows(1, 2), {"a": ("49" * 28, 0)}).inserted == 2
    assert writer.commit(rows(3), {"a": ("50" * 28, 7), "b": "SHARD_END"}).inserted == 1
    assert writer.commit(rows(), {"a": ("51" * 28, 0)}).inserted == 0
    again = target(tmp_path)
    assert again.load(["a", "b", "c"]) == {"a": ("51" * 28, 0), "b": "SHARD_END"}
    assert again.commit(rows(4), {"c": ("1", 0)}).inserted == 1
    assert keys_of(tmp_path) == [1, 2, 3, 4] and not (tmp_path / "checkpoint.json").exists()


def test_the_slower_writer_of_a_shard_writes_nothing(tmp_path: Path) -> None:
    first, second, other = target(tmp_path), target(tmp_path), target(tmp_path)
    for writer in (first, second, other):
        writer.load(["a", "b"])
    assert first.commit(rows(1), {"a": ("1", 0)})
    assert other.commit(rows(9), {"b": ("1", 0)}), "writers of different shards append side by side"
    assert second.commit(rows(1), {"a": ("1", 0)}) is None
    assert second.commit(rows(1, 2), {"a": ("2", 0), "b": ("2", 0)}) is None
    assert second.load(["a", "b"]) == {"a": ("1", 0), "b": ("1", 0)}
    assert second.commit(rows(2), {"a": ("2", 0)})
    assert keys_of(tmp_path) == [1, 2, 9]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_racing_writers_write_each_record_once(tmp_path: Path, mode: Mode) -> None:
    """Four writers, three shards of 40 records each; every writer reads every shard from where the log stands."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    shards = {name: [index * 3 + number for index in range(40)] for number, name in enumerate("abc")}
    failures: list[BaseException] = []

    def work(number: int) -> None:
        draw = random.Random(seed + number)
        try:
            writer = target(tmp_path, mode)
            positions = writer.load(shards)
            while len(positions) < 3 or any(int(place[0]) < 40 for place in positions.values()):
                shard = draw.choice([name for name in shards if int(positions.get(name, ("0",))[0]) < 40])
                at = int(positions.get(shard, ("0", 0))[0])
                to = min(40, at + draw.randint(1, 8))
                written = writer.commit(rows(*shards[shard][at:to]), {shard: (str(to), 0)})
                positions = writer.load(shards) if written is None else writer.positions
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert keys_of(tmp_path) == list(range(120))


def test_merge_keeps_one_row_a_key_the_latest(tmp_path: Path) -> None:
    writer = target(tmp_path, "merge")
    writer.load(["a"])
    assert writer.commit(rows(1, 2), {"a": ("1", 0)}).inserted == 2
    done = writer.commit(rows(2, 3), {"a": ("2", 0)})
    assert (done.inserted, done.equal, done.updated) == (1, 1, 0)
    done = writer.commit(rows(1, country="Aruba"), {"a": ("3", 0)})
    assert (done.inserted, done.equal, done.updated) == (0, 0, 1)
    before = DeltaTable(str(tmp_path / "table")).version()
    done = writer.commit(rows(2, 3), {"a": ("4", 0)})
    assert (done.inserted, done.equal, done.updated) == (0, 2, 0)
    table = DeltaTable(str(tmp_path / "table"))
    assert table.version() == before + 1, "the position moves although no row changed"
    found = {row["ind"]: row["country"] for row in table.to_pyarrow_table().to_pylist()}
    assert found == {1: "Aruba", 2: "Albania", 3: "Albania"}
    assert target(tmp_path, "merge").load(["a"]) == {"a": ("4", 0)}


def test_a_key_that_two_shards_bring_is_one_row(tmp_path: Path) -> None:
    one, two = target(tmp_path, "merge"), target(tmp_path, "merge")
    one.load(["a"]), two.load(["b"])
    assert one.commit(rows(1, 2), {"a": ("1", 0)})
    assert two.commit(rows(2, 3), {"b": ("1", 0)}), "its snapshot is older than the other's commit"
    assert keys_of(tmp_path) == [1, 2, 3]


def test_small_files_become_one_and_the_positions_stay(tmp_path: Path) -> None:
    writer = target(tmp_path)
    writer.load(["a"])
    for number in range(12):
        writer.commit(rows(number), {"a": (str(number + 1), 0)})
    writer.compact()
    table = DeltaTable(str(tmp_path / "table"))
    assert len(table.file_uris()) == 1 and table.to_pyarrow_table().num_rows == 12
    assert table.history(1)[0]["operation"] == "OPTIMIZE"
    writer.commit(rows(1, 50), {"a": ("12", 1)})
    table = DeltaTable(str(tmp_path / "table"))
    assert keys_of(tmp_path) == sorted([*range(12), 1, 50])
    assert table.to_pyarrow_dataset().count_rows(pyarrow.compute.field("ind") == 1) == 2
    table.create_checkpoint()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert target(tmp_path).load(["a"]) == {"a": ("12", 1)}
    assert keys_of(tmp_path) == sorted([*range(12), 1, 50])


def test_of_two_that_take_files_away_one_does(tmp_path: Path) -> None:
    """deltalake's own compaction lets both put the same files together, and every row is there twice."""
    writer = target(tmp_path, "merge")
    writer.load(["a"])
    for number in range(10):
        writer.commit(rows(number), {"a": (str(number + 1), 0)})
    early, late = target(tmp_path), target(tmp_path)
    for number in range(10, 15):
        writer.commit(rows(number), {"a": (str(number + 1), 0)})
    early.compact()
    late.compact()
    writer.compact()
    assert keys_of(tmp_path) == list(range(15))
    for number in range(15, 25):
        writer.commit(rows(number), {"a": (str(number + 1), 0)})
    late = target(tmp_path)
    assert writer.commit(rows(20, country="Aruba"), {"a": ("26", 0)}).updated == 1
    late.compact()
    writer.compact()
    assert writer.commit(rows(21, country="Aruba"), {"a": ("27", 0)}).updated == 1
    assert keys_of(tmp_path) == list(range(25))
    entries = [entry["operation"] for entry in DeltaTable(str(tmp_path / "table")).history()]
    assert entries.count("OPTIMIZE") == 2, "two of the five were not in anybody's way"


def test_a_position_that_the_log_has_lost_is_the_checkpoints(tmp_path: Path) -> None:
    writer = target(tmp_path)
    writer.load(["idle", "busy"])
    writer.commit(rows(1), {"idle": ("1", 3)})
    writer.save_checkpoint(now=True)
    for number in range(5):
        writer.commit(rows(10 + number), {"busy": (str(number + 1), 0)})
    DeltaTable(str(tmp_path / "table")).create_checkpoint()
    for version in range(4):  # as log retention does
        (tmp_path / "table" / "_delta_log" / f"{version:020}.json").unlink()
    assert target(tmp_path).load(["idle", "busy"]) == {"idle": ("1", 3), "busy": ("5", 0)}
    (tmp_path / "checkpoint.json").unlink()
    with pytest.raises(DataError, match="lost the position of idle"):
        target(tmp_path).load(["idle", "busy"])


def test_a_checkpoint_behind_the_log_is_not_believed(tmp_path: Path) -> None:
    writer = target(tmp_path)
    writer.load(["a"])
    writer.commit(rows(1), {"a": ("1", 0)})
    writer.save_checkpoint(now=True)
    writer.commit(rows(2), {"a": ("2", 0)})
    assert target(tmp_path).load(["a"]) == {"a": ("2", 0)}


def test_a_table_that_is_made_anew_begins_at_its_checkpoint(tmp_path: Path) -> None:
    writer = target(tmp_path)
    writer.load(["a", "b"])
    writer.commit(rows(1, 2), {"a": ("7", 0), "b": ("8", 0)})
    writer.save_checkpoint(now=True)
    shutil.rmtree(tmp_path / "table")
    again = target(tmp_path)
    assert again.load(["a", "b"]) == {"a": ("7", 0), "b": ("8", 0)}
    assert again.commit(rows(3), {"a": ("9", 0)})
    assert target(tmp_path).load(["a", "b"]) == {"a": ("9", 0), "b": ("8", 0)}, (
        "also of a shard without a commit"
    )
    again.save_checkpoint(now=True)
    assert target(tmp_path).load(["a", "b"]) == {"a": ("9", 0), "b": ("8", 0)} and keys_of(tmp_path) == [3]


def test_one_checkpoint_is_not_shared_by_tables(tmp_path: Path) -> None:
    writer = target(tmp_path)
    writer.load(["a"])
    writer.commit(rows(1), {"a": ("1", 0)})
    writer.save_checkpoint(now=True)
    place = (open_objects(f"file://{tmp_path}"), "checkpoint.json")
    other = DeltaTarget(f"delta+file://{tmp_path}/other", GEO, ARN, "append", place)
    with pytest.raises(ConflictError, match="each table needs its own"):
        other.load(["a"])
    for text in (b"{}", b"[1]", b"no", b'{"format":1,"streams":[]}'):
        (tmp_path / "checkpoint.json").write_bytes(text)
        with pytest.raises(DataError, match="none of pinpipe's"):
            target(tmp_path).load(["a"])


def test_streams_do_not_share_positions(tmp_path: Path) -> None:
    one, two = target(tmp_path), target(tmp_path, stream=ARN + "-two")
    one.load(["a"])
    assert one.commit(rows(1), {"a": ("1", 0)})
    one.save_checkpoint(now=True)
    assert two.load(["a"]) == {}
    assert two.commit(rows(2), {"a": ("5", 0)})
    two.save_checkpoint(now=True)
    assert target(tmp_path).load(["a"]) == {"a": ("1", 0)}
    assert target(tmp_path, stream=ARN + "-two").load(["a"]) == {"a": ("5", 0)}
    kept = json.loads((tmp_path / "checkpoint.json").read_text())["streams"]
    assert kept == {ARN: {"a": [1, ["1", 0]]}, ARN + "-two": {"a": [1, ["5", 0]]}}


def test_a_table_of_another_shape_is_refused(tmp_path: Path) -> None:
    DeltaTable.create(str(tmp_path / "table"), schema=Schema("user").arrow())
    with pytest.raises(DataError, match="has the columns ind, user_name"):
        target(tmp_path)


def test_objects_are_replaced_whole_and_named_by_a_url(tmp_path: Path) -> None:
    store = open_objects(f"file://{tmp_path}/a%20b")
    assert store.create("c/d.json", b"0") and not store.create("c/d.json", b"1")
    assert store.get("c/d.json") == b"0"
    store.put("c/d.json", b"1")
    store.put("c/d.json", b"2")
    assert store.get("c/d.json") == b"2" and list(store.keys()) == ["c/d.json"]
    with pytest.raises(InvalidArgumentError):
        open_objects("ftp://x")
