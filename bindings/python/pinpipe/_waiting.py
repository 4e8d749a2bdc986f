"""Turns calls of the C core that wait into calls that Ctrl-C can end.

Never waits longer than its timeout plus one step, and never leaves a handle to two threads at once.
Rules: docs/architecture.md, "The Python border": a signal is seen within 0.2 s.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from pinpipe.errors import DeadlineError, ForkedError, InvalidArgumentError, NetworkError

STEP_MS = 200
TIMEOUT_MAX_S = 1e6

Result = TypeVar("Result")


def milliseconds(seconds: float) -> int:
    """A timeout for C. Raises InvalidArgumentError where it is none."""
    if not 0 <= seconds <= TIMEOUT_MAX_S:
        raise InvalidArgumentError(f"timeout {seconds} s is not between 0 and {TIMEOUT_MAX_S:,.0f}")
    return int(seconds * 1000)


def steps(timeout: float) -> Iterator[tuple[int, bool]]:
    """(milliseconds of a step, whether it is the last), until the timeout has passed."""
    deadline = time.monotonic() + milliseconds(timeout) / 1000
    last = False
    while not last:
        left_ms = max(0, int((deadline - time.monotonic()) * 1000))
        last = left_ms <= STEP_MS
        yield min(left_ms, STEP_MS), last


def in_steps(call: Callable[[int], Result], timeout: float) -> Result:
    """Repeats a call that may be repeated until it succeeds, fails for good or the timeout has passed."""
    for step_ms, last in steps(timeout):
        try:
            return call(step_ms)
        except (DeadlineError, NetworkError):
            if last:
                raise
    raise AssertionError("the last step returns or raises")


def beside(call: Callable[[], Result]) -> Result:
    """Makes one call that cannot be repeated in a thread of its own, so that a signal is seen meanwhile."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="pinpipe-call", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(STEP_MS / 1000)
    if errors:
        # Left in the list, the error would hold itself, and by its traceback the client that it came from.
        raise errors.pop()
    return results[0]


class _Alone:
    # A class and not a generator: this is on the way of every record.
    __slots__ = ("_of",)

    def __init__(self, of: Handle) -> None:
        self._of = of

    def __enter__(self) -> Any:
        of = self._of
        # Before the lock: a thread of the parent may have held it when the process was forked.
        if os.getpid() != of._owner:
            raise ForkedError("this object was made before a fork; make one in the child")
        of._lock.acquire()
        if of._native is None:
            of._lock.release()
            raise InvalidArgumentError(f"this {type(of).__name__} is closed")
        return of._native

    def __exit__(self, *_: object) -> None:
        self._of._lock.release()


class Handle:
    """What Python's objects over one C handle have in common: an owner, a lock, an end."""

    def __init__(self, handle: Any) -> None:
        self._native: Any = handle
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def _alone(self) -> _Alone:
        """The C handle for a `with` block that no other thread is in."""
        return _Alone(self)

    def close(self) -> None:
        """Gives up what C holds; a second call does nothing."""
        if os.getpid() == self._owner:
            with self._lock:
                self._native = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes."""
        self.close()


class ProducerHandle(Handle):
    """A handle whose records wait: a clean block ends with all of them delivered."""

    def flush(self, timeout: float = 30.0) -> None:
        """Waits until every record is delivered or has failed; raises where one was not delivered."""
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flushes after a clean block, then closes."""
        try:
            if error is None and self._native is not None:
                self.flush()
        finally:
            self.close()
