"""Turns cleaned batches into a file or a Delta table, by the output's suffix or scheme.

Never holds more than a few batches: text is written by the C core, the rest by pyarrow and deltalake.
Rules: CONTRACT §2 (outputs); a file appears under its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import IO, Any

from pinpipe import native
from pinpipe._records import OUTPUT_FORMATS
from pinpipe._schema import SHAPES, Schema, kind_index
from pinpipe.errors import FileError, InvalidArgumentError, NotSupportedError

SUFFIXES = (".ndjson", ".csv", ".arrow", ".parquet")
DELTA_SCHEMES = ("delta+file://", "delta+s3://")
ROW_GROUP_BATCHES = 4  # of Parquet: readers want row groups that are larger than a batch


def import_extra(module: str, purpose: str) -> Any:
    """Imports an optional package, or says which one is missing for what."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.split(".", maxsplit=1)[0]
        raise NotSupportedError(f"{purpose} needs the package '{package}': pip install {package}") from None


@contextlib.contextmanager
def replaced_file(path: str) -> Iterator[IO[bytes]]:
    """A file that is written beside its name and gets it when all is well; else nothing is left."""
    partial = f"{path}.{os.getpid()}.partial"
    try:
        file = open(partial, "wb")  # noqa: SIM115 - closed below, under another name of error
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}", native_code=error.errno or 0) from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _write_text(path: str, schema: Schema, batches: Iterator[Any], output_format: str) -> None:
    with replaced_file(path) as file:
        if output_format == "csv":
            file.write((schema.csv_header() + "\n").encode())
        for batch in batches:
            file.write(native.pinpipe_batch_encode(batch, OUTPUT_FORMATS[output_format]))
            native.pinpipe_batch_clear(batch)


class _Lent:
    """Lends a native table's stream to an Arrow consumer."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return native.table_capsule(self._handle)


def record_batches(schema: Schema, batches: Iterator[Any]) -> Iterator[Any]:
    """The core's batches as pyarrow record batches, without copying; each batch is left empty."""
    import pyarrow as pa

    for batch in batches:
        handle = native.pinpipe_table_new(kind_index(schema.kind), SHAPES[schema.shape])
        native.pinpipe_table_append(handle, batch)
        yield from pa.RecordBatchReader.from_stream(_Lent(handle))


def _write_arrow(path: str, schema: Schema, batches: Iterator[Any]) -> None:
    ipc = import_extra("pyarrow.ipc", "writing .arrow")
    with replaced_file(path) as file, ipc.new_file(file, schema.arrow()) as writer:
        for batch in record_batches(schema, batches):
            writer.write_batch(batch)


def _write_parquet(path: str, schema: Schema, batches: Iterator[Any]) -> None:
    pa = import_extra("pyarrow", "writing .parquet")
    parquet = import_extra("pyarrow.parquet", "writing .parquet")
    held = record_batches(schema, batches)
    with (
        replaced_file(path) as file,
        parquet.ParquetWriter(file, schema.arrow(), compression="zstd") as writer,
    ):
        while group := list(itertools.islice(held, ROW_GROUP_BATCHES)):
            writer.write_table(pa.Table.from_batches(group))


def delta_location(url: str) -> str:
    """The table's place as deltalake takes it: a directory, or s3://bucket/prefix."""
    return url.removeprefix("delta+file://").removeprefix("delta+")


def delta_storage_options(location: str) -> dict[str, str] | None:
    """What deltalake needs besides the environment: a custom endpoint, over plain HTTP where it says so."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not location.startswith("s3://") or not endpoint:
        return None
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}


def _write_delta(url: str, schema: Schema, batches: Iterator[Any]) -> None:
    """One commit that replaces the table's content; the rows are streamed."""
    pa = import_extra("pyarrow", "writing Delta")
    deltalake = import_extra("deltalake", "writing Delta")
    location = delta_location(url)
    reader = pa.RecordBatchReader.from_batches(schema.arrow(), record_batches(schema, batches))
    try:
        deltalake.write_deltalake(
            location, reader, mode="overwrite", storage_options=delta_storage_options(location)
        )
    except deltalake.exceptions.DeltaError as error:
        raise FileError(f"Delta table '{location}': {error}") from None


def write_output(url: str, schema: Schema, batches: Iterator[Any]) -> None:
    """Writes all batches to OUT: .ndjson, .csv, .arrow, .parquet, delta+file://… or delta+s3://…"""
    if url.startswith(DELTA_SCHEMES):
        _write_delta(url, schema, batches)
        return
    suffix = os.path.splitext(url)[1]
    if suffix in (".ndjson", ".csv"):
        _write_text(url, schema, batches, suffix[1:])
    elif suffix == ".arrow":
        _write_arrow(url, schema, batches)
    elif suffix == ".parquet":
        _write_parquet(url, schema, batches)
    else:
        known = f"ends in none of {' '.join(SUFFIXES)} and begins with none of {' '.join(DELTA_SCHEMES)}"
        raise InvalidArgumentError(f"output '{url}' {known}")
