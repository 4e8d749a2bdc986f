"""Turns what passes a reader (raw input on one side, clean batches on the other) into statistics and expectations.

Never changes a row and never keeps one: the raw side is a second decoding of the same input, emptied at once.
Rules: docs/census.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pinpipe import native
from pinpipe._expectations import Expect, Expectation, Expectations
from pinpipe._records import Reader
from pinpipe._statistics import Counter, Statistics

if TYPE_CHECKING:
    from pinpipe.s3 import Source


class Watch:
    """Stands beside a reader for one run; the reader calls it."""

    def __init__(self, reader: Reader, statistics: bool, expect: Expectations | None) -> None:
        """Use `watch`."""
        self._kind = reader.schema.kind
        self._expect = expect
        self._raw = reader.twin("raw") if statistics else None
        self._before = Counter(self._kind, "raw")
        self._after = Counter(self._kind, "clean")

    def _count(self, batches: Iterator[Any]) -> None:
        for batch in batches:
            self._before.add(batch)
            native.pinpipe_batch_clear(batch)
        if self._raw:
            self._raw.clear_rejects()

    def piece(self, data: Any) -> None:
        """A piece of bytes goes in."""
        if self._raw:
            self._count(self._raw.feed(data))

    def end(self) -> None:
        """One input ends."""
        if self._raw:
            self._count(self._raw.finish())

    def objects(self, source: Source) -> None:
        """The objects of a store go in; the core counts them while it decodes."""
        if self._raw:
            self._raw.watch_objects(source, self._before.handle)

    def payloads(self, payloads: list[bytes | str]) -> None:
        """A list of payloads goes in."""
        if self._raw:
            self._count(self._raw.read_payloads(payloads))

    def arrow(self, source: Any) -> None:
        """An Arrow array goes in; it is read again by the reader itself."""
        if self._raw:
            self._count(self._raw.read_array(source))

    def leave(self, batch: Any) -> None:
        """A clean batch leaves, after de-duplication."""
        if self._raw:
            self._after.add(batch)
        if self._expect:
            self._expect.add(batch)

    def statistics(self) -> Statistics | None:
        """Of the whole run, once it is over; None when they were not asked for."""
        if self._raw is None:
            return None
        self._count(self._raw.rest())
        return Statistics(self._before.columns(), self._after.columns())

    def results(self) -> list[Expectation]:
        """Of the expectations on this record type."""
        return self._expect.results(self._kind) if self._expect else []


def watch(reader: Reader, *, statistics: bool, expect: Expect | Expectations | None) -> None:
    """Puts a watch beside a reader where something is asked for."""
    held = expect if expect is None or isinstance(expect, Expectations) else Expectations(expect)
    if statistics or held:
        reader.watch = Watch(reader, statistics, held)
