"""Turns a seed into the course emulator's endless sequence of draws.

Never sleeps and never reads a table: a draw is two numbers.
Rules: docs/emulator.md; the numbers are those of `random.seed(seed)`, `randrange(0, 2)`, `randint(0, 11000)`, in C.
"""

from __future__ import annotations

from pinpipe import native


class Draws:
    """An iterator over (seconds to wait, row number) that never ends."""

    def __init__(self, seed: int = 100, row_count: int = 11_001) -> None:
        """seed: any number of 64 bits; row_count: rows are drawn from 0 to row_count - 1."""
        self._handle = native.draws_new(seed, row_count)

    def __iter__(self) -> Draws:
        """Itself: there is one position in the sequence."""
        return self

    def __next__(self) -> tuple[int, int]:
        """The next draw."""
        draw: tuple[int, int] = native.draws_next(self._handle)
        return draw

    def skip(self, count: int) -> None:
        """Passes over `count` draws."""
        native.pinpipe_draws_skip(self._handle, count)
