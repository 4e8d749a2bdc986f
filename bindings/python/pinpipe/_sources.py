"""Turns a URL, or a file of credentials, into rows of the three source tables, looked up by key.

Never opens a second connection, never writes to a source, and puts no password into any message.
Rules: CONTRACT §2 (the closed list of source URLs); domain notes §2 (tables) and §3.3 (names of the key).
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from pinpipe import native
from pinpipe._schema import KINDS, Schema
from pinpipe.errors import (
    AuthError,
    DataError,
    Error,
    FileError,
    InvalidArgumentError,
    NetworkError,
    NotFoundError,
    NotSupportedError,
)

if TYPE_CHECKING:
    import sqlalchemy

TABLES: dict[str, str] = {kind: native.pinpipe_record_table(number) for number, kind in enumerate(KINDS)}
RAW_COLUMNS = {kind: tuple(Schema(kind, "raw").names) for kind in KINDS}
KEY_NAMES = ("index", "ind", "idx")
EMBEDDED_NAME = "embedded synthetic tables"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60

_TYPES = {column.name: column.type for kind in KINDS for column in Schema(kind, "raw").columns}
_TIMES = {
    column.name for kind in KINDS for column in Schema(kind).columns if column.type.startswith("timestamp")
}
_INTEGER_FORM = re.compile(r"-?[0-9]{1,18}\Z")
_NUMBER_FORM = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_TIME_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}\Z")
_DRIVERS = {"mysql+pymysql": "pymysql", "postgresql+psycopg": "psycopg"}
_CREDENTIAL_NAMES = ("HOST", "USER", "PASSWORD", "DATABASE", "PORT")

Row = tuple[object, ...]
Rows = dict[str, Row | None]


class Source:
    """The three tables behind one connection. Use it as a context manager, from one thread at a time.

    name: the URL without a password, for messages and for finding a run's state again.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def rows(self, key: int) -> Rows:
        """The row of each table with that key, None where a table has none; values in raw column order.

        Values are the database driver's: int, float, str, None, datetime for times.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Closes the connection; closing twice is allowed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(url: str | os.PathLike[str] | None = None) -> Source:
    """Opens a source: None = the embedded tables, a URL, or the path of db_creds.yaml or settings.ini.

    Raises InvalidArgumentError for a URL outside the list, NotFoundError for a missing file or table,
    NetworkError and AuthError for a database that cannot be reached or refuses, NotSupportedError where
    the database's Python package is not installed.
    """
    text = os.fspath(url) if url is not None else ""
    scheme = text.partition(":")[0]
    if not text:
        from pinpipe._synthetic import ensure_database

        return _DatabaseSource(f"sqlite:///{ensure_database()}", name=EMBEDDED_NAME)
    if text.endswith((".yaml", ".yml")):
        return _DatabaseSource(_url_of_credentials(_yaml_credentials(Path(text)), text))
    if text.endswith(".ini"):
        return _DatabaseSource(_url_of_credentials(_ini_credentials(Path(text)), text))
    if scheme == "csv":
        return _CsvSource(text)
    if scheme == "sqlite" or scheme in _DRIVERS:
        return _DatabaseSource(text)
    raise InvalidArgumentError(
        f"source {scheme}: is none of sqlite: mysql+pymysql: postgresql+psycopg: csv:, *.yaml, *.ini"
    )


class _DatabaseSource(Source):
    """Rows of a database, through SQLAlchemy."""

    def __init__(self, text: str | sqlalchemy.URL, *, name: str = "") -> None:
        alchemy = _import_sqlalchemy()
        try:
            url = alchemy.engine.make_url(text)
        except (alchemy.exc.ArgumentError, ValueError):
            raise InvalidArgumentError("the URL of the source database cannot be read") from None
        super().__init__(name or url.render_as_string(hide_password=True))
        self._secret = str(url.password or "")
        self._connection: sqlalchemy.Connection | None = None
        with self._clear_errors():
            self._engine = alchemy.create_engine(
                _read_only(url, alchemy),
                poolclass=alchemy.pool.NullPool,
                connect_args=_deadlines(url),
                isolation_level="AUTOCOMMIT",
            )
            self._connection = self._engine.connect()
        try:
            self._queries = {kind: self._query(kind, alchemy) for kind in KINDS}
        except BaseException:
            self.close()
            raise

    def rows(self, key: int) -> Rows:
        """See Source.rows."""
        if self._connection is None:
            raise InvalidArgumentError(f"source {self.name} is closed")
        found: Rows = {}
        with self._clear_errors():
            for kind, query in self._queries.items():
                row = self._connection.execute(query, {"key": key}).first()
                found[kind] = row and _typed_row(kind, row)
        return found

    def close(self) -> None:
        """See Source.close."""
        if self._connection is not None:
            self._connection.close()
            self._engine.dispose()
            self._connection = None

    def _query(self, kind: str, alchemy: Any) -> sqlalchemy.Select[Any]:
        assert self._connection is not None
        with self._clear_errors():
            try:
                table = alchemy.Table(TABLES[kind], alchemy.MetaData(), autoload_with=self._connection)
            except alchemy.exc.NoSuchTableError:
                raise NotFoundError(f"source {self.name} has no table {TABLES[kind]}") from None
        key = next((name for name in KEY_NAMES if name in table.c), None)
        if key is None:
            raise NotFoundError(f"table {TABLES[kind]} of {self.name} has no column index, ind or idx")
        columns = [table.c[key]]
        for name in RAW_COLUMNS[kind][1:]:
            columns.append(table.c[name] if name in table.c else alchemy.null().label(name))
        query: sqlalchemy.Select[Any] = (
            alchemy.select(*columns).where(table.c[key] == alchemy.bindparam("key")).limit(1)
        )
        return query

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Makes one clear error without a password of whatever the database's driver raises."""
        alchemy = _import_sqlalchemy()
        try:
            yield
        except ModuleNotFoundError as error:
            raise NotSupportedError(f"source {self.name} needs the Python package {error.name}") from None
        except alchemy.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
            for secret in filter(None, (self._secret, quote_plus(self._secret), quote(self._secret))):
                said = said.replace(secret, "***")
            lowered = said.lower()
            refused = "access denied" in lowered or "authentication failed" in lowered
            kind: type[Error] = AuthError if refused else NetworkError
            raise kind(f"source {self.name}: {said}", service="database") from None


