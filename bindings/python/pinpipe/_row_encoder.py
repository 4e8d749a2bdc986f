"""Turns rows of Python values, as databases give them, into compact JSON records.

Never changes a value: the core's raw shape writes it.
Rules: CONTRACT §4, "Raw shapes keep the wire's names and order"; docs/emulator.md.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Sequence
from typing import cast

from pinpipe import native
from pinpipe._records import EPOCH
from pinpipe._schema import kind_index
from pinpipe.errors import DataError


def _basic_value(value: object) -> object:
    """A database driver's value as a basic one: (microseconds,) for times, text for the rest that has a text."""
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return ((aware - EPOCH) // datetime.timedelta(microseconds=1),)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return True  # a value that no column takes


class RowEncoder:
    """Turns rows of Python values, in raw column order, into compact JSON records, as the emulator sends them."""

    def __init__(self, kind: str) -> None:
        """kind: pin, geo or user."""
        self._kind = kind
        record = kind_index(kind)
        self._decoder = native.decoder_new(
            record, native.PINPIPE_RAW, native.PINPIPE_FORMAT_NDJSON, 0, 0, None
        )
        self._batch = native.pinpipe_batch_new(record, native.PINPIPE_RAW)
        self._report = native.pinpipe_report_new(record, native.PINPIPE_RAW)

    def encode(self, values: Sequence[object]) -> bytes:
        """One JSON object without line end. Raises DataError for a row without a key."""
        convert: Callable[[object], object] = _basic_value
        native.decoder_feed_tuple(self._decoder, self._batch, values, convert, self._report)
        text = cast(bytes, native.pinpipe_batch_encode(self._batch, native.PINPIPE_FORMAT_NDJSON))
        native.pinpipe_batch_clear(self._batch)
        if not text:
            reason = native.report_rejects(self._report)[0][2]
            native.pinpipe_report_clear_rejects(self._report)
            raise DataError(reason)
        return text[:-1]
