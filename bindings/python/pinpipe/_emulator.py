"""Turns the course's sequence of draws into rows of the three tables, sent as JSON to a sink.

Never sends a part of a draw on a clean stop, never forgets what was stored, never waits without end.
Rules: CONTRACT §2 and §3 (emulate); domain notes §3.1 (the sequence) and §3.2 (the payloads).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pinpipe._draws import Draws
from pinpipe._outputs import replaced_file
from pinpipe._row_encoder import RowEncoder
from pinpipe._row_sinks import RowSink, Target, open_sinks
from pinpipe._schema import KINDS
from pinpipe._sources import Source, open_source
from pinpipe._stopping import stopped_by_signals
from pinpipe.errors import DataError, Error, FileError, InvalidArgumentError

# Rows are flushed and the state is saved after so many draws or seconds, whichever comes first.
CHECKPOINT_DRAWS = 1000
CHECKPOINT_S = 1.0
CATCH_UP_S = 1.0


@dataclass
class Summary:
    """What went in and out of a run; `progress` functions see it grow.

    draws: taken in this run; first_draw: number of the first one in the sequence (not 0 after a resume);
    missing_draws: draws of which at least one row was missing; emulated, missing: rows sent and rows that the
    source lacks, by kind; sent_bytes: JSON without separators; stopped: "rows", or "interrupt" after Ctrl-C.
    """

    source: str
    sink: str
    seed: int
    first_draw: int = 0
    draws: int = 0
    missing_draws: int = 0
    emulated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    missing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    sent_bytes: int = 0
    elapsed_s: float = 0.0
    stopped: str = "rows"

    @property
    def next_draw(self) -> int:
        """The number of the draw that a resume begins with."""
        return self.first_draw + self.draws


def emulate(
    source: str | os.PathLike[str] | Source | None,
    sink: Target | RowSink | Sequence[Target | RowSink],
    *,
    rows: int | None = None,
    seed: int = 100,
    user_id: str = "demo",
    rate: float | str | None = None,
    resume: bool = False,
    state_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[Summary], object] | None = None,
) -> Summary:
    """Draws rows as the course's script does and sends them; returns what was done.

    source: a URL, a path of credentials, None for the embedded tables, or an open Source (left open).
    sink: kafka://brokers, kafka-rest+http(s)://host/stage, kinesis://region, apigw+http(s)://host/stage, file:///dir,
    memory:name, a function of (kind, row as JSON), or an open RowSink (left open); of several, each takes every row.
    rows: number of draws, one row of each table a draw; None = until interrupted.
    rate: draws a second, "course" = the pauses that the sequence draws, None = as fast as it goes.
    resume: goes on after the last draw of the same source, sink, user id and seed that was stored.
    state_dir: where a run's place is kept; None = nothing is kept unless `resume` asks for it.
    progress: called after every draw; it may wait, and so hold the emulator back.

    Ctrl-C ends the run after the current draw: what was sent is flushed and the place is kept. A process
    that is killed may repeat up to CHECKPOINT_DRAWS draws on resume, and loses none.
    """
    pause = _pause_of(rate)
    if rows is not None and rows < 0:
        raise InvalidArgumentError(f"rows={rows} is less than 0")
    opened_source = source if isinstance(source, Source) else open_source(source)
    try:
        opened_sink = open_sinks(sink, user_id)
        try:
            facts = {"source": opened_source.name, "sink": opened_sink.name, "user_id": user_id, "seed": seed}
            state = _State(facts, state_dir, resume=resume)
            summary = Summary(opened_source.name, opened_sink.name, seed, first_draw=state.next_draw)
            return _Run(opened_source, opened_sink, state, summary).take(rows, pause, progress)
        finally:
            if opened_sink is not sink:
                opened_sink.close()
    finally:
        if opened_source is not source:
            opened_source.close()


def default_state_dir() -> Path:
    """PINPIPE_STATE_DIR, or the user's state directory."""
    own = os.environ.get("PINPIPE_STATE_DIR")
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(own) if own else Path(base) / "pinpipe"