class _CsvSource(Source):
    """Rows of CSV files, held in SQLite's temporary database: on disk once they are many."""

    def __init__(self, text: str) -> None:
        import sqlite3

        super().__init__(text)
        folder, _, query = text.removeprefix("csv:").partition("?")
        files = {kind: f"{table}.csv" for kind, table in TABLES.items()}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in files or not value:
                raise InvalidArgumentError(f"source {text}: {name}={value} is none of pin=, geo=, user=FILE")
            files[name] = value
        self._database = sqlite3.connect("", isolation_level=None)
        self._closed = False
        try:
            for kind in KINDS:
                self._load(kind, Path(unquote(folder)) / files[kind])
        except BaseException:
            self.close()
            raise

    def rows(self, key: int) -> Rows:
        """See Source.rows."""
        if self._closed:
            raise InvalidArgumentError(f"source {self.name} is closed")
        found: Rows = {}
        for kind in KINDS:
            row = self._database.execute(f'SELECT * FROM "{kind}" WHERE key = ?', (key,)).fetchone()
            found[kind] = row and _typed_row(kind, row)
        return found

    def close(self) -> None:
        """See Source.close."""
        self._closed = True
        self._database.close()

    def _load(self, kind: str, path: Path) -> None:
        names = RAW_COLUMNS[kind][1:]
        columns = "".join(f', "{name}" TEXT' for name in names)
        self._database.execute(f'CREATE TABLE "{kind}" (key INTEGER PRIMARY KEY{columns})')
        marks = ", ?" * len(names)
        self._database.execute("BEGIN")
        self._database.executemany(
            f'INSERT OR IGNORE INTO "{kind}" VALUES (?{marks})', _csv_rows(path, names)
        )
        self._database.execute("COMMIT")


