"""Turns every kind of source URL into rows and compares them with what the tables hold.

Never needs a server: the databases that run as servers are tested in tests/integration/test_databases.py.
Rules: CONTRACT §2 (source URLs); the real CSV files lie in the shared data beside the checkout.
"""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from pinpipe import Error, _sources, _synthetic
from pinpipe.errors import DataError, InvalidArgumentError, NetworkError, NotFoundError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
SECRET = "p@ss/word:1"
PIN_HEADER = ",".join(_sources.RAW_COLUMNS["pin"])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _synthetic.ensure_database(tmp_path_factory.mktemp("source") / "rows.sqlite")


def _csv_folder(folder: Path, pins: str) -> str:
    (folder / "pinterest_data.csv").write_text(pins, encoding="utf-8", newline="")
    (folder / "geolocation_data.csv").write_text(
        ",ind,timestamp,latitude,longitude,country\n0,7,2020-08-28 03:52:47,-89.9787,5,Côte\n",
        encoding="utf-8",
    )
    (folder / "user_data.csv").write_text("idx,first_name,last_name,age,date_joined\n7,Aa,Bb,,oops\n")
    return f"csv:{folder}"


def test_sqlite_gives_typed_values_in_raw_order(database: Path) -> None:
    with _sources.open_source(f"sqlite:///{database}") as source:
        rows = source.rows(7528)
    pin, geo, user = rows["pin"], rows["geo"], rows["user"]
    assert pin is not None and geo is not None and user is not None
    assert [len(pin), len(geo), len(user)] == [12, 5, 5]
    assert (
        pin[0] == 7528 and pin[4] == pin[5] == "User Info Error" and pin[9] == 0 and pin[11] == "mens-fashion"
    )
    assert isinstance(geo[1], datetime) and isinstance(geo[2], float) and isinstance(user[3], int)
    assert list(map(type, user)) == [int, str, str, int, datetime]


def test_every_synthetic_row_comes_back(database: Path) -> None:
    wanted = _synthetic.tables()
    with _sources.open_source(f"sqlite:///{database}") as source:
        for key in range(0, 11_154, 53):
            rows = source.rows(key)
            assert rows["pin"] == wanted["pinterest_data"][key]
            geo = wanted["geolocation_data"][key]
            assert rows["geo"] == (geo[0], datetime.fromisoformat(str(geo[1])), *geo[2:])


def test_a_key_outside_the_tables_has_no_rows(database: Path) -> None:
    with _sources.open_source(f"sqlite:///{database}") as source:
        assert source.rows(11_154) == {"pin": None, "geo": None, "user": None}


def test_the_default_is_the_embedded_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with _sources.open_source() as source:
        assert source.rows(0)["pin"] is not None and source.name == "embedded synthetic tables"
    assert (tmp_path / "pinpipe").is_dir()


def test_a_source_is_read_only_and_closes(database: Path) -> None:
    source = _sources.open_source(f"sqlite:///{database}")
    source.close()
    source.close()
    with pytest.raises(InvalidArgumentError, match="closed"):
        source.rows(1)


