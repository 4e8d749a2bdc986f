"""Turns a few draws into answers through every joint, and counts.

Never mocks a joint: the embedded Kafka and the embedded S3 are the ones that a newcomer gets.
Rules: CONTRACT §2 (`pinpipe demo`), §6 (summary.json).
"""

import json
import subprocess
import sys
from pathlib import Path

import pinpipe
import pyarrow
import pytest
from deltalake import DeltaTable
from pinpipe import _demo, _demo_stream
from pinpipe._schema import KINDS
from pinpipe._sources import open_source

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "real"


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pinpipe", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=900)


def assert_adds_up(summary: dict, draws: int) -> None:
    assert summary["draws"] == draws
    assert _demo.flow_errors(summary["records"]) == []
    for kind in KINDS:
        flow = summary["records"][kind]
        assert flow["emulated"] + summary["missing_rows"][kind] == draws
        assert flow["emulated"] == flow["stored"] == flow["read"] > 0
        assert flow["read"] == flow["cleaned"] + flow["duplicates"] + flow["rejected"]
        assert flow["conflicts"] <= flow["duplicates"]


def assert_layers_agree(summary: dict, folder: Path, user_id: str) -> None:
    """The stream layer's flow is the batch layer's, and its tables hold the same rows."""
    assert summary["stream"]["records"] == summary["records"]
    for kind in KINDS:
        batch = DeltaTable(str(folder / "batch" / kind)).to_pyarrow_table().sort_by("ind")
        stream = (
            DeltaTable(str(folder / "stream" / f"{user_id}_{kind}_table")).to_pyarrow_table().sort_by("ind")
        )
        assert stream.equals(batch) and stream.num_rows > 0
        rows = stream.num_rows
        assert summary["stream"]["tables"][kind] == {
            "identical": True,
            "rows": [rows, rows],
            "different": 0,
            "first_different": [],
        }


def test_demo_on_synthetic_rows(tmp_path: Path) -> None:
    done = run_demo("--rows", "300", "--out", str(tmp_path), "--user-id", "0a1b2c3d4e5f")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert_adds_up(summary, 300)
    assert_layers_agree(summary, tmp_path, "0a1b2c3d4e5f")
    assert "byte for byte: pin, geo, user" in done.stdout
    assert summary["missing"] == 0
    assert summary["notes"] == []  # the embedded S3 and the gateway were used
    assert summary["gateway"]["stored"] == summary["gateway"]["records"] == 2 * 3 * 300
    assert summary["gateway"]["lost"] == summary["gateway"]["refused"] == 0
    assert {"libpinpipe", "librdkafka", "libcurl", "openssl", "duckdb", "deltalake"} <= set(
        summary["versions"]
    )
    for name in ("elapsed_s", "cpu_s", "rss_bytes"):
        assert summary[name] > 0
    for kind in KINDS:
        sides = summary["statistics"][kind]
        assert {column["rows"] for column in sides["before"].values()} == {summary["records"][kind]["read"]}
        assert {column["rows"] for column in sides["after"].values()} == {summary["records"][kind]["cleaned"]}
    assert [each["id"] for each in summary["expectations"] if not each["passed"]] == []
    assert {each["id"].split(".")[0] for each in summary["expectations"]} == {*KINDS, "matches"}
    assert [row["matched_share"] for row in summary["matches"]] == [1.0] * 6
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (
        "The stream layer" in page
        and "Before and after cleaning" in page
        and "Matches across the tables" in page
    )
    assert page.count("<figure class=wide>") == page.count("<figure class=narrow>") == 9
    assert "http://" not in page.replace("http://www.w3.org/", "")
    for question in ("q1", "q2", "q3a", "q3b", "q4", "q5", "q6", "q7", "q8"):
        assert f"\n{question}  " in done.stdout


