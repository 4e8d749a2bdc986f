"""Turns Ctrl-C and SIGTERM into a wish to end after the step that is under way, and SIGHUP into a call.

Never takes a signal away for good: the handlers that were there come back.
Rules: docs/emulator.md, "The end"; docs/sink.md; docs/stream.md.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def hangups_noted(note: Callable[[], None]) -> Iterator[None]:
    """Lets SIGHUP call `note`, which only notes it. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda number, frame: note())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM set `stop`; a second one interrupts at once. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    try:
        for number in before:
            signal.signal(number, request)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
