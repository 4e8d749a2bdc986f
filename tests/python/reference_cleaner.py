"""Raw records (dicts of JSON values, or CSV text) to clean rows: a second opinion on every cell.

Never imports the library and never reads its tables or sources: a mistake there must not be repeated here.
Rules: CONTRACT §4 and the domain notes §2 and §5 (profile `course`), read anew for this file. Where they leave a
choice it takes: a sign, an exponent and outer blanks belong to a number in text; an infinite number is none; a path
of which nothing is left is null.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

Cell = int | str | datetime | list[float] | None
Row = dict[str, Cell]

INT64 = range(-(2**63), 2**63)
NO_DATA = {
    "title": {"No Title Data Available"},
    "description": {"No description available", "No description available Story format"},
    "poster_name": {"User Info Error"},
    "tag_list": {"N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"},
    "image_src": {"Image src error."},
}
TIMES = {"": 1, "k": 1000, "m": 1_000_000, "b": 1_000_000_000}
PREFIX = "Local save in "
BLANKS = " \t\r\n"

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_FOLLOWERS = re.compile(
    r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?((?:[eE][+-]?[0-9]+)?)([kKmMbB]?)\Z"
)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII
)


class Unreadable(Exception):
    """The record has no usable key, so it is a reject."""


def _text(column: str, value: object) -> str | None:
    if not isinstance(value, str) or value == "" or value in NO_DATA.get(column, ()):
        return None
    return value


def _whole(number: Decimal) -> int | None:
    return int(number) if number == number.to_integral_value() and int(number) in INT64 else None


def _integer(value: object) -> int | None:
    """An integer in int64, also as numeric text; outer blanks, a sign and an exponent are part of a number."""
    if isinstance(value, str) and _NUMBER.match(value.strip(BLANKS)):
        return _whole(Decimal(value.strip(BLANKS)))
    return _whole(Decimal(value)) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _float(value: object) -> float | None:
    number = None
    if isinstance(value, str) and _NUMBER.match(value.strip(BLANKS)):
        number = float(value.strip(BLANKS))
    elif type(value) in (int, float):
        number = float(value)  # type: ignore[arg-type]
    return number if number is not None and math.isfinite(number) else None


def _followers(value: object) -> int | None:
    if not isinstance(value, str):
        return _integer(value)
    match = _FOLLOWERS.match(value.strip(BLANKS))
    if not match:
        return None
    sign, whole, fraction, exponent, letter = match.groups()
    digits = sign + whole.replace(",", "") + (fraction or "") + exponent
    return _whole(Decimal(digits) * TIMES[letter.lower()])


def _time(value: object) -> datetime | None:
    match = _TIME.match(value) if isinstance(value, str) else None
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micros = int((fraction or "0").ljust(6, "0"))
    offset = UTC if zone in (None, "Z") else _zone(zone)
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros
        )
        return moment.replace(tzinfo=offset).astimezone(UTC)
    except ValueError:
        return None


def _zone(text: str) -> timezone:
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def _key(record: Mapping[str, object]) -> int:
    for name in ("index", "ind", "idx"):
        if name in record:
            key = _integer(record[name])
            if key is not None:
                return key
    raise Unreadable("no integer key")


def _pin(record: Mapping[str, object]) -> Row:
    def text(column: str) -> str | None:
        return _text(column, record.get(column))

    location = text("save_location")
    return {
        "ind": _key(record),
        "unique_id": text("unique_id"),
        "title": text("title"),
        "description": text("description"),
        "follower_count": _followers(record.get("follower_count")),
        "poster_name": text("poster_name"),
        "tag_list": text("tag_list"),
        "is_image_or_video": text("is_image_or_video"),
        "image_src": text("image_src"),
        "save_location": (location.removeprefix(PREFIX) or None) if location else None,
        "category": text("category"),
    }


def _geo(record: Mapping[str, object]) -> Row:
    latitude, longitude = _float(record.get("latitude")), _float(record.get("longitude"))
    known = latitude is not None and longitude is not None
    return {
        "ind": _key(record),
        "country": _text("country", record.get("country")),
        "coordinates": [latitude, longitude] if known else None,  # type: ignore[list-item]
        "timestamp": _time(record.get("timestamp")),
    }


def _user(record: Mapping[str, object]) -> Row:
    first, last = (_text(name, record.get(name)) for name in ("first_name", "last_name"))
    return {
        "ind": _key(record),
        "user_name": f"{first} {last}" if first and last else None,
        "age": _integer(record.get("age")),
        "date_joined": _time(record.get("date_joined")),
    }


_CLEANERS = {"pin": _pin, "geo": _geo, "user": _user}


def clean(kind: str, records: Iterable[Mapping[str, object]]) -> Iterator[Row]:
    """The clean rows in the order of the records. Raises Unreadable for a record without a key."""
    return map(_CLEANERS[kind], records)


def clean_csv(kind: str, text: str) -> Iterator[Row]:
    """The clean rows of a CSV text with a header line; every value there is text."""
    return clean(kind, csv.DictReader(io.StringIO(text, newline="")))


def as_written(row: Row) -> dict[str, object]:
    """The row as a reader of the written NDJSON gets it: times are text, with a fraction only if not zero."""

    def written(cell: Cell) -> object:
        if not isinstance(cell, datetime):
            return cell
        fraction = f".{cell.microsecond:06d}".rstrip("0") if cell.microsecond else ""
        return f"{cell.replace(tzinfo=None, microsecond=0).isoformat()}{fraction}Z"

    return {name: written(cell) for name, cell in row.items()}