def test_key_names_of_the_local_variants_are_understood(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "idx.sqlite"
    shutil.copy(database, path)
    connection = sqlite3.connect(path)
    connection.execute('ALTER TABLE pinterest_data RENAME COLUMN "index" TO idx')
    connection.execute("ALTER TABLE user_data RENAME COLUMN ind TO idx")
    connection.execute("ALTER TABLE pinterest_data DROP COLUMN downloaded")
    connection.commit()
    connection.close()
    with (
        _sources.open_source(f"sqlite:///{path}") as changed,
        _sources.open_source(f"sqlite:///{database}") as plain,
    ):
        pin, wanted = changed.rows(2863)["pin"], plain.rows(2863)["pin"]
        assert pin is not None and wanted is not None
        assert pin == (*wanted[:9], None, *wanted[10:])
        assert changed.rows(2863)["user"] == plain.rows(2863)["user"]


def test_a_table_of_text_columns_gives_typed_values_too(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "text.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("ATTACH ? AS plain", (str(database),))
    for table in _sources.TABLES.values():
        names = [row[1] for row in connection.execute(f"PRAGMA plain.table_info({table})")]
        columns = ", ".join(f'"{name}" TEXT' for name in names)
        connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(f"INSERT INTO {table} SELECT * FROM plain.{table}")
    connection.commit()
    connection.close()
    with (
        _sources.open_source(f"sqlite:///{path}") as text,
        _sources.open_source(f"sqlite:///{database}") as plain,
    ):
        assert [text.rows(key) for key in range(200)] == [plain.rows(key) for key in range(200)]


def test_csv_values_are_typed_and_odd_ones_stay_text(tmp_path: Path) -> None:
    row = '7,id,"a ""b"", c\nd",,Poster,12k,"x,y",image,src,1,Local save in /data/art,art'
    with _sources.open_source(_csv_folder(tmp_path, f"{PIN_HEADER}\n{row}\n")) as source:
        rows = source.rows(7)
        assert source.rows(8) == {"pin": None, "geo": None, "user": None}
    assert rows["pin"] == (
        *(7, "id", 'a "b", c\nd', "", "Poster", "12k", "x,y"),
        *("image", "src", 1, "Local save in /data/art", "art"),
    )
    assert rows["geo"] == (7, datetime(2020, 8, 28, 3, 52, 47), -89.9787, 5.0, "Côte")
    assert rows["user"] == (7, "Aa", "Bb", None, "oops")


def test_csv_names_of_files_can_be_given(tmp_path: Path) -> None:
    url = _csv_folder(tmp_path, f"{PIN_HEADER}\n")
    (tmp_path / "pinterest_data.csv").rename(tmp_path / "other name.csv")
    with _sources.open_source(f"{url}?pin=other%20name.csv") as source:
        assert source.rows(7)["pin"] is None and source.rows(7)["geo"] is not None


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (f"{PIN_HEADER}\n1,2\n", "line 2 has 2 fields, its header 12"),
        ("title\nx\n", "no column index"),
        ("", "no column index"),
        (f"{PIN_HEADER}\nx{',' * 11}\n", "line 2: key 'x' is no integer"),
        (f'{PIN_HEADER}\n1,"x\n', "line 2"),
    ],
)
def test_bad_csv_is_one_clear_error(tmp_path: Path, pins: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        _sources.open_source(_csv_folder(tmp_path, pins))
    assert "pinterest_data.csv" in str(raised.value) and "\n" not in str(raised.value)


def test_csv_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    url = _csv_folder(tmp_path, "")
    (tmp_path / "pinterest_data.csv").write_bytes(f"{PIN_HEADER}\n".encode() + b"1,\xff\n")
    with pytest.raises(DataError, match=r"pinterest_data\.csv: not UTF-8"):
        _sources.open_source(url)


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("oracle:x", InvalidArgumentError, "oracle"),
        ("sqlite:///missing.sqlite", NotFoundError, "no such file"),
        ("csv:missing", NotFoundError, "no such file"),
        ("csv:.?pins=x", InvalidArgumentError, "pins=x"),
        ("missing.yaml", NotFoundError, "no such file"),
        ("mysql+pymysql://user:x@127.0.0.1:port/db", InvalidArgumentError, "cannot be read"),
    ],
)
def test_wrong_urls_are_one_clear_error(url: str, kind: type[Error], message: str) -> None:
    with pytest.raises(kind, match=message):
        _sources.open_source(url)


def test_a_database_without_the_tables_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    with pytest.raises(NotFoundError, match="no table pinterest_data"):
        _sources.open_source(f"sqlite:///{path}")


@pytest.mark.parametrize("driver", ["mysql+pymysql", "postgresql+psycopg"])
@pytest.mark.parametrize("form", ["yaml", "ini"])
def test_credentials_are_read_and_their_password_is_never_shown(
    tmp_path: Path, driver: str, form: str
) -> None:
    """Port 1 refuses: the error names host and port, not the password."""
    values = {
        "HOST": "127.0.0.1",
        "USER": "me",
        "PASSWORD": SECRET,
        "DATABASE": "db",
        "PORT": 1,
        "DRIVER": driver,
    }
    path = tmp_path / f"db_creds.{form}"
    head, mark = ("[DEFAULT]\n", "=") if form == "ini" else ("", ": ")
    path.write_text(head + "".join(f"{name}{mark}{value}\n" for name, value in values.items()))
    with pytest.raises(NetworkError) as raised:
        _sources.open_source(path)
    message = str(raised.value)
    assert (
        "127.0.0.1" in message and "me:***@" in message and SECRET not in message and "p%40ss" not in message
    )


def test_incomplete_credentials_name_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "db_creds.yaml"
    path.write_text("HOST: x\nUSER: y\nPORT: 3306\n")
    with pytest.raises(DataError, match="PASSWORD, DATABASE missing"):
        _sources.open_source(path)


def test_real_rows_of_the_partial_table() -> None:
    """2,774 of 11,154 pins are there; geo and user are complete."""
    with _sources.open_source(f"csv:{REAL}?pin=pinterest_data_mit.csv") as source:
        rows = [source.rows(key) for key in range(11_154)]
    assert sum(row["pin"] is not None for row in rows) == 2774
    assert all(row["geo"] and row["user"] for row in rows)
    first = rows[7528]["user"]
    assert first == (7528, "Abigail", "Ali", 20, datetime(2015, 10, 24, 11, 23, 51))
