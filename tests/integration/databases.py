"""Turns Debian's MariaDB and PostgreSQL into servers on a free loopback port with a data directory of their own.

Never touches a server or data that was there before; a server that cannot be installed is a failure that names it.
Rules: tests/README.md; both servers refuse to run as root, so they run as nobody where the tests run as root.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pinpipe import _synthetic
from servers import START_TIMEOUT_S, STOP_TIMEOUT_S, free_port

# Characters that a URL must escape; the messages of every error are searched for it.
PASSWORD = "p@ss/w:rd%1"
USER = "emulator"
DATABASE = "pinterest"
COLUMNS = {
    "pinterest_data": (
        "{key} BIGINT PRIMARY KEY, unique_id {text}, title {text}, description {text}, poster_name {text},"
        " follower_count {text}, tag_list {text}, is_image_or_video {text}, image_src {text}, downloaded BIGINT,"
        " save_location {text}, category {text}"
    ),
    "geolocation_data": (
        "{key} BIGINT PRIMARY KEY, timestamp {time}, latitude {float}, longitude {float}, country {text}"
    ),
    "user_data": "{key} BIGINT PRIMARY KEY, first_name {text}, last_name {text}, age BIGINT, date_joined {time}",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A running server with an empty database; `connect` opens a connection of the driver itself."""

    driver: str
    port: int
    connect: Callable[[], Any]
    stop: Callable[[], None]

    def url(self, password: str = PASSWORD, database: str = DATABASE) -> str:
        """The source URL."""
        from sqlalchemy import URL

        made = URL.create(self.driver, USER, password, "127.0.0.1", self.port, database)
        return made.render_as_string(hide_password=False)

    def credentials(self) -> str:
        """The course's db_creds.yaml."""
        names = {"HOST": "127.0.0.1", "USER": USER, "PASSWORD": f"'{PASSWORD}'", "DATABASE": DATABASE}
        return "".join(f"{name}: {value}\n" for name, value in (names | {"PORT": str(self.port)}).items())


def _program(name: str, package: str, *folders: str) -> str:
    """A server's program; installs Debian's package where it is missing."""
    for attempt in range(2):
        places = [str(path) for folder in folders for path in sorted(Path("/").glob(folder))]
        found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
        if found:
            return found
        if attempt == 0:
            _install(package)
    pytest.fail(f"{name} is missing and Debian's package {package} did not bring it")


def _install(package: str) -> None:
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", package]):
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"Debian's package {package} is missing: {' '.join(command)}: {done.stderr[-1000:]}")


def _identity() -> dict[str, Any]:
    """Arguments of Popen that make a process nobody's."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def _folder() -> Iterator[Path]:
    """A directory that the servers' user may enter, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="pinpipe-db-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(path, "nobody", "nogroup")
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _prepare(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **_identity())
    if done.returncode != 0:
        pytest.fail(f"{command[0]} failed: {(done.stdout + done.stderr)[-2000:]}")


@contextmanager
def _running(
    command: Sequence[str], folder: Path, connect: Callable[[], Any]
) -> Iterator[subprocess.Popen[bytes]]:
    """The server while it runs; it takes connections from the start of the block on."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, **_identity()
        )
    try:
        _wait_for(connect, process, log)
        yield process
    finally:
        _stop(process)


def _wait_for(connect: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connect().close()
            return
        except Exception:  # each driver has its own errors; what matters is the deadline
            time.sleep(0.1)
    pytest.fail(f"{process.args!r} took no connection: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def mariadb() -> Iterator[Database]:
    """MariaDB, which speaks MySQL's protocol; user `emulator` may read and write the database."""
    pymysql: Any = importlib.import_module("pymysql")

    server = _program("mariadbd", "mariadb-server-core", "usr/sbin")
    install = _program("mariadb-install-db", "mariadb-server-core", "usr/bin")
    with _folder() as folder:
        port = free_port()
        _prepare(
            [
                *(install, "--no-defaults", f"--datadir={folder}/data"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            folder,
        )

        def connect() -> Any:
            return pymysql.connect(
                host="127.0.0.1",
                port=port,
                user="root",
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=5,
            )

        command = [
            *(server, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/socket"),
            *(f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={folder}/pid"),
        ]
        with _running(command, folder, connect) as process:
            connection = connect()
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
                cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute(f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'")
            connection.close()
            yield Database("mysql+pymysql", port, connect, lambda: _stop(process))


@contextmanager
def postgresql() -> Iterator[Database]:
    """PostgreSQL; user `emulator` owns the database."""
    import psycopg

    folders = "usr/lib/postgresql/*/bin"
    server, install = (_program(name, "postgresql", folders) for name in ("postgres", "initdb"))
    with _folder() as folder:
        port = free_port()
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        _prepare(
            [
                *(install, "-D", f"{folder}/data", "-U", USER, "-E", "UTF8", "--locale=C"),
                *("--auth=scram-sha-256", f"--pwfile={secret}"),
            ],
            folder,
        )

        def connect(database: str = DATABASE) -> Any:
            return psycopg.connect(
                host="127.0.0.1",
                port=port,
                user=USER,
                password=PASSWORD,
                dbname=database,
                autocommit=True,
                connect_timeout=5,
            )

        command = [server, "-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        with _running(command, folder, lambda: connect("postgres")) as process:
            with connect("postgres") as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")
            yield Database("postgresql+psycopg", port, connect, lambda: _stop(process))


def fill(database: Database, keys: tuple[str, str, str], types: dict[str, str]) -> None:
    """Makes the three tables and puts the synthetic rows in."""
    connection = database.connect()
    with connection.cursor() as cursor:
        if database.driver.startswith("mysql"):
            cursor.execute(f"USE {DATABASE}")
        for (table, rows), key in zip(_synthetic.tables().items(), keys, strict=True):
            cursor.execute(f"CREATE TABLE {table} ({COLUMNS[table].format(key=key, **types)})")
            marks = ", ".join(["%s"] * len(rows[0]))
            for start in range(0, len(rows), 1000):
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[start : start + 1000])
    connection.close()


@pytest.fixture(scope="session")
def mysql() -> Iterator[Database]:
    """One MariaDB for the whole run, with the synthetic rows."""
    with mariadb() as database:
        types = {"text": "TEXT", "time": "DATETIME", "float": "FLOAT"}
        fill(database, ("`index`", "ind", "ind"), types)
        yield database
