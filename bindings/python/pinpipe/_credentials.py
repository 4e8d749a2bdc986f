"""Turns the process's surroundings, or what a program has, into the key that signing and the clients take.

Never shows a secret: `repr` masks the key id and leaves the rest out. Never hands out a key that has expired.
Rules: docs/credentials.md; CONTRACT §3.
"""

from __future__ import annotations

import os

from pinpipe import native
from pinpipe.errors import DataError, Error, InvalidArgumentError

TYPE_CHECKING = False  # as typing's own, which takes longer to load than all of this

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

_PREFIXES = ("AWS_", "HOME")
#: What each part is called by the services and by botocore.
_NAMES = {
    "key": ("AccessKeyId", "aws_access_key_id", "access_key"),
    "secret": ("SecretAccessKey", "aws_secret_access_key", "secret_key"),
    "token": ("SessionToken", "Token", "aws_session_token", "token"),
    "expiry": ("Expiration", "expiry_time", "expiry"),
    "account": ("AccountId", "account_id"),
}


class Credentials:
    """An AWS identity: a key, or the place where keys that expire come from.

    Made by `default()`, `static()`, `from_csv()` or `callback()`. Threads may share it; renewal happens before a
    key expires, and waits for nobody. In a forked child it goes on with the key that it has.
    """

    __slots__ = ("_key", "_provider")

    def __init__(self, provider: Any) -> None:
        """Wraps a provider of the native module; use the class methods instead."""
        self._provider = provider
        self._key: Any = None

    @classmethod
    def default(cls, *, profile: str | None = None, region: str | None = None) -> Credentials:
        """What environment, files, container and instance offer, in botocore's order.

        profile: instead of AWS_PROFILE; the environment's key is not looked at then. region: of STS, else
        AWS_REGION, AWS_DEFAULT_REGION, the profile's. Raises `AuthError`, which names what was looked at,
        where there is nothing, and the error of a place that is configured and fails.
        """
        made = cls(native.provider_new(None, profile, region, None))
        made._handle  # noqa: B018 - asks for the first key, so that failures come here
        return made

    @classmethod
    def static(cls, key: str, secret: str, token: str | None = None) -> Credentials:
        """A key given by its parts; `token` belongs to temporary ones."""
        return cls(native.provider_new(native.credentials_new(key, secret, token), None, None, None))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> Credentials:
        """The key in the CSV file that the IAM console offers; a `User name` column is ignored."""
        return cls(native.provider_new(None, None, None, os.fspath(path)))

    @classmethod
    def callback(cls, fn: Callable[[], object]) -> Credentials:
        """Keys that `fn()` makes: at the first use, then before they expire, or every 15 minutes without expiry.

        fn returns `Credentials`, a mapping (`AccessKeyId`, `SecretAccessKey`, `SessionToken`, `Expiration`, or
        botocore's names) or an object with such attributes, as botocore's sessions and credentials are. It
        runs on the thread of whoever needs the key. What it raises comes back as `AuthError`.
        """
        if not callable(fn):
            raise InvalidArgumentError(f"callback: {type(fn).__name__} cannot be called")
        return cls(native.provider_callback(lambda: _parts(fn())))

    @property
    def _handle(self) -> Any:
        """The key that is valid now, as the native module has it."""
        if self._key is not None:
            return self._key
        key = native.pinpipe_provider_get(self._provider, 0)
        if self.source in ("static", "csv") and not native.pinpipe_credentials_expires_s(key):
            self._key = key
        return key

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
    def account_id(self) -> str | None:
        """The account's 12 digits, where something told them."""
        return str(native.pinpipe_credentials_account_id(self._handle)) or None

    @property
    def expires(self) -> datetime | None:
        """When the key that is valid now expires; None = never."""
        from datetime import UTC, datetime

        seconds = int(native.pinpipe_credentials_expires_s(self._handle))
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    @property
    def source(self) -> str:
        """Where the key came from: `static`, `csv`, `environment`, `callback`, `profile`, `process`, …"""
        return str(native.pinpipe_credentials_name(self._raw()))

    @property
    def description(self) -> str:
        """The same in one line with profile, roles and the like; no secret."""
        return str(native.pinpipe_credentials_text(self._raw()))

    def frozen(self) -> Credentials:
        """The key that is valid now, by itself: its parts belong together, and it is not renewed."""
        key = self._handle
        return Credentials(native.provider_new(key, None, None, None))

    def endpoint(self, service: str) -> str:
        """The endpoint of a service for these surroundings, such as "s3" or "kinesis"."""
        return bytes(native.pinpipe_provider_endpoint(self._provider, service)).decode()

    @property
    def region(self) -> str | None:
        """The region that environment or profile have."""
        return str(native.pinpipe_provider_region(self._provider)) or None

    def time(self) -> int:
        """Seconds since 1970, corrected by what services said where the machine's clock is off."""
        return int(native.pinpipe_provider_time_s(self._provider))

    def _raw(self) -> Any:
        return self._key if self._key is not None else native.pinpipe_provider_get(self._provider, 0)

    def __repr__(self) -> str:
        """The key id's first and last four characters, and the source."""
        try:
            key = self.access_key_id
        except Error as error:
            return f"Credentials(none: {error.status})"
        masked = f"{key[:4]}…{key[-4:]}" if len(key) >= 12 else "…"
        return f"Credentials({masked}, {self.source}{', temporary' if self.session_token else ''})"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Refuses to be pickled: a secret does not belong into a file or a task queue."""
        raise TypeError("credentials are not pickled; make them where they are used")


def _named(made: object, names: tuple[str, ...]) -> object:
    from collections.abc import Mapping

    for name in names:
        found = made.get(name) if isinstance(made, Mapping) else getattr(made, name, None)
        if found is not None:
            return found
    return None


def _expiry_s(value: object) -> int:
    from datetime import UTC, datetime

    if value is None:
        return 0
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float):
        return int(value)
    raise DataError(f"the expiry is a {type(value).__name__}, not a time")


def _parts(made: object) -> tuple[str, str, str, int, str]:
    """Key, secret, token, expiry in seconds and account of whatever a callback returned."""
    if isinstance(made, Credentials):
        key = made.frozen()
        expires = key.expires
        return (
            key.access_key_id,
            key.secret_access_key,
            key.session_token or "",
            int(expires.timestamp()) if expires else 0,
            key.account_id or "",
        )
    for method in ("get_credentials", "get_frozen_credentials"):
        if callable(getattr(made, method, None)):
            made = getattr(made, method)()
    found = {part: _named(made, names) for part, names in _NAMES.items()}
    if not found["key"] or not found["secret"]:
        raise DataError(f"the callback returned a {type(made).__name__} without a key")
    return (
        str(found["key"]),
        str(found["secret"]),
        str(found["token"] or ""),
        _expiry_s(found["expiry"]),
        str(found["account"] or ""),
    )


_shared: dict[tuple[tuple[str, str], ...], Credentials] = {}  # at most one entry


def shared_default() -> Credentials:
    """The default chain that calls without credentials share, as long as the environment stays as it is."""
    now = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_PREFIXES)))
    found = _shared.get(now)
    if found is None:
        found = Credentials.default()
        _shared.clear()
        _shared[now] = found
    return found