def test_the_comparison_finds_what_differs(tmp_path: Path) -> None:
    """The compared lines are the core's own NDJSON; a row that one side lacks, or has otherwise, is named."""
    rows = b"".join(
        b'{"ind":%d,"country":"Al\xc3\xa9 \\"x","latitude":%d.5,"longitude":-1e-7,"timestamp":"2018-01-01T00:00:00"}\n'
        % (key, key)
        for key in (3, 1, 2)
    )
    table = pinpipe.clean("geo", rows + b'{"ind":4,"timestamp":"2018-01-01T00:00:00.25"}\n{"ind":5}\n')
    lines = sorted(pinpipe.encode(table).splitlines(keepends=True), key=lambda line: json.loads(line)["ind"])
    assert list(_demo_stream.ndjson_lines(pyarrow.table(table))) == lines
    other = rows.replace(b"2.5", b"2.25").replace(b'"ind":3', b'"ind":9')
    found = _demo_stream.compare({"geo": pinpipe.clean("geo", rows)}, {"geo": pinpipe.clean("geo", other)})
    assert found == {
        "geo": {"identical": False, "rows": [3, 3], "different": 3, "first_different": [2, 3, 9]}
    }


def test_the_tables_are_the_drawn_rows(tmp_path: Path) -> None:
    """Every row of the Delta tables is the source's row, cleaned, and every drawn key is there."""
    done = run_demo("--rows", "200", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    from pinpipe._draws import Draws

    draws = Draws(100)
    keys = {next(draws)[1] for _ in range(200)}
    with open_source(None) as source:
        expected = {key: source.rows(key) for key in keys}
    for kind in KINDS:
        table = DeltaTable(str(tmp_path / "batch" / kind)).to_pyarrow_table()
        assert sorted(table.column("ind").to_pylist()) == sorted(keys)
        assert isinstance(table, pyarrow.Table)
    users = DeltaTable(str(tmp_path / "batch" / "user")).to_pyarrow_table().to_pylist()
    for row in users:
        _, first, last, age, joined = expected[row["ind"]]["user"]
        assert (row["user_name"], row["age"]) == (f"{first} {last}", age)
        assert row["date_joined"].replace(tzinfo=None) == joined


def test_demo_on_real_rows_counts_what_the_source_lacks(tmp_path: Path) -> None:
    done = run_demo(
        "--rows", "3000", "--out", str(tmp_path), "--source", f"csv:{REAL}?pin=pinterest_data_mit.csv"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert_adds_up(summary, 3000)
    assert_layers_agree(summary, tmp_path, "demo")
    assert summary["missing"] == summary["missing_rows"]["pin"] > 0
    assert summary["missing_rows"]["geo"] == summary["missing_rows"]["user"] == 0
    lonely = {row["pair"] for row in summary["matches"] if row["unmatched_count"]}
    assert lonely == {"geo.pin", "user.pin"}  # rows whose pin the source lacks
    failed = {each["id"] for each in summary["expectations"] if not each["passed"]}
    assert failed == {f"matches.{pair}.share_min" for pair in lonely}


@pytest.mark.soak
def test_nothing_is_lost_at_any_number_of_rows(tmp_path: Path, soak_share: float) -> None:
    """The embedded Kafka keeps 5 MiB a partition: without the emulator held back, records would be lost."""
    draws = int(200_000 * soak_share)
    done = run_demo("--rows", str(draws), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert_adds_up(summary, draws)
    print(f"{draws} draws, {3 * draws} records: {summary['elapsed_s']} s, {summary['rss_bytes'] >> 20} MiB")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "sqlite:////nowhere/p.db"], "nowhere"),
        (["--source", "ftp://x"], "ftp"),
        (["--rows", "-1"], "rows=-1 is less than 0"),
        (["--user-id", "a b"], "user id 'a b'"),
    ],
)
def test_one_clear_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_demo("--out", str(tmp_path), *arguments)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("pinpipe")]
    assert message in line
    assert "Traceback" not in done.stderr