class _State:
    """The number of the next draw, in a file of its own for each source, sink, user id and seed."""

    def __init__(
        self, facts: Mapping[str, object], state_dir: str | os.PathLike[str] | None, *, resume: bool
    ) -> None:
        self.next_draw = 0
        self._path: Path | None = None
        if state_dir is None and not resume:
            return
        self._facts = facts
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]
        folder = Path(state_dir) if state_dir is not None else default_state_dir()
        self._path = folder / f"emulate-{name}.json"
        if resume:
            self._load(self._path)

    def _load(self, path: Path) -> None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["next_draw"]
        except FileNotFoundError:
            return
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}", native_code=error.errno or 0) from error
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, int) or found < 0:
            raise DataError(f"{path}: not a state of the emulator; remove it to begin again")
        self.next_draw = found

    def save(self, next_draw: int) -> None:
        """Keeps the number of the next draw; the file changes at once or not at all."""
        self.next_draw = next_draw
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(str(self._path)) as file:
                file.write(json.dumps({**self._facts, "next_draw": next_draw}).encode())
        except OSError as error:
            raise FileError(f"{self._path}: {error.strerror}", native_code=error.errno or 0) from error


class _Run:
    """One run over an open source and an open sink."""

    def __init__(
        self,
        source: Source,
        sink: RowSink,
        state: _State,
        summary: Summary,
    ) -> None:
        self._source = source
        self._sink = sink
        self._state = state
        self._encoders = {kind: RowEncoder(kind) for kind in KINDS}
        self._stop = threading.Event()
        self._started = time.monotonic()
        self._checkpoint = self._started
        self._due = self._started
        self._summary = summary

    def take(
        self, rows: int | None, pause: float | Literal["course"], progress: Callable[[Summary], object] | None
    ) -> Summary:
        """Takes `rows` draws, or all until the run is interrupted."""
        summary = self._summary
        draws = Draws(summary.seed)
        draws.skip(summary.first_draw)
        with stopped_by_signals(self._stop):
            try:
                while rows is None or summary.draws < rows:
                    drawn_pause_s, key = next(draws)
                    if self._wait(drawn_pause_s if pause == "course" else pause):
                        summary.stopped = "interrupt"
                        break
                    self._send(key)
                    if progress is not None:
                        progress(summary)
                    late = time.monotonic() - self._checkpoint >= CHECKPOINT_S
                    if late or summary.draws % CHECKPOINT_DRAWS == 0:
                        self._keep()
            except Error:
                # What was sent before the failure is kept if it still can be; the failure itself is the news.
                with suppress(Error):
                    self._keep()
                raise
            self._keep()
        return summary

    def _wait(self, pause_s: float) -> bool:
        """Waits before a draw; True = the run was interrupted."""
        # A rate is made up for after a delay, but not without end: that would be a burst.
        self._due = max(self._due, time.monotonic() - CATCH_UP_S) + pause_s
        return self._stop.wait(max(0.0, self._due - time.monotonic()))

    def _send(self, key: int) -> None:
        summary = self._summary
        found = self._source.rows(key)
        for kind in KINDS:
            row = found[kind]
            if row is None:
                summary.missing[kind] += 1
                continue
            payload = self._encoders[kind].encode(row)
            self._sink.put(kind, payload)
            summary.emulated[kind] += 1
            summary.sent_bytes += len(payload)
        summary.missing_draws += any(found[kind] is None for kind in KINDS)
        summary.draws += 1
        summary.elapsed_s = time.monotonic() - self._started

    def _keep(self) -> None:
        self._sink.flush()
        self._state.save(self._summary.next_draw)
        self._checkpoint = time.monotonic()
        self._summary.elapsed_s = self._checkpoint - self._started


def _pause_of(rate: float | str | None) -> float | Literal["course"]:
    """Seconds between draws, 0.0 for none, or "course"."""
    if rate is None:
        return 0.0
    if rate == "course":
        return "course"
    try:
        draws_a_second = float(rate)
    except ValueError:
        draws_a_second = 0.0
    if not 0.001 <= draws_a_second <= 1e6:
        raise InvalidArgumentError(f"rate={rate} is neither a number of draws a second nor course")
    return 1.0 / draws_a_second
