"""Turns calls on buckets and objects into signed requests to S3 or a store that speaks its protocol.

Never follows a redirect; every call has a deadline, retries included.
Rules: docs/s3.md; CONTRACT §3.
"""

from __future__ import annotations

import builtins
import contextlib
import mmap
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, cast

from pinpipe import native
from pinpipe.errors import FileError, ForkedError, InvalidArgumentError

if TYPE_CHECKING:
    from pinpipe._credentials import Credentials

__all__ = ["Client", "Object", "Piece", "Upload"]

_ADDRESSING = {
    "auto": native.S3_ADDRESSING_AUTO,
    "path": native.S3_ADDRESSING_PATH,
    "host": native.S3_ADDRESSING_HOST,
}
_PAYLOADS = {"auto": native.S3_PAYLOAD_AUTO, "signed": native.S3_PAYLOAD_SIGNED}
_CHECKSUMS = {
    "auto": native.S3_CHECKSUM_AUTO,
    "none": native.S3_CHECKSUM_NONE,
    "crc32c": native.S3_CHECKSUM_CRC32C,
    "crc64nvme": native.S3_CHECKSUM_CRC64NVME,
}
_VALIDATIONS = {"auto": native.S3_VALIDATION_AUTO, "none": native.S3_VALIDATION_NONE}
_READ_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Object(NamedTuple):
    """What a store says of an object. etag keeps its quotes; content_type is None in a list."""

    key: str
    size: int
    modified: datetime | None
    etag: str
    content_type: str | None


class Piece(NamedTuple):
    """Some bytes of an object, from `offset` on; the last piece ends at the object's size."""

    object: Object
    offset: int
    data: bytes


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


