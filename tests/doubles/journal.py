"""Turns accepted writes and refused requests into records that a test counts.

Never forgets one: losses and duplicates are looked for here.
Rules: docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.doubles.wire import Head

HEADS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the server behind the gate accepted; `answered` is False where its reply was withheld."""

    number: int
    time_s: float
    method: str
    bucket: str
    key: str
    query: str
    target: str
    status: int
    etag: str
    sha256: str
    size: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the gate itself refused, with the code it answered."""

    method: str
    target: str
    code: str
    message: str


class Journal:
    """All of one gate's life, in the order of the server's answers; safe for threads."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._writes: list[Write] = []
        self._refused: list[Refused] = []
        self._faults: list[str] = []
        self._requests = 0
        self._heads: deque[Head] = deque(maxlen=HEADS_MAX)

    def add(self, **facts: object) -> None:
        """Adds a write; its number is given here."""
        with self._lock:
            write = Write(number=len(self._writes), **facts)  # type: ignore[arg-type]
            self._writes.append(write)
            if self._file:
                with self._file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(write)) + "\n")

    def refuse(self, refused: Refused) -> None:
        """Adds a refusal of the gate's own."""
        with self._lock:
            self._refused.append(refused)

    def fault(self, name: str) -> None:
        """Adds a scripted fault that was played."""
        with self._lock:
            self._faults.append(name)

    def request(self, head: Head) -> None:
        """Counts a request and keeps its head for a while."""
        with self._lock:
            self._requests += 1
            self._heads.append(head)

    @property
    def writes(self) -> list[Write]:
        """The accepted writes."""
        with self._lock:
            return list(self._writes)

    @property
    def refused(self) -> list[Refused]:
        """What the gate refused by its own judgement, scripted faults left out."""
        with self._lock:
            return list(self._refused)

    @property
    def faults(self) -> list[str]:
        """The names of the faults played, in order."""
        with self._lock:
            return list(self._faults)

    @property
    def requests(self) -> int:
        """How many request heads were read."""
        with self._lock:
            return self._requests

    @property
    def heads(self) -> list[Head]:
        """The last `HEADS_MAX` request heads as they were sent, refused ones too."""
        with self._lock:
            return list(self._heads)

    def clear(self) -> None:
        """Forgets all, for a test that shares a gate; the file keeps its lines."""
        with self._lock:
            self._heads.clear()
            self._writes, self._refused, self._faults, self._requests = [], [], [], 0