def _csv_rows(path: Path, names: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """The key and the named columns of a CSV file, None for a column that the file has not."""
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            key = next((header.index(name) for name in KEY_NAMES if name in header), None) if header else None
            if header is None or key is None:
                raise DataError(f"{path}: the header has no column index, ind or idx")
            places = [header.index(name) if name in header else None for name in names]
            for row in reader:
                if len(row) != len(header):
                    raise DataError(
                        f"{path}: line {reader.line_num} has {len(row)} fields, its header {len(header)}"
                    )
                if not _INTEGER_FORM.match(row[key]):
                    raise DataError(f"{path}: line {reader.line_num}: key {row[key][:40]!r} is no integer")
                yield (int(row[key]), *(None if place is None else row[place] for place in places))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 after {reader.line_num} lines: {error.reason}") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None


def _typed_row(kind: str, row: Iterable[object]) -> Row:
    return tuple(_typed(name, value) for name, value in zip(RAW_COLUMNS[kind], row, strict=True))


def _typed(name: str, value: object) -> object:
    """Text in a column of numbers or times (CSV, a table of text columns) as a number or a time.

    What has another form stays text: cleaning decides, and counts.
    """
    if not isinstance(value, str):
        return value
    kind = "time" if name in _TIMES else _TYPES[name]
    if kind == "int64" and _INTEGER_FORM.match(value):
        return int(value)
    if kind == "double" and _NUMBER_FORM.match(value):
        return float(value)
    if kind == "time" and _TIME_FORM.match(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return None if not value and kind != "utf8" else value


def _import_sqlalchemy() -> Any:
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise NotSupportedError("a database as source needs the Python package SQLAlchemy") from None
    return sqlalchemy


def _read_only(url: sqlalchemy.URL, alchemy: Any) -> sqlalchemy.URL:
    """Opens a SQLite file read-only, so that a wrong path is an error; lets MySQL text travel as utf8mb4."""
    if url.drivername.startswith("mysql"):
        return url.update_query_dict({"charset": "utf8mb4"})
    if not url.drivername.startswith("sqlite"):
        return url
    path = Path(url.database or "")
    if not path.is_file():
        raise NotFoundError(f"source {url.render_as_string()}: there is no such file")
    absolute = quote(str(path.absolute()))
    read_only: sqlalchemy.URL = alchemy.engine.make_url(f"sqlite:///file:{absolute}?mode=ro&uri=true")
    return read_only


def _deadlines(url: sqlalchemy.URL) -> dict[str, int]:
    if url.drivername.startswith("mysql"):
        return {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    if url.drivername.startswith("postgresql"):
        return {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": READ_TIMEOUT_S * 1000}
    return {"timeout": CONNECT_TIMEOUT_S}


def _yaml_credentials(path: Path) -> Mapping[str, object]:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ModuleNotFoundError:
        raise NotSupportedError(f"{path} needs the Python package PyYAML") from None
    try:
        content = yaml.safe_load(_text_of(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(f"{path}: not YAML" + (f" at line {mark.line + 1}" if mark else "")) from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a mapping of HOST, USER, PASSWORD, DATABASE, PORT")
    return {str(name).upper(): value for name, value in content.items()}


def _ini_credentials(path: Path) -> Mapping[str, object]:
    import configparser

    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string(_text_of(path))
    except configparser.Error as error:
        raise DataError(f"{path}: not an INI file: {type(error).__name__}") from None
    for section in [*settings.sections(), configparser.DEFAULTSECT]:
        found = {name.upper(): value for name, value in settings[section].items()}
        if "HOST" in found:
            return found
    raise DataError(f"{path}: no section has HOST, USER, PASSWORD, DATABASE, PORT")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read as text: {type(error).__name__}") from None


def _url_of_credentials(found: Mapping[str, object], path: str) -> sqlalchemy.URL:
    """The URL of a course's credentials: MySQL, unless DRIVER names the other database."""
    missing = [name for name in _CREDENTIAL_NAMES if found.get(name) in (None, "")]
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} missing")
    driver = str(found.get("DRIVER", "mysql+pymysql"))
    port = str(found["PORT"])
    if driver not in _DRIVERS or not port.isdigit():
        raise DataError(f"{path}: DRIVER must be one of {', '.join(_DRIVERS)} and PORT a number")
    user, password, host, database = (str(found[name]) for name in ("USER", "PASSWORD", "HOST", "DATABASE"))
    url: sqlalchemy.URL = _import_sqlalchemy().URL.create(driver, user, password, host, int(port), database)
    return url
