"""Turns work on files into a line of progress on a terminal.

Never writes anything where stderr is no terminal; never counts work that it did not see.
Rules: CONTRACT §2: long work shows progress on a terminal and is silent in a pipe.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import IO

from pinpipe._records import CHUNK_BYTES

INTERVAL_S = 0.2


class Progress:
    """One line that is rewritten: what, how far, how fast."""

    def __init__(self, what: str, paths: list[str] | None = None, total: int = 0) -> None:
        """paths: files whose sizes make the total; total: units otherwise (0 = unknown)."""
        self._what = what
        self._unit_bytes = paths is not None
        self._total = sum(os.path.getsize(p) for p in paths if os.path.isfile(p)) if paths else total
        self._done = 0
        self._started = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        """Starts the clock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Takes the line away."""
        if self._live and self._shown != self._started:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def add(self, amount: int) -> None:
        """Counts work done; shows the line when it is time."""
        self._done += amount
        now = time.monotonic()
        if not self._live or now - self._shown < INTERVAL_S:
            return
        self._shown = now
        rate = self._done / max(now - self._started, 1e-9)
        scale, unit = (1e6, "MB") if self._unit_bytes else (1.0, "")
        share = f" of {self._total / scale:,.0f}" if self._total else ""
        percent = f" ({100 * self._done / self._total:.0f} %)" if self._total else ""
        line = f"{self._what}: {self._done / scale:,.0f}{share} {unit}{percent}, {rate / scale:,.0f} {unit}/s"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def objects(self, count: int) -> None:
        """Shows how many objects have been read; their bytes are not known before."""
        now = time.monotonic()
        if self._live and now - self._shown >= INTERVAL_S:
            self._shown = now
            rate = count / max(now - self._started, 1e-9)
            sys.stderr.write(f"\r\x1b[K{self._what}: {count:,} objects, {rate:,.0f} objects/s")
            sys.stderr.flush()

    def lag(self, records: int, behind_s: float | None) -> None:
        """Shows how many records have been read, how fast since the last line, and how far behind the stream's end."""
        now = time.monotonic()
        if self._live and now - self._shown >= INTERVAL_S:
            rate = (records - self._done) / (now - self._shown)
            self._shown, self._done = now, records
            behind = "" if behind_s is None else f", {behind_s:,.1f} s behind"
            sys.stderr.write(f"\r\x1b[K{self._what}: {records:,} records, {rate:,.0f} records/s{behind}")
            sys.stderr.flush()

    def pieces(self, file: IO[bytes]) -> Iterator[bytes]:
        """The file's bytes in pieces, counted."""
        while piece := file.read(CHUNK_BYTES):
            self.add(len(piece))
            yield piece


class Silence(Progress):
    """A line that is never shown."""

    def __init__(self) -> None:
        """Counts for nobody."""
        super().__init__("")
        self._live = False
