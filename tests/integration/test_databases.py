"""Turns the synthetic tables in real MariaDB and PostgreSQL servers into emulated rows, compared with SQLite's.

Never uses a mock: the servers are Debian's, on loopback, with data of their own.
Rules: CONTRACT §2 (source URLs); domain notes §2 (MySQL's FLOAT, utf8mb4) and §3.3 (the key idx of local variants).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pinpipe
import pytest
from databases import PASSWORD, USER, Database, fill, mariadb, postgresql
from pinpipe import _emulator, _row_sinks, _sources, _synthetic
from pinpipe.errors import AuthError, NetworkError, NotFoundError

ROWS = 3000


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    with postgresql() as database:
        fill(database, ("idx", "idx", "idx"), {"text": "TEXT", "time": "TIMESTAMP", "float": "REAL"})
        yield database


@pytest.fixture(params=["mysql", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    path = _synthetic.ensure_database(tmp_path_factory.mktemp("sqlite") / "rows.sqlite")
    _emulator.emulate(f"sqlite:///{path}", "memory:sqlite", rows=ROWS)
    return _row_sinks.memory_rows("sqlite")


def test_the_same_bytes_are_sent_as_from_sqlite(database: Database, expected: dict[str, list[bytes]]) -> None:
    name = f"memory:{database.driver}"
    summary = pinpipe.emulate(database.url(), name, rows=ROWS)
    assert summary.emulated == {"pin": ROWS, "geo": ROWS, "user": ROWS} and PASSWORD not in summary.source
    sent = _row_sinks.memory_rows(name.removeprefix("memory:"))
    assert sent == expected
    assert any(b"\xf0\x9f" in row for row in sent["demo.pin"]), "no emoji among the rows"
    print(f"{database.driver}: {3 * ROWS} rows equal, {summary.elapsed_s:.2f} s")


def test_one_connection_serves_a_whole_run(mysql: Database) -> None:
    def connections() -> int:
        with mysql.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Connections'")
            return int(cursor.fetchone()[1])

    before = connections()
    pinpipe.emulate(mysql.url(), "memory:connections", rows=100)
    assert connections() - before == 2, "one for the run and one for this count"


def test_credentials_of_the_course_open_it(mysql: Database, tmp_path: Path) -> None:
    path = tmp_path / "db_creds.yaml"
    path.write_text(mysql.credentials())
    with _sources.open_source(path) as source:
        assert source.rows(7528)["pin"] is not None and source.rows(11_154)["pin"] is None


def test_wrong_secrets_and_names_are_one_clear_error(database: Database) -> None:
    with pytest.raises(AuthError) as refused:
        _sources.open_source(database.url(password="w@rong"))
    assert (
        USER in str(refused.value) and "w@rong" not in str(refused.value) and "\n" not in str(refused.value)
    )
    with pytest.raises((AuthError, NetworkError)) as missing:
        _sources.open_source(database.url(database="absent"))
    assert "absent" in str(missing.value) and PASSWORD not in str(missing.value)


def test_a_database_without_the_tables_is_named(postgres: Database) -> None:
    with pytest.raises(NotFoundError, match="no table pinterest_data"):
        _sources.open_source(postgres.url(database="postgres"))


@pytest.mark.parametrize("start", [mariadb, postgresql])
def test_a_server_that_goes_away_is_one_clear_error(
    start: Callable[[], AbstractContextManager[Database]],
) -> None:
    with start() as database:
        time = "DATETIME" if database.driver.startswith("mysql") else "TIMESTAMP"
        fill(database, ("idx", "idx", "idx"), {"text": "TEXT", "time": time, "float": "REAL"})
        with _sources.open_source(database.url()) as source:
            assert source.rows(1)["geo"] is not None
            database.stop()
            with pytest.raises(NetworkError) as lost:
                source.rows(2)
    assert PASSWORD not in str(lost.value) and "\n" not in str(lost.value)
