"""Turns an access key, however it was handed over, into what signing and the clients take.

Never shows a secret: `repr` masks the key id and leaves the rest out.
Rules: docs/credentials.md; CONTRACT §3.
"""

from __future__ import annotations

import os
from typing import Any

from pinpipe import native
from pinpipe.errors import DataError, FileError, NotFoundError

_CSV_MAX_BYTES = 65536


class Credentials:
    """An AWS access key. Immutable; made by `default()`, `static()` or `from_csv()`."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Any) -> None:
        """Wraps a handle of the native module; use the class methods instead."""
        self._handle = handle

    @classmethod
    def default(cls) -> Credentials:
        """The key in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

        Raises `AuthError`, which names what was looked at, where there is none.
        """
        return cls(native.pinpipe_credentials_default())

    @classmethod
    def static(cls, key: str, secret: str, token: str | None = None) -> Credentials:
        """A key given by its parts; `token` belongs to temporary ones."""
        return cls(native.credentials_new(key, secret, token))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> Credentials:
        """The key in the CSV file that the IAM console offers; a `User name` column is ignored."""
        try:
            with open(path, "rb") as file:
                text = file.read(_CSV_MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise NotFoundError(f"cannot read '{path}': {error.strerror}") from error
        except OSError as error:
            raise FileError(
                f"cannot read '{path}': {error.strerror}", native_code=error.errno or 0
            ) from error
        try:
            return cls(native.pinpipe_credentials_decode(text))
        except DataError as error:
            raise DataError(f"'{path}': {error.message}") from None

    @property
    def access_key_id(self) -> str:
        """The public part of the key."""
        return str(native.pinpipe_credentials_key_id(self._handle))

    @property
    def secret_access_key(self) -> str:
        """The secret part, for libraries that want it in their own options."""
        return str(native.pinpipe_credentials_secret(self._handle))

    @property
    def session_token(self) -> str | None:
        """The token of a temporary key."""
        return str(native.pinpipe_credentials_token(self._handle)) or None

    @property
    def source(self) -> str:
        """Where the key came from: `static`, `csv` or `environment`."""
        return str(native.pinpipe_credentials_name(self._handle))

    def __repr__(self) -> str:
        """The key id's first and last four characters, and the source."""
        key = self.access_key_id
        masked = f"{key[:4]}…{key[-4:]}" if len(key) >= 12 else "…"
        return f"Credentials({masked}, {self.source}{', temporary' if self.session_token else ''})"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Refuses to be pickled: a secret does not belong into a file or a task queue."""
        raise TypeError("credentials are not pickled; make them where they are used")
