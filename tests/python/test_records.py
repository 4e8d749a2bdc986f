"""Turns records into tables and reads them with every Arrow consumer, again and again.

Never uses a mock: pyarrow, polars, DuckDB, pandas, nanoarrow and deltalake read the C core's memory.
Rules: CONTRACT §3 (tables), §4 (columns); the Arrow PyCapsule interface.
"""

import datetime
import gc
import io
import json
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import nanoarrow
import pandas
import pinpipe
import polars
import pyarrow
import pytest
from deltalake import DeltaTable, write_deltalake

UTC = datetime.UTC
GEO = [
    {
        "ind": 7528,
        "timestamp": "2020-08-28T03:52:47",
        "latitude": -89.9787,
        "longitude": -173.293,
        "country": "Albania",
    },
    {
        "ind": 2863,
        "timestamp": "2020-04-27 13:34:16.5",
        "latitude": "-5.34445",
        "longitude": 1,
        "country": "",
    },
]
USER = {"ind": 1, "first_name": "Ada", "last_name": "Ñandú", "age": 20, "date_joined": "2015-10-24T11:23:51"}
PIN = {
    "index": 1,
    "unique_id": "u",
    "title": "é\n😀",
    "description": "No description available",
    "poster_name": "P",
    "follower_count": "136k",
    "tag_list": "a,b",
    "is_image_or_video": "image",
    "image_src": "Image src error.",
    "downloaded": 0,
    "save_location": "Local save in /data/art",
    "category": "art",
}


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def tables() -> list[pinpipe.Table]:
    return [
        pinpipe.clean("pin", lines([dict(PIN, index=i) for i in range(40_000)])),
        pinpipe.clean("geo", lines(GEO)),
        pinpipe.clean("user", lines([USER])),
        pinpipe.clean("user", b""),
        pinpipe.decode("pin", lines([PIN])),
        pinpipe.decode("geo", lines(GEO)),
    ]


def test_values() -> None:
    table = pinpipe.clean("geo", lines(GEO))
    assert table.to_pylist() == [
        {
            "ind": 7528,
            "country": "Albania",
            "coordinates": [-89.9787, -173.293],
            "timestamp": datetime.datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC),
        },
        {
            "ind": 2863,
            "country": None,
            "coordinates": [-5.34445, 1.0],
            "timestamp": datetime.datetime(2020, 4, 27, 13, 34, 16, 500000, tzinfo=UTC),
        },
    ]
    assert table.census == {"geo.country.empty": 1}
    assert pyarrow.table(table).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("index", range(6))
def test_every_consumer_reads_any_number_of_times(index: int) -> None:
    given = tables()[index]
    for _ in range(3):
        arrow = pyarrow.table(given)
        arrow.validate(full=True)
        for batch in arrow.to_batches():
            batch.validate(full=True)
        assert arrow.num_rows == given.num_rows
        assert arrow.schema == given.schema.arrow()
        assert polars.DataFrame(given).height == given.num_rows
        assert duckdb.sql("select count(*) from given").fetchall() == [(given.num_rows,)]
        assert len(pandas.DataFrame.from_arrow(given)) == given.num_rows
        assert len(nanoarrow.Array(given)) == given.num_rows
    joined = duckdb.sql(f'select count(*) from given a join given b using ("{given.column_names[0]}")')
    assert joined.fetchall()[0][0] >= given.num_rows


def test_delta_round_trip(tmp_path: Path) -> None:
    for table in tables():
        place = str(tmp_path / f"{table.schema.kind}-{table.schema.shape}-{table.num_rows}")
        write_deltalake(place, table)
        assert DeltaTable(place).to_pyarrow_table().num_rows == table.num_rows


def test_the_memory_outlives_the_table() -> None:
    table = pinpipe.clean("pin", lines([PIN] * 3))
    arrow = pyarrow.table(table)
    stream = table.__arrow_c_stream__()
    del table
    gc.collect()
    assert arrow.column("title").to_pylist() == ["é\n😀"] * 3
    del stream, arrow
    gc.collect()


def test_every_input_gives_the_same_table(tmp_path: Path) -> None:
    rows = [dict(PIN, index=i, title=f"t{i}") for i in range(50)]
    data = lines(rows)
    path = tmp_path / "pins.ndjson"
    path.write_bytes(data)
    expected = pinpipe.encode(pinpipe.clean("pin", data))
    raw = pinpipe.decode("pin", data)
    array = json.dumps(rows, indent=1).encode()
    csv = pinpipe.encode(raw, "csv")
    inputs = [
        path,
        str(path),
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        data.splitlines(),
        array,
        csv,
    ]
    inputs += [raw, pyarrow.table(raw), polars.DataFrame(raw), pyarrow.table(raw).to_batches()[0]]
    dictionary = pyarrow.table(raw).set_column(
        11, "category", pyarrow.table(raw).column("category").dictionary_encode()
    )
    inputs.append(dictionary)
    for given in inputs:
        assert pinpipe.encode(pinpipe.clean("pin", given)) == expected, type(given)


