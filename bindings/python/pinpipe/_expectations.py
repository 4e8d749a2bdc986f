"""Turns expectations given as data (built in, a mapping, a rule file) into checks of clean batches and their results.

Never changes a row, never stops a run on its way: a failed fatal expectation is raised when the table was made.
Rules: docs/census.md, "Expectations"; the C core reads and checks, this module carries.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from pinpipe import native
from pinpipe._profiles import read_rule_file
from pinpipe._schema import KINDS
from pinpipe.errors import DataError, ExpectationError, InvalidArgumentError

#: What `expect=` takes: "course", a rule file (.json, .toml), or the document itself.
Expect = str | os.PathLike[str] | Mapping[str, Any]

BUILT_IN = "course"


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation and its result.

    id: such as "pin.category.in"; rows: those checked; failures: values, nulls or rows that speak against it.
    expected: its argument; observed: the least or greatest value, the number of distinct values, the share of
    nulls, the number of rows, or None. failing_key and failing_value: `ind` and value (text, cut to 64 bytes) of
    the first row that speaks against it, where there is one. source: where a built-in one comes from.
    """

    id: str
    passed: bool
    fatal: bool
    rows: int
    failures: int
    expected: Any
    observed: Any
    failing_key: int | None = None
    failing_value: str | None = None
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """What failed, in one line: `pin.category.in: 2 of 300 rows, first at ind 7: 'x'`."""
        told = f"{self.id}: {self.failures:,} of {self.rows:,} rows"
        if self.id.endswith((".rows_min", ".rows_max")):
            told = f"{self.id}: {self.rows:,} rows"
        if self.failing_key is None:
            return told
        seen = "null" if self.failing_value is None else f"'{self.failing_value}'"
        return f"{told}, first at ind {self.failing_key}: {seen}"


@dataclasses.dataclass(frozen=True, slots=True)
class MatchRule:
    """What share of one table's rows is to be found in another table: pair "pin.geo" is pins among places."""

    pair: str
    share_min: float
    fatal: bool = False
    source: str = ""


PAIRS = tuple(f"{kind}.{other}" for kind in KINDS for other in KINDS if other != kind)


class Expectations:
    """The expectations of one run, over any record types."""

    def __init__(self, expect: Expect) -> None:
        """Raises DataError for a document that names what is not known; the line names the datum."""
        if isinstance(expect, str) and expect == BUILT_IN:
            self._handle = native.pinpipe_expectations_new(expect)
            source = "domain.md §2: the keys join 1:1:1"
            self.matches = [MatchRule(pair, 1.0, source=source) for pair in PAIRS]
            return
        text = _document(expect)
        self._handle = native.pinpipe_expectations_decode(text)
        self.matches = _match_rules(json.loads(text)["expect"].get("matches", {}))

    def add(self, batch: Any) -> None:
        """Checks the rows of a clean batch of the core, which stays as it is."""
        native.pinpipe_expectations_add(self._handle, batch)

    def results(self, kind: str) -> list[Expectation]:
        """The results of one record type."""
        rows = native.expectations_results(self._handle)
        return [_result(*row[1:]) for row in rows if KINDS[row[0]] == kind]


def _result(
    name: str,
    passed: int,
    fatal: int,
    rows: int,
    failures: int,
    expected: str,
    observed: str,
    has_row: int,
    key: int,
    value: str,
    source: str,
) -> Expectation:
    is_null = name.endswith(".null_share_max")
    return Expectation(
        name,
        bool(passed),
        bool(fatal),
        rows,
        failures,
        json.loads(expected),
        json.loads(observed) if observed else None,
        key if has_row else None,
        value if has_row and not is_null else None,
        source,
    )


def failed(results: Iterable[Expectation]) -> list[Expectation]:
    """Those that did not pass."""
    return [result for result in results if not result.passed]


def raise_fatal(results: list[Expectation]) -> None:
    """Raises ExpectationError, which carries all results, where a fatal one failed."""
    fatal = [result for result in failed(results) if result.fatal]
    if fatal:
        told = "; ".join(map(str, fatal))
        raise ExpectationError(f"{len(fatal)} fatal expectation(s) failed: {told}", results=results)


def summary_line(results: list[Expectation]) -> str:
    """How many passed, and what failed."""
    wrong = failed(results)
    line = f"{len(results) - len(wrong)} of {len(results)} expectations passed"
    return line + "".join(f"\n  {'fatal ' if each.fatal else ''}{each}" for each in wrong)


PRINTED = ("expectation", "result", "failures", "rows", "first_ind", "first_value", "observed", "expected")


def printed_rows(results: Iterable[Expectation], form: str) -> list[tuple[object, ...]]:
    """A row an expectation under PRINTED; in form "table" observed and expected are JSON text."""

    def shown(value: object) -> object:
        return json.dumps(value, ensure_ascii=False) if form == "table" and value is not None else value

    rows: list[tuple[object, ...]] = []
    for each in results:
        verdict = "passed" if each.passed else "failed, fatal" if each.fatal else "failed"
        first = (each.failing_key, each.failing_value)
        found = (shown(each.observed), shown(each.expected))
        rows.append((each.id, verdict, each.failures, each.rows, *first, *found))
    return rows


def _document(expect: Expect) -> bytes:
    """The rule document as JSON."""
    if isinstance(expect, Mapping):
        return _as_json(expect)
    if not isinstance(expect, (str, os.PathLike)):
        raise InvalidArgumentError(f"expectations cannot be read from {type(expect).__name__}")
    return read_rule_file(os.fspath(expect))


def _as_json(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, default=_basic).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the rules cannot be written as JSON: {error}") from None


def _basic(value: object) -> object:
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _match_rules(matches: Mapping[str, Any]) -> list[MatchRule]:
    rules = []
    for pair, given in matches.items():
        place = f"expect.matches.{pair}"
        if pair not in PAIRS:
            raise DataError(f"expect.matches: '{pair}' is none of {', '.join(PAIRS)}")
        if not isinstance(given, dict) or "share_min" not in given:
            raise DataError(f"{place}: wants an object with share_min")
        unknown = [name for name in given if name not in ("share_min", "fatal")]
        if unknown:
            raise DataError(f"{place}: '{unknown[0]}' is none of share_min, fatal")
        share, fatal = given["share_min"], given.get("fatal", False)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise DataError(f"{place}.share_min: wants a share from 0 to 1, not {share!r}")
        if not isinstance(fatal, bool):
            raise DataError(f"{place}.fatal: wants true or false, not {fatal!r}")
        rules.append(MatchRule(pair, float(share), fatal))
    return rules
