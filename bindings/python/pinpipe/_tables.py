"""Turns whatever holds a table (Arrow object, file, Delta table) into a pyarrow table in the clean shape.

Never guesses: a column that cannot take its clean type is an error; a raw table goes through pinpipe.clean.
Rules: CONTRACT §2 (formats by suffix) and §4 (clean columns, Arrow types, CSV and NDJSON as written).
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinpipe._inputs import Input
from pinpipe._outputs import delta_location, delta_storage_options
from pinpipe._records import clean
from pinpipe._schema import Schema
from pinpipe.errors import DataError, FileError, InvalidArgumentError, NotFoundError, NotSupportedError

if TYPE_CHECKING:
    import pyarrow

# What DuckDB's readers of NDJSON and CSV are told about a column of the clean shape.
_DUCKDB_TYPES = {
    "int64": "BIGINT",
    "utf8": "VARCHAR",
    "timestamp[us, UTC]": "TIMESTAMPTZ",
    "list<double>": "DOUBLE[]",
}
# A column that only the raw shape has, and the clean one has not.
_RAW_MARKS = {"pin": ("index", "idx", "downloaded"), "geo": ("latitude",), "user": ("first_name",)}
# The columns that the questions read.
NEEDED = {
    "pin": ("ind", "follower_count", "poster_name", "category"),
    "geo": ("ind", "country", "timestamp"),
    "user": ("ind", "user_name", "age", "date_joined"),
}
_FIRST_LINE_BYTES = 16 << 20


def read_clean(kind: str, data: object) -> pyarrow.Table:
    """The table in the clean shape: `data` is an Arrow object or a path (also a delta+file:// URL).

    Raises NotFoundError for a missing file, DataError for one that cannot be read, InvalidArgumentError for
    something that is no table or lacks a column.
    """
    if not isinstance(data, (str, os.PathLike)):
        return _from_arrow(kind, data)
    text = os.fspath(data)
    delta = text.startswith("delta+") or (Path(text) / "_delta_log").is_dir()
    if delta:
        return _from_arrow(kind, _read_delta(delta_location(text)))
    path = Path(text)
    if not path.is_file():
        raise NotFoundError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if suffix in (".ndjson", ".json", ".csv"):
        names = _csv_names(path) if suffix == ".csv" else _json_names(path)
        if _is_raw(kind, names):
            return _cleaned(kind, path)
        return _from_arrow(kind, _read_text(kind, path, names))
    if suffix in (".arrow", ".parquet"):
        return _from_arrow(kind, _read_binary(path))
    raise InvalidArgumentError(f"{path}: its ending is none of .ndjson .json .csv .arrow .parquet")


def _is_raw(kind: str, names: list[str]) -> bool:
    return any(mark in names for mark in _RAW_MARKS[kind])


def _cleaned(kind: str, data: Input) -> pyarrow.Table:
    return _as_table(clean(kind, data))


def _from_arrow(kind: str, data: object) -> pyarrow.Table:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise NotSupportedError("queries need the Python package pyarrow") from None
    reader = getattr(data, "__arrow_c_stream__", None) or getattr(data, "__arrow_c_array__", None)
    if reader is None:
        raise InvalidArgumentError(f"{kind}: {type(data).__name__} is neither an Arrow object nor a path")
    table = _as_table(data)
    if _is_raw(kind, table.column_names):
        return _cleaned(kind, table)
    missing = [name for name in NEEDED[kind] if name not in table.column_names]
    if missing:
        raise InvalidArgumentError(f"{kind}: the table has no column {', '.join(missing)}")
    fields = [field for field in Schema(kind).arrow() if field.name in table.column_names]
    try:
        wanted = pyarrow.schema([field.with_nullable(True) for field in fields])
        return table.select(wanted.names).cast(wanted, safe=False)
    except pyarrow.ArrowException as error:
        raise DataError(f"{kind}: {str(error).splitlines()[0]}") from None


def _as_table(data: Any) -> pyarrow.Table:
    import pyarrow

    if isinstance(data, pyarrow.Table):
        return data
    if hasattr(data, "__arrow_c_stream__"):  # pyarrow.table() would import pandas to see that it is none
        return pyarrow.RecordBatchReader.from_stream(data).read_all()
    return pyarrow.table(data)


def _read_text(kind: str, path: Path, names: list[str]) -> pyarrow.Table:
    import duckdb

    known = {column.name: _DUCKDB_TYPES[column.type] for column in Schema(kind).columns}
    types = {name: known[name] for name in names if name in known}
    wanted = ", ".join(types)
    if path.suffix.lower() == ".csv":
        # Every column is read as text, so that "" stays an empty string; the coordinates are a JSON array.
        texts = {name: "VARCHAR" for name in names}
        reader = f"read_csv(?, header=true, columns={texts}, nullstr='', allow_quoted_nulls=false)"
        casts = (
            f"CAST(CAST({name} AS JSON) AS {form}) AS {name}"
            if form == "DOUBLE[]"
            else f"CAST({name} AS {form}) AS {name}"
            for name, form in types.items()
        )
        wanted = ", ".join(casts)
    else:
        reader = f"read_json(?, format='newline_delimited', columns={types})"
    with duckdb.connect(":memory:") as engine:
        try:
            engine.execute("SET TimeZone = 'UTC'")
            return engine.sql(f"SELECT {wanted} FROM {reader}", params=[str(path)]).to_arrow_table()
        except duckdb.Error as error:
            raise DataError(f"{path}: {str(error).splitlines()[0]}") from None


def _read_binary(path: Path) -> pyarrow.Table:
    import pyarrow

    try:
        if path.suffix.lower() == ".arrow":
            with pyarrow.memory_map(str(path)) as file:
                return pyarrow.ipc.open_file(file).read_all()
        from pyarrow import parquet

        return parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from None


def _read_delta(location: str) -> Any:
    try:
        import deltalake
    except ModuleNotFoundError:
        raise NotSupportedError("a Delta table needs the Python package deltalake") from None
    try:
        options = delta_storage_options(location)
        return deltalake.DeltaTable(location, storage_options=options).to_pyarrow_table()
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise DataError(f"Delta table {location}: {str(error).splitlines()[0]}") from None


def _json_names(path: Path) -> list[str]:
    first = _first_line(path)
    try:
        record = json.loads(first) if first.strip() else {}
    except ValueError as error:
        raise DataError(f"{path}: line 1 is not JSON: {error}") from None
    return list(record) if isinstance(record, dict) else []


def _csv_names(path: Path) -> list[str]:
    return next(csv.reader([_first_line(path).rstrip("\r\n")]), [])


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(_FIRST_LINE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: line 1 is not UTF-8") from None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
