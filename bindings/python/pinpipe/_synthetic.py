"""Turns the census of the course's tables into SQLite tables of invented rows: the default source.

Never needs the network, never differs: the same content on every machine, and no real person or text in it.
Rules: _synthetic_census (counts and combinations), domain notes §2 (tables, dirty values, relation of §2.4).
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pinpipe import _synthetic_census as census
from pinpipe import _synthetic_text as text
from pinpipe.errors import FileError

# Part of the cached file's name: a change of the content needs a new number, old caches are left alone.
CONTENT_VERSION = 1
_SEED = 20_221_019
_TIME_FORM = "%Y-%m-%d %H:%M:%S"

_TABLES = """
CREATE TABLE pinterest_data (
    "index" BIGINT NOT NULL PRIMARY KEY, unique_id TEXT, title TEXT, description TEXT, poster_name TEXT,
    follower_count TEXT, tag_list TEXT, is_image_or_video TEXT, image_src TEXT, downloaded BIGINT,
    save_location TEXT, category TEXT);
CREATE TABLE geolocation_data (
    ind BIGINT NOT NULL PRIMARY KEY, timestamp DATETIME, latitude FLOAT, longitude FLOAT, country TEXT);
CREATE TABLE user_data (
    ind BIGINT NOT NULL PRIMARY KEY, first_name TEXT, last_name TEXT, age BIGINT, date_joined DATETIME);
"""

_Item = TypeVar("_Item")
_Row = tuple[object, ...]


@dataclass
class _Person:
    """One poster with the profile and the place that all of the poster's rows repeat."""

    size: int
    first_name: str = ""
    last_name: str = ""
    age: int = 0
    date_joined: str = ""
    country: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    poster_name: str = ""
    followers: tuple[str, ...] = ()


class _Sequence:
    """A sequence of numbers that depends on the seed alone: only getrandbits is used."""

    def __init__(self, seed: int) -> None:
        self._bits = random.Random(seed).getrandbits

    def below(self, limit: int) -> int:
        """The next number, from 0 to limit - 1 (limit up to 2**32)."""
        return (self._bits(32) * limit) >> 32

    def shuffle(self, items: list[_Item]) -> list[_Item]:
        """Brings the items into another order, in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items


def default_path() -> Path:
    """Where the embedded database is kept: the user's cache directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "pinpipe" / f"synthetic-v{CONTENT_VERSION}.sqlite"


def ensure_database(path: Path | None = None) -> Path:
    """Makes the database at `path` (default: default_path()) unless it is there; returns the path.

    The file appears complete or not at all. Raises FileError where it cannot be written.
    """
    target = path or default_path()
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            _write(Path(scratch))
            os.replace(scratch, target)
        except BaseException:
            os.unlink(scratch)
            raise
    except (OSError, sqlite3.Error) as error:
        raise FileError(f"the synthetic tables could not be written to {target}: {error}") from error
    return target


def tables() -> dict[str, list[_Row]]:
    """The rows of the three tables by table name, in key order, values in column order."""
    numbers = _Sequence(_SEED)
    people = _people(numbers)
    owners = _owners(people, numbers)
    posted = _post_times(people, owners, numbers)
    geo: list[_Row] = []
    user: list[_Row] = []
    for key, owner in enumerate(owners):
        person = people[owner]
        geo.append((key, posted[key], person.latitude, person.longitude, person.country))
        user.append((key, person.first_name, person.last_name, person.age, person.date_joined))
    return {
        "pinterest_data": list(_pins(people, owners, numbers)),
        "geolocation_data": geo,
        "user_data": user,
    }


