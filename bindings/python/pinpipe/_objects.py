"""Turns an object store's URL into keys and objects that are listed, read and written: s3://bucket/prefix or file:///dir.

Never reads one partition only: every key below a prefix is listed, in order. Never leaves a part of an object.
Rules: CONTRACT §2 (URLs); the layout is the object sink's (docs/sink.md).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from pinpipe import s3
from pinpipe._outputs import replaced_file
from pinpipe.errors import ConflictError, FileError, InvalidArgumentError, NotFoundError

PRECONDITION_FAILED = 412


class Objects:
    """Objects by key. `url` is what opens it again; `client` is the S3 client where there is one."""

    def __init__(self, url: str, client: s3.Client | None) -> None:
        """Made by `open_objects`."""
        self.url = url
        self.client = client

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, sorted."""
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        """One object's bytes. Raises NotFoundError."""
        raise NotImplementedError

    def put(self, key: str, data: bytes) -> None:
        """Makes or replaces one object."""
        raise NotImplementedError

    def create(self, key: str, data: bytes) -> bool:
        """Makes one object unless there is one; of any number of callers one succeeds. False where there was one."""
        raise NotImplementedError


class _S3Objects(Objects):
    def __init__(self, url: str, client: s3.Client) -> None:
        super().__init__(url, client)
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._s3 = client
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""

    def keys(self, prefix: str = "") -> Iterator[str]:
        for found in self._s3.list(self._bucket, self._prefix + prefix):
            yield found.key.removeprefix(self._prefix)

    def get(self, key: str) -> bytes:
        return self._s3.get(self._bucket, self._prefix + key)

    def put(self, key: str, data: bytes) -> None:
        self._s3.put(self._bucket, self._prefix + key, data)

    def create(self, key: str, data: bytes) -> bool:
        try:
            self._s3.put(self._bucket, self._prefix + key, data, if_none_match="*")
        except ConflictError as error:
            if error.retryable or error.native_code != PRECONDITION_FAILED:
                raise
            return False
        return True


class _FileObjects(Objects):
    def __init__(self, url: str) -> None:
        super().__init__(url, None)
        self._root = Path(unquote(url.removeprefix("file://")))

    def keys(self, prefix: str = "") -> Iterator[str]:
        found = (path for path in self._root.rglob("*") if path.is_file())
        yield from sorted(
            key
            for key in (path.relative_to(self._root).as_posix() for path in found)
            if key.startswith(prefix)
        )

    def get(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"object '{key}' does not exist below {self._root}") from None

    def put(self, key: str, data: bytes) -> None:
        with replaced_file(self._path(key)) as file:
            file.write(data)

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        partial = f"{path}.{os.getpid()}.{threading.get_ident()}.partial"
        try:
            with replaced_file(partial) as file:
                file.write(data)
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise FileError(
                f"cannot write '{path}': {error.strerror}", native_code=error.errno or 0
            ) from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
        return True

    def _path(self, key: str) -> str:
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(
                f"cannot make '{path.parent}': {error.strerror}", native_code=error.errno or 0
            ) from None
        return str(path)


def open_objects(url: str, client: s3.Client | None = None) -> Objects:
    """Opens s3://bucket/prefix (with the client given, or one from the environment) or file:///dir."""
    if url.startswith("s3://") and url != "s3://":
        return _S3Objects(url, client or s3.Client())
    if url.startswith("file:///"):
        return _FileObjects(url)
    raise InvalidArgumentError(f"objects '{url[:60]}' are neither s3://bucket/prefix nor file:///dir")
