"""Turns draws into runs of the emulator and compares what was sent with the tables and the course's sequence.

Never waits for the course's pauses but in one short run.
Rules: CONTRACT §2 and §3 (emulate); domain notes §3.1; 6,000 draws lie in the shared data.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pinpipe
import pytest
from pinpipe import _emulator, _row_sinks, _sources, _synthetic
from pinpipe._cli import main
from pinpipe.errors import DataError, DeadlineError, FileError, InvalidArgumentError, LimitError, NetworkError

REPOSITORY = Path(__file__).resolve().parents[2]
SEQUENCE = REPOSITORY.parent / "shared" / "data" / "real" / "emulator_sequence_seed100.csv"
KINDS = ("pin", "geo", "user")
KEY = {"pin": "index", "geo": "ind", "user": "ind"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{_synthetic.ensure_database(tmp_path_factory.mktemp('source') / 'rows.sqlite')}"


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PINPIPE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def _keys(path: Path, kind: str) -> list[int]:
    return [json.loads(line)[KEY[kind]] for line in path.read_text(encoding="utf-8").splitlines()]


def _drawn(count: int, first: int = 0) -> list[int]:
    with SEQUENCE.open(newline="") as file:
        return [int(row["random_row"]) for row in csv.DictReader(file)][first : first + count]


def test_the_courses_rows_are_sent_in_its_order(source: str, tmp_path: Path) -> None:
    summary = _emulator.emulate(source, f"file://{tmp_path}/out", rows=6000)
    assert summary.draws == 6000 and summary.emulated == dict.fromkeys(KINDS, 6000)
    assert summary.missing_draws == 0 and summary.stopped == "rows"
    for kind in KINDS:
        path = tmp_path / "out" / f"demo.{kind}.ndjson"
        assert _keys(path, kind) == _drawn(6000)
        assert path.read_bytes().count(b"\n") == 6000
    sent = sum((tmp_path / "out" / f"demo.{kind}.ndjson").stat().st_size for kind in KINDS)
    assert summary.sent_bytes == sent - 18_000


def test_payloads_are_compact_json_in_raw_order(source: str) -> None:
    _emulator.emulate(source, "memory:payloads", rows=300, user_id="0a1b2c3d4e5f")
    topics = _row_sinks.memory_rows("payloads")
    assert list(topics) == [f"0a1b2c3d4e5f.{kind}" for kind in KINDS]
    wanted = _synthetic.tables()
    for kind in KINDS:
        for key, payload in zip(_drawn(300), topics[f"0a1b2c3d4e5f.{kind}"], strict=True):
            record = json.loads(payload)
            assert tuple(record) == _sources.RAW_COLUMNS[kind]
            compact = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
            assert payload == compact
            row = list(wanted[_sources.TABLES[kind]][key])
            times = {"geo": 1, "user": 4}
            if kind in times:
                row[times[kind]] = datetime.fromisoformat(str(row[times[kind]])).isoformat()
            assert list(record.values()) == row


def test_kafka_gets_every_row_byte_for_byte_and_in_order(source: str) -> None:
    _emulator.emulate(source, "memory:beside", rows=500, user_id="0a1b")
    wanted = _row_sinks.memory_rows("beside")
    with pinpipe.kafka.MockCluster() as cluster:
        for kind in KINDS:
            cluster.create_topic(f"0a1b.{kind}")
        summary = _emulator.emulate(source, f"kafka://{cluster.brokers}", rows=500, user_id="0a1b")
        assert summary.emulated == dict.fromkeys(KINDS, 500)
        read: dict[str, list[bytes | None]] = {topic: [] for topic in wanted}
        with pinpipe.kafka.Consumer(cluster.brokers, "readers", list(wanted)) as consumer:
            deadline = time.monotonic() + 30
            while sum(map(len, read.values())) < 1500 and time.monotonic() < deadline:
                for message in consumer.poll(1.0):
                    assert message.key is None
                    read[message.topic].append(message.value)
    assert read == wanted


def test_a_broker_that_is_not_there_is_one_clear_error(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_row_sinks, "FLUSH_TIMEOUT_S", 1.0)
    monkeypatch.setattr(_row_sinks, "WRITE_TIMEOUT_S", 1.0)
    with pytest.raises((NetworkError, DeadlineError)):
        _emulator.emulate(source, "kafka://127.0.0.1:1", rows=1)


def test_a_function_can_be_the_sink(source: str) -> None:
    seen: list[tuple[str, bytes]] = []
    summary = _emulator.emulate(source, lambda kind, row: seen.append((kind, row)), rows=3)
    assert [kind for kind, _ in seen] == [*KINDS] * 3 and summary.sink == "function"


def test_several_sinks_take_every_row(source: str, tmp_path: Path) -> None:
    rows: list[tuple[str, bytes]] = []
    mine = _row_sinks.open_sink("memory:mine")
    summary = pinpipe.emulate(
        source, [lambda kind, row: rows.append((kind, row)), f"file://{tmp_path}", mine], rows=5
    )
    assert summary.sink == f"function file://{tmp_path} memory:mine"
    assert len(rows) == 15 and summary.emulated == {"pin": 5, "geo": 5, "user": 5}
    for kind in ("pin", "geo", "user"):
        sent = [row for of, row in rows if of == kind]
        assert (tmp_path / f"demo.{kind}.ndjson").read_bytes().splitlines() == sent
        assert _row_sinks.memory_rows("mine")[f"demo.{kind}"] == sent
    with pytest.raises(pinpipe.Error, match="no target is given"):
        pinpipe.emulate(source, [], rows=5)


def test_missing_rows_are_counted_and_the_others_sent(tmp_path: Path, source: str) -> None:
    rows = _synthetic.tables()
    for kind, table in _sources.TABLES.items():
        with (tmp_path / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_sources.RAW_COLUMNS[kind])
            writer.writerows(row for row in rows[table] if kind != "pin" or int(str(row[0])) % 4 == 0)
    summary = _emulator.emulate(f"csv:{tmp_path}", "memory:partial", rows=1000)
    missing = sum(key % 4 != 0 for key in _drawn(1000))
    assert summary.missing == {"pin": missing, "geo": 0, "user": 0} and summary.missing_draws == missing
    assert summary.emulated == {"pin": 1000 - missing, "geo": 1000, "user": 1000}
    _emulator.emulate(source, "memory:whole", rows=1000)
    whole, partial = (_row_sinks.memory_rows(name) for name in ("whole", "partial"))
    assert partial["demo.geo"] == whole["demo.geo"] and partial["demo.user"] == whole["demo.user"]
    assert partial["demo.pin"] == [row for row in whole["demo.pin"] if json.loads(row)["index"] % 4 == 0]


def test_resume_goes_on_and_a_new_run_begins_again(source: str, tmp_path: Path, state_dir: Path) -> None:
    target = f"file://{tmp_path}/out"
    path = tmp_path / "out" / "demo.pin.ndjson"
    arguments = ["emulate", "--source", source, "--to", target]
    assert main([*arguments, "--rows", "40"]) == 0
    assert main([*arguments, "--rows", "25", "--resume"]) == 0
    assert main([*arguments, "--rows", "10", "--resume"]) == 0
    assert _keys(path, "pin") == _drawn(75)
    assert main([*arguments, "--rows", "5"]) == 0
    assert _keys(path, "pin") == _drawn(75) + _drawn(5)
    assert main([*arguments, "--rows", "5", "--resume", "--seed", "7"]) == 0
    assert len(list(state_dir.iterdir())) == 2


def test_a_broken_state_is_an_error_not_a_guess(source: str, tmp_path: Path, state_dir: Path) -> None:
    _emulator.emulate(source, f"file://{tmp_path}/out", rows=1, resume=True)
    (state,) = state_dir.iterdir()
    state.write_text("{}")
    with pytest.raises(DataError, match="not a state of the emulator"):
        _emulator.emulate(source, f"file://{tmp_path}/out", rows=1, resume=True)


def test_the_state_holds_no_password(tmp_path: Path) -> None:
    with pytest.raises(NetworkError):
        _emulator.emulate("mysql+pymysql://u:hidden@127.0.0.1:1/db", "memory:x", rows=1, state_dir=tmp_path)
    assert not any("hidden" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pinpipe", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, f"{path.name} did not get {count} lines in 30 s"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_a_whole_draw_and_resume_goes_on(
    source: str, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "out" / "demo.user.ndjson"
    arguments = ["emulate", "--source", source, "--to", f"file://{tmp_path}/out", "--rate", "200"]
    process = _start(arguments)
    _wait_for_lines(path, 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and err == ""
    sent = len(_keys(path, "user"))
    assert sent >= 60 and f"draws    {sent}, " in out and "--resume goes on from there" in out
    assert all(_keys(path.with_name(f"demo.{kind}.ndjson"), kind) == _drawn(sent) for kind in KINDS)
    assert main([*arguments[:-2], "--rows", "30", "--resume"]) == 0
    assert _keys(path, "user") == _drawn(sent + 30)


def test_a_killed_run_loses_nothing_and_repeats_little(source: str, tmp_path: Path) -> None:
    """After kill -9 a resume repeats only draws that were not known to be stored; a torn line is removed."""
    path = tmp_path / "out" / "demo.pin.ndjson"
    arguments = ["emulate", "--source", source, "--to", f"file://{tmp_path}/out"]
    process = _start(arguments)
    _wait_for_lines(path, 2500)
    process.kill()
    process.communicate(timeout=20)
    with path.open("ab") as file:
        file.write(b'{"index":1,"torn')
    assert main([*arguments, "--rows", "1500", "--resume"]) == 0
    keys = _keys(path, "pin")
    with_pauses = _drawn(6000)
    resumed = len(keys) - 1500
    first = next(n for n in range(6000) if keys[resumed:] == with_pauses[n : n + 1500])
    assert keys[:resumed] == with_pauses[:resumed]
    assert resumed - _emulator.CHECKPOINT_DRAWS <= first <= resumed


def test_rates_are_kept(source: str) -> None:
    started = time.monotonic()
    _emulator.emulate(source, "memory:rate", rows=50, rate=100)
    assert 0.45 <= time.monotonic() - started < 5
    with SEQUENCE.open(newline="") as file:
        pauses = sum(int(row["sleep"]) for row, _ in zip(csv.DictReader(file), range(3), strict=False))
    started = time.monotonic()
    _emulator.emulate(source, "memory:course", rows=3, rate="course")
    assert pauses <= time.monotonic() - started < pauses + 5


def test_progress_may_hold_the_emulator_back(source: str) -> None:
    seen = []
    _emulator.emulate(source, "memory:held", rows=20, progress=lambda summary: seen.append(summary.draws))
    assert seen == list(range(1, 21))


def test_memory_is_bounded(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_row_sinks, "MEMORY_MAX_BYTES", 10_000)
    with pytest.raises(LimitError, match="memory:small is full"):
        _emulator.emulate(source, "memory:small", rows=1000)


def test_wrong_targets_and_rates_are_one_clear_error(source: str, tmp_path: Path) -> None:
    for target in ("kafka://", "memory:", "file://relative", "ftp://x"):
        with pytest.raises(InvalidArgumentError, match="is none of"):
            _emulator.emulate(source, target, rows=1)
    for rate in ("fast", 0, -1, float("nan")):
        with pytest.raises(InvalidArgumentError, match="rate="):
            _emulator.emulate(source, "memory:x", rows=1, rate=rate)
    with pytest.raises(InvalidArgumentError, match="user id"):
        _emulator.emulate(source, "memory:x", rows=1, user_id="a/b")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file"):
        _emulator.emulate(source, f"file://{tmp_path}/file", rows=1)


def test_the_command_tells_what_went_in_and_out(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "--source", source, "--to", "memory:told", "--rows", "12"]) == 0
    out = capsys.readouterr()
    assert "draws    12, number 0 to 11 of seed 100" in out.out and "pin 12, geo 12, user 12 rows" in out.out
    assert out.err == ""
    assert main(["emulate", "--source", "sqlite:///gone", "--to", "memory:told"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_courses_script_runs_and_stops(source: str) -> None:
    script = REPOSITORY / "examples" / "emulator" / "user_posting_emulation.py"
    done = subprocess.run(
        [sys.executable, str(script), "--source", source, "--rows", "2", "--rate", "1000"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("index", line.get("ind")) for line in lines] == [7528] * 3 + [2863] * 3