def _flags(if_none_match: str | None) -> int:
    if if_none_match not in (None, "*"):
        raise InvalidArgumentError(f"if_none_match '{if_none_match}': only '*' can be asked for")
    return int(native.S3_PUT_NEW if if_none_match else native.S3_PUT_REPLACE)


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
        in_flight: int | None = None,
        part_bytes: int | None = None,
        payload: Literal["auto", "signed"] = "auto",
        checksum: Literal["auto", "none", "crc32c", "crc64nvme"] = "auto",
        validation: Literal["auto", "none"] = "auto",
        expected_owner: str | None = None,
        request_payer: Literal["requester"] | None = None,
        encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None,
        encryption_key: str | None = None,
        encryption_context: str | None = None,
    ) -> None:
        """Makes a client; opens no connection.

        endpoint: a URL, else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, Amazon's own for the
        region. region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's; `us-east-1` at an endpoint that is
        not Amazon's. credentials: else the default chain, asked at the first call. addressing: the bucket in
        the path or in the host; auto = path at an endpoint that is not Amazon's. ca_file: else AWS_CA_BUNDLE,
        the system's. connect_timeout: 3.1 s an attempt. timeout: of a call without one of its own, 60 s.
        attempts: else AWS_MAX_ATTEMPTS, the profile's, 3. in_flight: ranges or parts of one
        object at once, 4. part_bytes: their size, 8 MiB. payload: signed = bodies are hashed over https too,
        whatever their size. checksum: of what is stored; auto = crc64nvme at Amazon unless
        AWS_REQUEST_CHECKSUM_CALCULATION says when_required, none elsewhere. validation: of what is read,
        against the CRC that the store keeps; auto = unless AWS_RESPONSE_CHECKSUM_VALIDATION says when_required.
        expected_owner: account id; a bucket of another is refused. encryption and what goes with it: of objects
        that are stored.
        """
        if addressing not in _ADDRESSING:
            raise InvalidArgumentError(f"addressing '{addressing}': it is one of {', '.join(_ADDRESSING)}")
        if payload not in _PAYLOADS:
            raise InvalidArgumentError(f"payload '{payload}': it is one of {', '.join(_PAYLOADS)}")
        if checksum not in _CHECKSUMS:
            raise InvalidArgumentError(f"checksum '{checksum}': it is one of {', '.join(_CHECKSUMS)}")
        if validation not in _VALIDATIONS:
            raise InvalidArgumentError(f"validation '{validation}': it is one of {', '.join(_VALIDATIONS)}")
        self._owner = os.getpid()
        self._lock = threading.RLock()  # a reader that is collected while its thread holds it
        self._handle = native.s3_new(
            credentials._provider if credentials else None,
            endpoint,
            region,
            os.fspath(ca_file) if ca_file else None,
            _ADDRESSING[addressing],
            _milliseconds("connect_timeout", connect_timeout),
            _milliseconds("timeout", timeout),
            attempts or 0,
            in_flight or 0,
            part_bytes or 0,
            _PAYLOADS[payload],
            _CHECKSUMS[checksum],
            _VALIDATIONS[validation],
            expected_owner,
            request_payer,
            encryption,
            encryption_key,
            encryption_context,
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
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Stores `data` (a str as UTF-8) as one object by one request, at most 5 GiB.

        content_type: `application/octet-stream` where none is given. if_none_match: "*" keeps an existing
        object and raises `ConflictError`. if_match: the ETag that the object in place must have. Where the
        answer was lost, an object with the ETag of `data` is taken for this call's own.
        """
        flags = _flags(if_none_match)
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            native.s3_object_put(handle, bucket, key, data, content_type, flags, if_match, milliseconds)

    def get(
        self, bucket: str, key: str, *, max_bytes: int | None = None, timeout: float | None = None
    ) -> bytes:
        """Reads a whole object. Raises `LimitError` beyond `max_bytes`, 1 GiB where it is not given."""
        with self._alone() as handle:
            got: bytes = native.s3_object_get(
                handle, bucket, key, max_bytes or 0, _milliseconds("timeout", timeout)
            )
        return got

    def get_into(
        self, bucket: str, key: str, buffer: bytearray | memoryview, *, timeout: float | None = None
    ) -> int:
        """Reads a whole object to the start of a writable buffer; how many bytes it has.

        Memory that is used again costs no first touch. Raises `LimitError` where the object is larger.
        """
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            return int(native.s3_object_get_into(handle, bucket, key, buffer, milliseconds))

    def head(self, bucket: str, key: str, *, timeout: float | None = None) -> Object:
        """Tells size, time, type and ETag of an object."""
        with self._alone() as handle:
            return _object(native.s3_object_head(handle, bucket, key, _milliseconds("timeout", timeout)))

    def delete(self, bucket: str, key: str, *, timeout: float | None = None) -> None:
        """Deletes an object; one that does not exist is no error, as S3 has it."""
        with self._alone() as handle:
            native.s3_object_delete(handle, bucket, key, _milliseconds("timeout", timeout))

    def sign(
        self,
        bucket: str,
        key: str,
        *,
        method: Literal["GET", "HEAD", "PUT", "DELETE"] = "GET",
        expires: int = 3600,
        timeout: float | None = None,
    ) -> str:
        """A presigned URL: whoever has it may do this to the object for `expires` seconds (1 to 604800).

        The store is not asked; the object need not exist. A temporary key's end ends the URL, too.
        """
        milliseconds = _milliseconds("timeout", timeout)
        if expires == 0:  # which the core takes for its default
            raise InvalidArgumentError("expires: a presigned URL that lives 0 s")
        with self._alone() as handle:
            url: bytes = native.s3_object_sign(handle, bucket, key, method, expires, milliseconds)
        return url.decode()

    def list(
        self,
        bucket: str,
        prefix: str = "",
        *,
        start_after: str = "",
        page_size: int = 1000,
        in_flight: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Object]:
        """Yields the objects whose keys begin with `prefix`, in the order of their keys' bytes.

        Pages of `page_size` (1 to 1000) are fetched as they are needed. Where there is more than a page and its
        keys lie below few common prefixes, up to `in_flight` of these (1 to 16; 8) are listed at once, some pages
        ahead; 1 = page after page. `timeout` is that of one page.
        """
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            pages = native.s3_list_new(handle, bucket, prefix, start_after, page_size, in_flight or 0)
        try:
            while True:
                with self._alone():
                    ended = native.pinpipe_s3_list_next(pages, milliseconds)
                    page = [] if ended else native.s3_list_page(pages)
                if ended:
                    return
                yield from map(_object, page)
        finally:
            with contextlib.suppress(ForkedError), self._alone():
                del pages

    def delete_many(self, bucket: str, keys: Iterable[str], *, timeout: float | None = None) -> None:
        """Deletes objects, 1000 a request; raises for the first that could not be deleted."""
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            native.pinpipe_s3_objects_delete(handle, bucket, builtins.list(keys), milliseconds)

    def read(
        self,
        bucket: str,
        prefix: str = "",
        *,
        key: str | None = None,
        start_after: str = "",
        in_flight: int | None = None,
        buffer_bytes: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Piece]:
        """Yields the bytes of all objects below `prefix`, or of the one `key`, in the order of their keys' bytes.

        Many requests are under way at once (in_flight: 32), and at most `buffer_bytes` (32 MiB) are held. A
        small object is one piece. `timeout` is that of each request.
        """
        milliseconds = _milliseconds("timeout", timeout)
        with self._alone() as handle:
            reader = native.s3_reader_new(
                handle, bucket, key, prefix, start_after, in_flight or 0, buffer_bytes or 0
            )
        try:
            while True:
                with self._alone():
                    got = native.pinpipe_s3_reader_next(reader, milliseconds)
                if got == native.PINPIPE_DONE:
                    return
                parts, offset, data = got
                yield Piece(_object(parts), offset, data)
        finally:
            with contextlib.suppress(ForkedError), self._alone():
                del reader

    def upload(
        self,
        bucket: str,
        key: str,
        source: bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | None = None,
        *,
        content_type: str | None = None,
        if_none_match: Literal["*"] | None = None,
        if_match: str | None = None,
        size: int | None = None,
        journal: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
    ) -> Upload:
        """Stores bytes, a file by its path, or an open binary file as one object of any size.

        Without a source the `Upload` that is returned takes `write` and, as a context, commits at its end. What
        fits into one part is one put; more goes by parts, several at once. size: of the whole, makes parts large
        enough beyond 10,000 of them. journal: a file by which an upload of the same bytes goes on after a crash.
        """
        upload = Upload(self, bucket, key, content_type, _flags(if_none_match), if_match, journal, timeout)
        if source is None:
            upload._open(size or 0)
        else:
            _upload_all(upload, source, size)
        return upload

    def clear_uploads(
        self, bucket: str, prefix: str = "", *, age: timedelta, timeout: float | None = None
    ) -> int:
        """Aborts multipart uploads that were begun longer than `age` ago; how many there were."""
        seconds = int(age.total_seconds())
        with self._alone() as handle:
            return int(
                native.s3_uploads_clear(handle, bucket, prefix, seconds, _milliseconds("timeout", timeout))
            )


class Source:
    """The objects of a URL on their way into a decoder; `Reader.read_objects` holds it."""

    def __init__(self, url: str, client: Client | None = None) -> None:
        """client: else one from the environment."""
        self._client = client or Client()
        with self._client._alone() as handle:
            self._handle = native.source_open(url, handle, 0, 0)
        self._watching: Any = None

    def watch(self, decoder: Any, batch: Any, report: Any, statistics: Any) -> None:
        """Lets `statistics` count what another decoder makes of the same bytes."""
        self._watching = (decoder, batch, report, statistics)  # the core borrows them
        native.pinpipe_objects_watch(self._handle, decoder, batch, report, statistics)

    def decode(self, decoder: Any, batch: Any, report: Any) -> bool:
        """Fills the batch; False where all is read."""
        with self._client._alone():
            done = native.pinpipe_objects_decode(self._handle, decoder, batch, report, 0)
        return bool(done != native.PINPIPE_DONE)

    @property
    def objects(self) -> int:
        """Objects read so far."""
        return int(native.pinpipe_objects_count(self._handle))

    def __enter__(self) -> Source:
        """The source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives up what is under way."""
        with contextlib.suppress(ForkedError), self._client._alone():
            self._handle = None


class Upload:
    """One object that is written piece by piece; made by `Client.upload`.

    It is there once `commit` has returned; a context commits at its end and gives up after an exception.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        key: str,
        content_type: str | None,
        flags: int,
        if_match: str | None,
        journal: str | os.PathLike[str] | None,
        timeout: float | None,
    ) -> None:
        """Made by `Client.upload`."""
        self._client = client
        self._name = (bucket, key)
        self._wishes = (content_type, flags, if_match)
        self._journal = os.fspath(journal) if journal else None
        self._timeout_ms = _milliseconds("timeout", timeout)
        self._handle: Any = None

    def _open(self, size: int) -> None:
        with self._client._alone() as handle:
            self._handle = native.s3_upload_open(handle, *self._name, *self._wishes, size, self._journal)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Appends bytes; what fills parts has arrived when it returns, the rest is kept."""
        with self._client._alone():
            native.pinpipe_s3_upload_write(self._handle, data, self._timeout_ms)
        return len(data)

    def commit(self) -> None:
        """Makes the object, whole."""
        with self._client._alone():
            native.pinpipe_s3_upload_commit(self._handle, self._timeout_ms)

    def clear(self) -> None:
        """Gives up: the parts that have arrived go, and the journal."""
        with self._client._alone():
            native.pinpipe_s3_upload_clear(self._handle, self._timeout_ms)

    def close(self) -> None:
        """Lets go: an upload that was not committed is given up, unless a journal can go on with it."""
        with contextlib.suppress(ForkedError), self._client._alone():
            self._handle = None

    def __enter__(self) -> Upload:
        """The upload itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commits, or lets go after an exception."""
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def __del__(self) -> None:
        """As `close`; the destructor of the handle must not meet a call of another thread."""
        self.close()


def _upload_all(upload: Upload, source: Any, size: int | None) -> None:
    if isinstance(source, (bytes, bytearray, memoryview)):
        upload._open(len(source) if size is None else size)
        with upload:
            upload.write(source)
    elif isinstance(source, (str, os.PathLike)):
        _upload_path(upload, os.fspath(source))
    else:
        upload._open(size or 0)
        with upload:
            while data := cast(IO[bytes], source).read(_READ_BYTES):
                upload.write(data)


def _upload_path(upload: Upload, path: str) -> None:
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below, under another name of error
    except OSError as error:
        raise FileError(f"cannot open '{path}': {error.strerror}", native_code=error.errno or 0) from None
    with file:
        size = os.fstat(file.fileno()).st_size
        upload._open(size)
        with upload:
            if size:
                # Parts are sent from where the file's pages lie.
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
                    upload.write(cast(Any, pages))
