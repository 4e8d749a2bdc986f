"""Turns rules into the fault that one request meets.

Never uses randomness without a printed seed; of several rules the first that fits is played.
Rules: Amazon S3 API Reference, "Error responses"; docs/testing.md, "The strict gate".
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field

# What is answered instead of forwarding; the body is read first, as a server does that keeps the connection.
ANSWERS: dict[str, str] = {
    "500": "InternalError",
    "503": "SlowDown",
    "unavailable": "ServiceUnavailable",
    "429": "TooManyRequests",
    "request-timeout": "RequestTimeout",
    "redirect": "PermanentRedirect",
    "wrong-region": "AuthorizationHeaderMalformed",
    "expired-token": "ExpiredToken",
    "skewed": "RequestTimeTooSkewed",
    "409": "ConditionalRequestConflict",
    "aborted": "OperationAborted",
    "200-error": "InternalError",
}
# What happens to the connection, in the order of a request's life.
BREAKS: dict[str, str] = {
    "reset-before": "the connection is reset before the body is read; nothing is forwarded",
    "flipped-in-body": "a byte of the body changes after `at_bytes`, before anything but its head is judged",
    "flipped-in-reply": "a byte of the reply's body changes after `at_bytes`",
    "reset-in-body": "it is reset after `at_bytes` of the body; nothing is forwarded",
    "reset-after": "it is reset after the whole body; nothing is forwarded",
    "lost-reply": "the request is forwarded and the reply withheld: the connection is reset",
    "truncated": "the reply's body ends after `at_bytes`, in order",
    "reset-in-reply": "the connection is reset after `at_bytes` of the reply's body",
    "stalled": "nothing comes for `seconds` after `at_bytes` of the reply's body, then the rest",
    "delayed": "the request waits for `seconds` before it is looked at",
}
# These come before the request is judged; all others are met, and counted, by good requests only.
EARLY = frozenset({"reset-before", "delayed"})


@dataclass(slots=True)
class Rule:
    """Which requests meet a fault.

    method, path: regular expressions, the first for the whole method, the second searched in the target as
    sent. first, count: of the requests that fit, the first one to meet it (from 1) and how many; None = all
    that follow. probability: of each of them. retry_after_s, region, seconds, at_bytes: what the fault needs.
    """

    fault: str
    method: str = ".*"
    path: str = ""
    first: int = 1
    count: int | None = 1
    probability: float = 1.0
    retry_after_s: int | None = None
    region: str = "eu-west-1"
    seconds: float = 1.0
    at_bytes: int = 0
    met: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.fault not in ANSWERS and self.fault not in BREAKS:
            raise ValueError(f"fault '{self.fault}': it is one of {', '.join((*ANSWERS, *BREAKS))}")

    def fits(self, method: str, target: str) -> bool:
        """Whether the rule speaks of such a request."""
        return bool(re.fullmatch(self.method, method) and re.search(self.path, target))

    def is_due(self, chance: float) -> bool:
        """Counts one request that fits and says whether it is hit."""
        self.met += 1
        late = self.count is not None and self.met >= self.first + self.count
        return self.met >= self.first and not late and chance < self.probability


class Faults:
    """The script of one gate; safe for threads."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, fault: str, **choice: object) -> None:
        """Adds a rule; see `Rule` for its parts."""
        rule = Rule(fault, **choice)  # type: ignore[arg-type]
        if rule.probability < 1:
            print(f"gate: faults are drawn with seed {self.seed}")
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Ends all faults."""
        with self._lock:
            self._rules = []

    def next(self, method: str, target: str, *, early: bool) -> Rule | None:
        """The rule that this request meets before or after it was judged; every rule that fits counts it."""
        with self._lock:
            fit = [r for r in self._rules if (r.fault in EARLY) == early and r.fits(method, target)]
            due = [rule for rule in fit if rule.is_due(self._random.random())]
        return due[0] if due else None
