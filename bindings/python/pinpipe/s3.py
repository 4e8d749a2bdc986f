"""Turns calls on buckets and objects into signed requests to S3 or a store that speaks its protocol.

Never follows a redirect; every call has a deadline, retries included.
Rules: docs/s3.md; CONTRACT §3.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pinpipe import native
from pinpipe.errors import ForkedError, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

__all__ = ["Client", "Object"]

_ADDRESSING = {
    "auto": native.S3_ADDRESSING_AUTO,
    "path": native.S3_ADDRESSING_PATH,
    "host": native.S3_ADDRESSING_HOST,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Object(NamedTuple):
    """What a store says of an object. etag keeps its quotes; content_type is None in a list."""

    key: str
    size: int
    modified: datetime | None
    etag: str
    content_type: str | None


def _object(parts: tuple[str, int, int | None, str, str]) -> Object:
    key, size, modified_us, etag, content_type = parts
    modified = None if modified_us is None else _EPOCH + timedelta(microseconds=modified_us)
    return Object(key, size, modified, etag, content_type or None)


def _milliseconds(name: str, seconds: float | None) -> int:
    if seconds is None:
        return 0
    if not 0.001 <= seconds <= 1e6:
        raise InvalidArgumentError(f"{name}: {seconds} s is not 0.001 to 1,000,000")
    return int(seconds * 1000)


class Client:
    """A client of one endpoint with its kept-alive connections.

    Threads may share it, one call is under way at a time. In a forked child every call raises `ForkedError`.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        region: str | None = None,
        credentials: Credentials | None = None,
        addressing: Literal["auto", "path", "host"] = "auto",
        ca_file: str | os.PathLike[str] | None = None,
        connect_timeout: float | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> None:
        """Makes a client; opens no connection.

        endpoint: a URL, else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, Amazon's own for the
        region. region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's; `us-east-1` at an endpoint that is
        not Amazon's. credentials: else the default chain, asked at the first call. addressing: the bucket in
        the path or in the host; auto = path at an endpoint that is not Amazon's. ca_file: else AWS_CA_BUNDLE,
        the system's. connect_timeout: 3.1 s an attempt. timeout: of a call without one of its own, 60 s.
        attempts: else AWS_MAX_ATTEMPTS, the profile's, 3.
        """
        if addressing not in _ADDRESSING:
            raise InvalidArgumentError(f"addressing '{addressing}': it is one of {', '.join(_ADDRESSING)}")
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._handle = native.s3_new(
            credentials._provider if credentials else None,
            endpoint,
            region,
            os.fspath(ca_file) if ca_file else None,
            _ADDRESSING[addressing],
            _milliseconds("connect_timeout", connect_timeout),
            _milliseconds("timeout", timeout),
            attempts or 0,
        )

    @contextmanager
    def _alone(self) -> Iterator[Any]:
        # Before the lock: a thread of the parent may have held it when the process was forked.
        if os.getpid() != self._owner:
            raise ForkedError("this client was made before a fork; make one in the child")
        with self._lock:
            yield self._handle

    def create_bucket(self, bucket: str, *, timeout: float | None = None) -> None:
        """Creates a bucket in the client's region. Raises `ConflictError` where it exists."""
        with self._alone() as handle:
            native.pinpipe_s3_bucket_put(handle, bucket, _milliseconds("timeout", timeout))

    def delete_bucket(self, bucket: str, *, timeout: float | None = None) -> None:
        """Deletes an empty bucket. Raises `ConflictError` where it is not empty."""
        with self._alone() as handle:
            native.pinpipe_s3_bucket_delete(handle, bucket, _milliseconds("timeout", timeout))

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes | bytearray | memoryview | str,
        *,
        content_type: str | None = None,
        if_none_match: Literal["*"] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Stores `data` (a str as UTF-8) as one object, at most 5 GiB.

        content_type: `application/octet-stream` where none is given. if_none_match: "*" keeps an existing
        object and raises `ConflictError`; after a lost answer that object may be this call's own.
        """
        if if_none_match not in (None, "*"):
            raise InvalidArgumentError(f"if_none_match '{if_none_match}': only '*' can be asked for")
        flags = native.S3_PUT_NEW if if_none_match else native.S3_PUT_REPLACE
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            native.s3_object_put(handle, bucket, key, data, content_type, flags, milliseconds)

    def get(
        self, bucket: str, key: str, *, max_bytes: int | None = None, timeout: float | None = None
    ) -> bytes:
        """Reads a whole object. Raises `LimitError` beyond `max_bytes`, 1 GiB where it is not given."""
        with self._alone() as handle:
            got: bytes = native.s3_object_get(
                handle, bucket, key, max_bytes or 0, _milliseconds("timeout", timeout)
            )
        return got

    def head(self, bucket: str, key: str, *, timeout: float | None = None) -> Object:
        """Tells size, time, type and ETag of an object."""
        with self._alone() as handle:
            return _object(native.s3_object_head(handle, bucket, key, _milliseconds("timeout", timeout)))

    def delete(self, bucket: str, key: str, *, timeout: float | None = None) -> None:
        """Deletes an object; one that does not exist is no error, as S3 has it."""
        with self._alone() as handle:
            native.s3_object_delete(handle, bucket, key, _milliseconds("timeout", timeout))

    def list(
        self,
        bucket: str,
        prefix: str = "",
        *,
        start_after: str = "",
        page_size: int = 1000,
        timeout: float | None = None,
    ) -> Iterator[Object]:
        """Yields the objects whose keys begin with `prefix`, in the order of their keys' bytes.

        Pages of `page_size` (1 to 1000) are fetched as they are needed; `timeout` is that of one page.
        """
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            pages = native.s3_list_new(handle, bucket, prefix, start_after, page_size)
        while True:
            with self._alone():
                ended = native.pinpipe_s3_list_next(pages, milliseconds)
                page = [] if ended else native.s3_list_page(pages)
            if ended:
                return
            yield from map(_object, page)
