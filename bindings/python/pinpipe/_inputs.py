"""Turns what a caller hands over as input into open files and Arrow streams.

Never reads a record; a file that cannot be opened is one line of error.
Rules: CONTRACT §3 (`pinpipe.clean`): bytes-like, path, file, list of payloads, any Arrow object.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Protocol, cast, runtime_checkable

from pinpipe.errors import DataError, Error, FileError, NotFoundError

ARROW_MAGIC = b"ARROW1"
OBJECTS_SCHEME = "s3://"


@runtime_checkable
class ArrowStreamExportable(Protocol):
    """Anything that speaks the Arrow PyCapsule interface for streams."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule named arrow_array_stream."""


#: What `clean` and `decode` read: bytes, a path, s3://bucket/prefix/, an open binary file, payloads, or Arrow data.
Input = (
    bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | IO[bytes]
    | Sequence[bytes | str]
    | ArrowStreamExportable
)


def open_arrow_file(file: IO[bytes]) -> ArrowStreamExportable:
    """The record batches of an Arrow IPC file, or of the stream format."""
    import pyarrow as pa

    try:
        if not file.seekable():
            return cast(ArrowStreamExportable, pa.ipc.open_stream(file))
        start = file.tell()
        if file.read(len(ARROW_MAGIC)) != ARROW_MAGIC:
            file.seek(start)
            return cast(ArrowStreamExportable, pa.ipc.open_stream(file))
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        return cast(ArrowStreamExportable, pa.RecordBatchReader.from_batches(reader.schema, batches))
    except pa.ArrowInvalid as error:
        raise DataError(f"not an Arrow IPC file: {error}") from None


def file_error(path: str, error: OSError) -> Error:
    """Why a file cannot be read."""
    kind = NotFoundError if isinstance(error, FileNotFoundError) else FileError
    return kind(f"cannot open '{path}': {error.strerror}", native_code=error.errno or 0)


def open_for_reading(path: str) -> IO[bytes]:
    """Opens a file, or says in one line why not."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise file_error(path, error) from None


def is_objects(data: Input) -> bool:
    """True for the URL of objects, which is no path."""
    return isinstance(data, str) and data.startswith(OBJECTS_SCHEME)


def is_bytes_like(data: Input) -> bool:
    """True for what holds bytes as a whole: memory, a path, an open file."""
    if is_objects(data):
        return False
    return isinstance(data, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(data, "read")
