"""Turns statuses of the C core, and failures of the Python parts, into one hierarchy of exceptions.

Never loses what the core knew: status, service, native code, record and byte travel with the exception.
Rules: docs/errors.md; the statuses are those of pinpipe/status.h.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's own, which takes longer to load than all of this

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pinpipe._expectations import Expectation


class Error(Exception):
    """Anything that went wrong in pinpipe. `str(error)` is one line that names the datum.

    status: the status's name, such as "EINVAL"; message: the line; retryable: whether the same call may succeed
    later; service: "s3", "kafka", … or "" for the library itself; native_code: HTTP status, librdkafka's code or
    errno, 0 where there is none; record_index and byte_offset: the place in the input, None where there is none.
    """

    status: str = "EDATA"

    def __init__(
        self,
        message: str,
        *,
        status: str | None = None,
        retryable: bool = False,
        service: str = "",
        native_code: int = 0,
        record_index: int | None = None,
        byte_offset: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """The message is one line; the rest is as described above."""
        super().__init__(message)
        self.message = message
        self.status = status or type(self).status
        self.retryable = retryable
        self.service = service
        self.native_code = native_code
        self.record_index = record_index
        self.byte_offset = byte_offset
        self.retry_after_s = retry_after_s


class InvalidArgumentError(Error, ValueError):
    """An argument or option is not valid."""

    status = "EINVAL"


class OutOfMemoryError(Error, MemoryError):
    """Memory could not be had."""

    status = "ENOMEM"


class LimitError(Error):
    """A documented limit was reached."""

    status = "ELIMIT"


class FileError(Error, OSError):
    """A file could not be read or written."""

    status = "EIO"


class NetworkError(Error, ConnectionError):
    """The peer could not be reached or hung up."""

    status = "ENET"


class DeadlineError(Error, TimeoutError):
    """The deadline passed."""

    status = "ETIMEOUT"


class AuthError(Error):
    """Credentials are missing or were refused."""

    status = "EAUTH"


class NotFoundError(Error):
    """The named thing does not exist."""

    status = "ENOTFOUND"


class ConflictError(Error):
    """The thing exists already, or a condition failed."""

    status = "ECONFLICT"


class ThrottledError(Error):
    """The service asked to slow down."""

    status = "ETHROTTLED"


class ServiceError(Error):
    """The service failed."""

    status = "ESERVICE"


class RefusedError(Error):
    """The service refused the request."""

    status = "EREFUSED"


class DataError(Error):
    """The input is not what it was said to be."""

    status = "EDATA"


class ExpectationError(DataError):
    """A fatal expectation failed. results: those of all expectations of the run, passed ones too."""

    def __init__(self, message: str, *, results: Sequence[Expectation] = (), **told: Any) -> None:
        """As Error, with the results."""
        super().__init__(message, **told)
        self.results = list(results)


class ForkedError(Error):
    """The handle belongs to the parent process."""

    status = "EFORK"


class NotSupportedError(Error):
    """This build has no such part, or an optional package is missing."""

    status = "ENOTSUP"


class FatalError(Error):
    """The handle cannot be used any more."""

    status = "EFATAL"


_CLASSES: dict[str, type[Error]] = {cls.status: cls for cls in Error.__subclasses__()}


def from_status(
    status: int,
    message: str,
    service: str,
    native_code: int,
    record_index: int,
    byte_offset: int,
    retry_after_ms: int,
) -> Error:
    """Makes the exception for an error of the C core; called by the native module only."""
    from pinpipe import native

    name = native.pinpipe_status_name(status)
    return _CLASSES.get(name, Error)(
        message,
        status=name,
        retryable=native.pinpipe_status_retriable(status),
        service=service,
        native_code=native_code,
        record_index=record_index if record_index >= 0 else None,
        byte_offset=byte_offset if byte_offset >= 0 else None,
        retry_after_s=retry_after_ms / 1000 if retry_after_ms >= 0 else None,
    )