def _write(path: Path) -> None:
    database = sqlite3.connect(path)
    try:
        database.executescript(_TABLES)
        for table, rows in tables().items():
            marks = ",".join("?" * len(rows[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        database.commit()
    finally:
        database.close()


def _deal(sizes: Sequence[int], shares: Sequence[tuple[int, int]], numbers: _Sequence) -> list[int]:
    """Deals people (sizes, falling) to groups so that each gets its (people, rows); returns group per person.

    A person of n rows takes one place and n - 1 of the group's surplus; the largest go where most is left.
    """
    places = [people for people, _ in shares]
    surplus = [rows - people for people, rows in shares]
    dealt: list[int] = []
    for size in sizes:
        if size == 1:
            break
        open_groups = [group for group in range(len(shares)) if places[group] > 0]
        best = max(open_groups, key=lambda group: (surplus[group], -group))
        places[best] -= 1
        surplus[best] -= size - 1
        dealt.append(best)
    rest = [group for group, count in enumerate(places) for _ in range(count)]
    return dealt + numbers.shuffle(rest)


def _people(numbers: _Sequence) -> list[_Person]:
    sizes = [size for size, count in census.PERSON_SIZES for _ in range(count)]
    people = [_Person(size) for size in sizes]
    ages = _deal(sizes, [(count, rows) for _, count, rows in census.AGES], numbers)
    years = _deal(sizes, [(count, rows) for _, count, rows in census.JOIN_YEARS], numbers)
    names = _names(numbers)
    joined = _join_times([census.JOIN_YEARS[year][0] for year in years], numbers)
    places = _places(len(people), numbers)
    posters = text.poster_names(len(people), numbers.below)
    for person, age, name, when, place, poster in zip(
        people, ages, names, joined, places, posters, strict=True
    ):
        person.age = census.AGES[age][0]
        person.first_name, person.last_name = name
        person.date_joined = when
        person.latitude, person.longitude = place
        person.poster_name = poster
    for number in range(census.POSTERS_WITH_OUTER_BLANKS):
        person = people[number * 33 + 7]
        person.poster_name = (" " + person.poster_name) if number % 2 else (person.poster_name + " ")
    _settle(people, numbers)
    _give_followers(people, numbers)
    return people


def _names(numbers: _Sequence) -> list[tuple[str, str]]:
    first = text.first_names(census.FIRST_NAMES, numbers.below)
    last = text.last_names(census.LAST_NAMES, numbers.below)
    wanted = sum(count for _, count in census.PERSON_SIZES)
    wanted -= sum((holders - 1) * count for holders, count in census.SHARED_NAMES)
    # Walks both lists at their own pace, so that every first and every last name occurs.
    pairs: dict[tuple[str, str], None] = {}
    step = 0
    while len(pairs) < wanted:
        pairs[first[step % len(first)], last[(step * 7 + step // len(last)) % len(last)]] = None
        step += 1
    names = list(pairs)
    shared = iter(numbers.shuffle(list(names)))
    for holders, count in census.SHARED_NAMES:
        for _ in range(count):
            names.extend([next(shared)] * (holders - 1))
    return numbers.shuffle(names)


def _moments(count: int, first: datetime, last: datetime, numbers: _Sequence) -> list[str]:
    """`count` different moments from first to last, both of them among them, in no order."""
    span = int((last - first).total_seconds())
    seconds = {0, span}
    while len(seconds) < count:
        seconds.add(numbers.below(span))
    moments = [(first + timedelta(seconds=offset)).strftime(_TIME_FORM) for offset in sorted(seconds)]
    return numbers.shuffle(moments)


def _year_span(year: int, first: str, last: str) -> tuple[datetime, datetime]:
    earliest = max(datetime(year, 1, 1), datetime.strptime(first, _TIME_FORM))
    latest = min(datetime(year, 12, 31, 23, 59, 59), datetime.strptime(last, _TIME_FORM))
    return earliest, latest


def _join_times(years: Sequence[int], numbers: _Sequence) -> list[str]:
    supply = {}
    for year, people, _ in census.JOIN_YEARS:
        span = _year_span(year, census.FIRST_JOINED, census.LAST_JOINED)
        supply[year] = iter(_moments(people, *span, numbers))
    return [next(supply[year]) for year in years]


def _post_times(people: Sequence[_Person], owners: Sequence[int], numbers: _Sequence) -> list[str]:
    posted: list[str] = []
    for year, rows in census.POST_YEARS:
        posted += _moments(rows, *_year_span(year, census.FIRST_POST, census.LAST_POST), numbers)
    numbers.shuffle(posted)
    for key, owner in enumerate(owners):
        # Nobody posts before joining: such a row changes its time with one whose owner joined early.
        while posted[key] <= people[owner].date_joined:
            other = numbers.below(len(posted))
            if posted[other] > people[owner].date_joined and posted[key] > people[owners[other]].date_joined:
                posted[key], posted[other] = posted[other], posted[key]
    return posted


def _places(count: int, numbers: _Sequence) -> list[tuple[float, float]]:
    places = {
        (census.LATITUDES[0], census.LONGITUDES[1]): None,
        (census.LATITUDES[1], census.LONGITUDES[0]): None,
    }
    while len(places) < count:
        latitude = (numbers.below(1_799_000_000) - 899_500_000) / 1e7
        longitude = (numbers.below(3_597_000_000) - 1_798_500_000) / 1e7
        # A FLOAT column prints six significant digits; the real ones have no exponent form.
        if abs(latitude) > 0.001 and abs(longitude) > 0.001:
            places[float(f"{latitude:.6g}"), float(f"{longitude:.6g}")] = None
    return numbers.shuffle(list(places))


def _settle(people: Sequence[_Person], numbers: _Sequence) -> None:
    """Gives every person a country, so that each country has exactly its rows."""
    left = {name: rows for rows, names in census.COUNTRY_ROWS.items() for name in names}
    several = [person for person in people if person.size > 1]
    for person in several:
        person.country = max(left, key=lambda name: (left[name], name))
        left[person.country] -= person.size
    rest = numbers.shuffle([name for name, rows in left.items() for _ in range(rows)])
    for person, country in zip((person for person in people if person.size == 1), rest, strict=True):
        person.country = country


def _give_followers(people: list[_Person], numbers: _Sequence) -> None:
    sentinel = next(person for person in people if person.size == census.SENTINEL_PERSON_ROWS)
    sentinel.poster_name = "User Info Error"
    sentinel.followers = ("User Info Error",)
    left = dict(census.FOLLOWER_FORMS)
    for person in people:
        if person is sentinel:
            continue
        # Who posts much is followed much; who posts once takes whatever form is still owed.
        form = "k" if person.size > 60 or numbers.below(9) else "M"
        if person.size == 1:
            form = "M" if left["M"] and not numbers.below(12) else "k"
            if not left["k"] or (left[""] and numbers.below(2)):
                form = ""
        if left[form] < person.size:
            form = max(left, key=lambda name: left[name])
        left[form] -= person.size
        person.followers = _followers(form, person.size, numbers)


def _followers(form: str, size: int, numbers: _Sequence) -> tuple[str, ...]:
    if form == "M":
        return (f"{census.MILLIONS[numbers.below(len(census.MILLIONS))]}M",)
    if form == "":
        return (str(numbers.below(31) * numbers.below(32) % 973),)
    # Three decades of thousands, as likely each; a few busy posters were scraped with two values.
    thousands = 1 + numbers.below((9, 90, 900)[numbers.below(3)])
    if size >= 8 and numbers.below(12) == 0:
        return (f"{thousands}k", f"{thousands + 1}k")
    return (f"{thousands}k",)


def _owners(people: Sequence[_Person], numbers: _Sequence) -> list[int]:
    """The number of the person who owns each key; a person posts mostly in one category."""
    lasts = [last for _, last in census.CATEGORY_LAST_KEYS]
    rooms = [last - first for first, last in zip([-1, *lasts[:-1]], lasts, strict=True)]
    blocks: list[list[int]] = [[] for _ in rooms]
    sentinel = next(n for n, person in enumerate(people) if person.size == census.SENTINEL_PERSON_ROWS)
    sentinel_block = next(n for n, last in enumerate(lasts) if last >= census.SENTINEL_KEY)
    blocks[sentinel_block].append(sentinel)
    for number, person in enumerate(people):
        home = numbers.below(len(rooms))
        for _ in range(person.size - (number == sentinel)):
            block = home if number != sentinel and numbers.below(10) < 7 else numbers.below(len(rooms))
            while len(blocks[block]) == rooms[block]:
                block = (block + 1) % len(rooms)
            blocks[block].append(number)
    owners = [number for block in blocks for number in numbers.shuffle(block)]
    first_key = sum(rooms[:sentinel_block])
    _swap(owners, census.SENTINEL_KEY, owners.index(sentinel, first_key))
    for key in _NAMED_KEYS:
        if owners[key] == sentinel:
            _swap(owners, key, key + 1)
    return owners


_NAMED_KEYS = (
    census.EMPTY_TITLE_KEY,
    census.UNTITLED_DESCRIPTION_KEY,
    census.UNTITLED_TITLE_KEY,
    census.DOT_TITLE_KEY,
    census.LETTER_TITLE_KEY,
)


def _swap(items: list[int], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


def _classes(people: Sequence[_Person], owners: Sequence[int], numbers: _Sequence) -> list[str]:
    """The class of every pin: which of its values are sentinels, and what medium it is."""
    classes = ["image"] * len(owners)
    free = []
    for key, owner in enumerate(owners):
        if people[owner].poster_name == "User Info Error":
            classes[key] = "story, everything"
        elif key not in _NAMED_KEYS:
            free.append(key)
    chosen = iter(numbers.shuffle(free))
    for name, rows in census.PIN_CLASSES:
        for _ in range(rows):
            classes[next(chosen)] = name
    return classes


def _pins(people: Sequence[_Person], owners: Sequence[int], numbers: _Sequence) -> Iterator[_Row]:
    classes = _classes(people, owners, numbers)
    titles = _titles(owners, numbers)
    descriptions = _descriptions(classes, numbers)
    for key, (owner, name) in enumerate(zip(owners, classes, strict=True)):
        person = people[owner]
        everything = name == "story, everything"
        category = _category(key)
        lost_image = everything or "image error" in name
        medium = {"s": "multi-video(story page format)", "v": "video", "i": "image"}[name[0]]
        tags = text.tag_list(category, 9 if numbers.below(1000) < census.TAGS_NINE else 8, numbers.below)
        yield (
            key,
            text.unique_id(numbers.below),
            "No Title Data Available" if everything else titles[key],
            descriptions[key],
            person.poster_name,
            person.followers[numbers.below(len(person.followers))],
            "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e" if everything or "no tags" in name else tags,
            medium,
            "Image src error." if lost_image else _image(medium, numbers),
            0 if lost_image else 1,
            f"Local save in /data/{category}",
            category,
        )


def _category(key: int) -> str:
    return next(category for category, last in census.CATEGORY_LAST_KEYS if key <= last)


def _titles(owners: Sequence[int], numbers: _Sequence) -> list[str]:
    titles = [text.title(_category(key), census.TITLE_NON_ASCII, numbers.below) for key in range(len(owners))]
    chosen = iter(numbers.shuffle([key for key in range(len(owners)) if key not in _NAMED_KEYS]))
    for _ in range(census.TITLES_WITH_LINE_BREAK):
        key = next(chosen)
        titles[key] = titles[key].replace(" ", "\n", 1)
    for number in range(census.TITLES_WITH_OUTER_BLANKS):
        key = next(chosen)
        titles[key] = " " + titles[key] if number % 2 else titles[key] + " "
    titles[census.EMPTY_TITLE_KEY] = ""
    titles[census.UNTITLED_TITLE_KEY] = "Untitled"
    titles[census.DOT_TITLE_KEY] = "."
    titles[census.LETTER_TITLE_KEY] = "K"
    return titles


def _descriptions(classes: Sequence[str], numbers: _Sequence) -> list[str]:
    descriptions = []
    own = []
    for key, name in enumerate(classes):
        if name.startswith("story"):
            descriptions.append("No description available Story format")
        elif "no description" in name:
            descriptions.append("No description available")
        else:
            descriptions.append(text.description(_category(key), census.DESCRIPTION_CUT_SHORT, numbers.below))
            if key not in _NAMED_KEYS:
                own.append(key)
    chosen = iter(numbers.shuffle(own))
    for _ in range(census.DESCRIPTIONS_WITH_LOST_EMOJI):
        key = next(chosen)
        descriptions[key] = "?? " + descriptions[key][:177]
    for _ in range(census.DESCRIPTIONS_WITH_LABEL):
        key = next(chosen)
        descriptions[key] = "Description " + descriptions[key][:168]
    descriptions[census.UNTITLED_DESCRIPTION_KEY] = "Untitled"
    return descriptions


def _image(medium: str, numbers: _Sequence) -> str:
    drawn = numbers.below(1000)
    ending = "jpg"
    for name, share in census.IMAGE_ENDINGS:
        if drawn < share:
            ending = name
            break
        drawn -= share
    return text.image_address(ending, "" if medium == "image" else "videos/thumbnails/", numbers.below)