def test_threads_change_nothing(tmp_path: Path) -> None:
    rows = [dict(PIN, index=i, title=f"t{i}", description="words " * 40) for i in range(40_000)]
    data = lines(rows[:20_000]) + b"{bad\n" + lines(rows[20_000:])
    path = tmp_path / "pins.ndjson"
    path.write_bytes(data)
    one = pinpipe.clean("pin", data)
    for given in (data, path, io.BytesIO(data)):
        two = pinpipe.clean("pin", given, threads=2)
        assert pinpipe.encode(two) == pinpipe.encode(one)
        assert (two.census, two.rejects, two.num_records) == (one.census, one.rejects, one.num_records)
    array = json.dumps(rows[:10]).encode()
    assert pinpipe.clean("pin", array, threads=2).num_rows == 10
    with pytest.raises(pinpipe.Error, match="threads 65 is not between 1 and 64"):
        pinpipe.clean("pin", data, threads=65)


def test_dedupe() -> None:
    rows = [dict(PIN, index=1), dict(PIN, index=1), dict(PIN, index=1, title="other"), dict(PIN, index=2)]
    kept = pinpipe.clean("pin", lines(rows), dedupe="ind")
    assert (kept.num_rows, kept.duplicates, kept.conflicts) == (2, 2, 1)
    assert kept.to_pylist()[0]["title"] == PIN["title"]
    kept = pinpipe.clean("pin", lines(rows), dedupe="row")
    assert (kept.num_rows, kept.duplicates, kept.conflicts) == (3, 1, 0)
    assert pinpipe.clean("pin", lines(rows)).num_rows == 4


@pytest.mark.parametrize("by", ["ind", "row"])
def test_dedupe_over_many_batches_tells_null_from_zero(by: str) -> None:
    """Three batches of draws from few rows, against a dict of Python's."""
    draw = random.Random(7)
    titles, counts = ["", None, "a", "b" * 300], ["0", None, "1k"]
    rows = [
        {"index": draw.randrange(9_000), "title": draw.choice(titles), "follower_count": draw.choice(counts)}
        for _ in range(40_000)
    ]
    firsts: dict[object, dict[str, object]] = {}
    for row in pinpipe.clean("pin", lines(rows)).to_pylist():
        firsts.setdefault(row["ind"] if by == "ind" else tuple(row.values()), row)
    kept = pinpipe.clean("pin", lines(rows), dedupe=by)
    assert kept.to_pylist() == list(firsts.values())
    assert kept.duplicates == 40_000 - len(firsts)


def test_rejects_keep_place_and_bytes() -> None:
    good = lines([PIN])
    bad = b'{"index": 1, "title": "cut'
    table = pinpipe.clean("pin", good + bad + b"\n" + good)
    (reject,) = table.rejects
    assert (reject.index, reject.byte_offset, reject.data) == (1, len(good), bad)
    assert reject.reason.startswith("pin.malformed: a string is not closed")
    assert table.num_rows == 2
    assert table.num_records == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cat", b""), "record type 'cat' is not one of pin, geo, user"),
        (("pin", "/nowhere/pins.ndjson"), "cannot open '/nowhere/pins.ndjson': No such file or directory"),
        (("pin", 17), "records cannot be read from int"),
    ],
)
def test_errors_name_the_datum(arguments: tuple, message: str) -> None:
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.clean(*arguments)
    assert str(caught.value) == message


def test_arrow_types_that_no_rule_reads_are_named() -> None:
    with pytest.raises(pinpipe.Error, match="Arrow column 'index' has type 'w:3', which no rule reads"):
        pinpipe.clean("pin", pyarrow.table({"index": pyarrow.array([b"abc"], pyarrow.binary(3))}))


def test_decoding_gives_up_the_gil() -> None:
    data = lines([PIN] * 60_000)
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            done.wait(0.0002)

    thread = threading.Thread(target=tick)
    thread.start()
    for _ in range(5):
        pinpipe.clean("pin", data)
    done.set()
    thread.join()
    assert ticks > 20


def test_nothing_leaks() -> None:
    data = lines([PIN] * 2_000) + b"{bad\n"

    def rounds(count: int) -> int:
        for _ in range(count):
            table = pinpipe.clean("pin", data)
            pyarrow.table(table)
            pinpipe.encode(table, "csv")
            with pytest.raises(pinpipe.Error):
                pinpipe.clean("pin", b"a,b\n", input_format="csv")
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = rounds(20)
    assert rounds(100) - before < 16 * 1024


def peak_rss(path: Path, output: str) -> int:
    """Peak bytes of the program's own address space (ru_maxrss would hand down this process's)."""
    code = (
        "import re, sys; from pinpipe._cli import main; code = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "clean", "pin", str(path), "-o", output]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.splitlines()[-1]) * 1024


@pytest.mark.parametrize("suffix", ["ndjson", "csv", "arrow", "parquet", "delta"])
def test_cleaning_streams(tmp_path: Path, suffix: str) -> None:
    """Memory does not grow with the file: 300 MB more input, less than 64 MiB more memory."""
    small, large = tmp_path / "small.ndjson", tmp_path / "large.ndjson"
    piece = lines([dict(PIN, description="words " * 60)] * 20_000)
    small.write_bytes(piece)
    with large.open("wb") as file:
        while file.tell() < 300_000_000:
            file.write(piece)
    form = f"delta+file://{tmp_path}/{{}}" if suffix == "delta" else f"{tmp_path}/{{}}.{suffix}"
    grown = peak_rss(large, form.format("large")) - peak_rss(small, form.format("small"))
    print(f"{suffix}: {large.stat().st_size >> 20} MiB of input, {grown / 2**20:.1f} MiB more memory")
    assert grown < 64 << 20
