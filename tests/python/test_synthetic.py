"""Turns the embedded database back into a census and compares it with the one that it was made to.

Never reads the generator's own counts of what it wrote: everything is counted again from the SQLite file.
Rules: domain notes §2.1 to §2.4; counts marked "known" there are of 3,931 rows, scaled to 11,154.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pinpipe import _synthetic

ROWS = 11_154
SCALE = ROWS / 3931
NO_TAGS = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("synthetic") / "nested" / "tables.sqlite"
    connection = sqlite3.connect(_synthetic.ensure_database(path))
    yield connection
    connection.close()


def _one(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


def _near(found: int, known: int, tolerance: float = 0.02, least: float = 3) -> bool:
    """Within `tolerance` of the known count's scaled value, or `least` rows where that is more."""
    return abs(found - known * SCALE) <= max(least, known * SCALE * tolerance)


def test_every_table_has_all_keys_once(database: sqlite3.Connection) -> None:
    for table, key in (("pinterest_data", '"index"'), ("geolocation_data", "ind"), ("user_data", "ind")):
        counted = database.execute(
            f"SELECT count(*), count(DISTINCT {key}), min({key}), max({key}) FROM {table}"
        )
        assert counted.fetchone() == (ROWS, ROWS, 0, ROWS - 1)


def test_columns_are_the_courses(database: sqlite3.Connection) -> None:
    def columns(table: str) -> list[str]:
        return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]

    for table, names in (
        (
            "pinterest_data",
            "index unique_id title description poster_name follower_count tag_list is_image_or_video"
            " image_src downloaded save_location category",
        ),
        ("geolocation_data", "ind timestamp latitude longitude country"),
        ("user_data", "ind first_name last_name age date_joined"),
    ):
        assert columns(table) == names.split()


def test_sentinels_occur_in_their_shares_and_combinations(database: sqlite3.Connection) -> None:
    """Each class of domain notes §2.1 within 2% or 3 rows; the all-sentinel rows and single rows exactly."""

    def pins(condition: str) -> int:
        return _one(database, f"SELECT count(*) FROM pinterest_data WHERE {condition}")

    story, lost = "description='No description available Story format'", "image_src='Image src error.'"
    no_tags, bare = f"tag_list='{NO_TAGS}'", "description='No description available'"
    error, untitled = "poster_name='User Info Error'", "title='No Title Data Available'"
    assert pins(error) == pins(untitled) == pins("follower_count='User Info Error'") == 88
    assert pins(f"{error} AND {untitled} AND {story} AND {lost} AND {no_tags} AND downloaded=0") == 88
    assert pins(f'{error} AND "index"=7528') == 1
    assert pins(story) == pins("is_image_or_video='multi-video(story page format)'")
    assert pins(f"{story} AND is_image_or_video='multi-video(story page format)'") == pins(story)
    assert pins("downloaded=0") == pins(lost) == pins(f"downloaded=0 AND {lost} AND {story}")
    assert pins(f"downloaded=1 AND {lost}") == pins("downloaded NOT IN (0, 1)") == 0
    for condition, known in (
        (story, 300),
        (lost, 101),
        (no_tags, 65),
        (bare, 63),
        (f"{bare} AND is_image_or_video='video'", 4),
        ("is_image_or_video='image'", 3519),
        ("is_image_or_video='video'", 112),
        (f"{story} AND NOT {lost} AND NOT {no_tags}", 194),
        (f"{story} AND {lost} AND NOT {error}", 69),
        (f"{story} AND {no_tags} AND NOT {error}", 5),
        (f"is_image_or_video='video' AND {no_tags}", 3),
        (f"is_image_or_video='image' AND {no_tags}", 25),
        (f"is_image_or_video='image' AND NOT {bare} AND NOT {no_tags}", 3435),
    ):
        assert _near(pins(condition), known, least=6), (condition, pins(condition), known * SCALE)
    assert pins("title=''") == pins("title='' AND \"index\"=5658") == 1
    assert pins("title='Untitled'") == pins("description='Untitled'") == pins("title='.'") == 1
    for column in _columns(database):
        assert pins(f'"{column}" IS NULL') == 0
        assert column == "title" or pins(f"\"{column}\"=''") == 0


def _columns(database: sqlite3.Connection) -> list[str]:
    return [row[1] for row in database.execute("PRAGMA table_info(pinterest_data)")]


def test_categories_fill_their_blocks(database: sqlite3.Connection) -> None:
    blocks = database.execute(
        'SELECT category, min("index"), max("index"), count(*) FROM pinterest_data GROUP BY 1 ORDER BY 2'
    ).fetchall()
    assert [name for name, *_ in blocks] == sorted(name for name, *_ in blocks)
    assert [last for _, _, last, _ in blocks] == [
        893, 1640, 2636, 3466, 4330, 5077, 5864, 6723, 7577, 8484, 9457, 10313, 11153,
    ]  # fmt: skip
    assert all(count == last - first + 1 for _, first, last, count in blocks)
    wrong = "save_location IS NOT 'Local save in /data/' || category"
    assert _one(database, f"SELECT count(*) FROM pinterest_data WHERE {wrong}") == 0


def test_follower_counts_have_the_four_forms(database: sqlite3.Connection) -> None:
    """k, M and plain numbers within 2% of their shares; magnitudes inside the ranges seen."""
    forms: Counter[str] = Counter()
    for (value,) in database.execute(
        "SELECT follower_count FROM pinterest_data WHERE follower_count NOT LIKE 'U%'"
    ):
        form = value[-1] if value[-1] in "kM" else ""
        number = int(value.removesuffix(form) if form else value)
        assert {"k": 1 <= number <= 991, "M": number in (1, 2, 3, 4, 5, 6, 7, 8, 15), "": number <= 972}[form]
        forms[form] += 1
    assert _near(forms["k"], 2895) and _near(forms[""], 684) and _near(forms["M"], 320)


def test_texts_look_like_scraped_ones(database: sqlite3.Connection) -> None:
    """Non-ASCII titles and cut descriptions within 8% of their shares, rare kinds within a third."""
    titles = [row[0] for row in database.execute("SELECT title FROM pinterest_data")]
    descriptions = [row[0] for row in database.execute("SELECT description FROM pinterest_data")]
    posters = {row[0] for row in database.execute("SELECT DISTINCT poster_name FROM pinterest_data")}
    tags = [row[0] for row in database.execute("SELECT tag_list FROM pinterest_data") if row[0] != NO_TAGS]
    assert _near(sum(not title.isascii() for title in titles), 403, 0.08)
    assert _near(sum(text.endswith("…\u00a0") for text in descriptions), 1413, 0.08)
    assert _near(sum("\n" in title for title in titles), 8, 0.33)
    assert _near(sum(title != title.strip() for title in titles), 8, 0.33)
    assert _near(sum("??" in text for text in descriptions), 4, 0.33)
    assert _near(sum(text.startswith("Description ") for text in descriptions), 11, 0.33)
    assert any(character > "\uffff" for title in titles for character in title)
    assert max(map(len, titles)) <= 199 and max(map(len, descriptions)) <= 180
    assert 200 < max(map(len, posters)) <= 268 and max(map(len, tags)) <= 254
    assert 0.97 <= sum(text.count(",") == 8 for text in tags) / len(tags) <= 0.99
    assert abs(sum(name != name.strip() for name in posters) / len(posters) - 71 / 2391) < 0.01


def test_images_and_ids_have_the_real_form(database: sqlite3.Connection) -> None:
    endings: Counter[str] = Counter()
    ids = set()
    for address, medium, unique_id in database.execute(
        "SELECT image_src, is_image_or_video, unique_id FROM pinterest_data"
    ):
        ids.add(unique_id)
        assert len(unique_id) == 36 and unique_id[14] == "4" and unique_id[19] in "89ab"
        if address == "Image src error.":
            continue
        folder = "originals/" if medium == "image" else "videos/thumbnails/originals/"
        assert address.startswith("https://i.pinimg.com/" + folder)
        endings[address.rpartition(".")[2]] += 1
    assert len(ids) == ROWS and set(endings) == {"jpg", "png", "webp", "gif"}
    assert _near(endings["jpg"], 3252, 0.05) and _near(endings["png"], 559, 0.08)


def test_places_are_the_censuss(database: sqlite3.Connection) -> None:
    countries = Counter(
        dict(database.execute("SELECT country, count(*) FROM geolocation_data GROUP BY 1").fetchall())
    )
    assert len(countries) == 243 and countries["United Arab Emirates"] == 5
    assert countries.most_common(4) == [
        ("Albania", 563),
        ("Algeria", 487),
        ("Afghanistan", 427),
        ("Aruba", 346),
    ]
    for latitude, longitude in database.execute("SELECT latitude, longitude FROM geolocation_data"):
        assert -89.9796 <= latitude <= 89.9946 and -179.908 <= longitude <= 179.935
        for number in (latitude, longitude):
            assert float(f"{number:.6g}") == number and "e" not in repr(number)


def test_times_are_the_censuss(database: sqlite3.Connection) -> None:
    by_year = "SELECT substr({0}, 1, 4), count(*) FROM {1} GROUP BY 1 ORDER BY 1"
    posts = database.execute(by_year.format("timestamp", "geolocation_data")).fetchall()
    assert posts == [
        ("2017", 432),
        ("2018", 2316),
        ("2019", 2192),
        ("2020", 2172),
        ("2021", 2208),
        ("2022", 1834),
    ]
    joined = database.execute(by_year.format("date_joined", "user_data")).fetchall()
    assert joined == [("2015", 4507), ("2016", 4791), ("2017", 1856)]
    extremes = "SELECT min({0}), max({0}), count(DISTINCT {0}) FROM {1}"
    found = database.execute(extremes.format("timestamp", "geolocation_data")).fetchone()
    assert found == ("2017-10-19 15:13:42", "2022-10-19 17:54:26", ROWS)
    found = database.execute(extremes.format("date_joined", "user_data")).fetchone()
    assert found == ("2015-10-21 03:17:47", "2017-10-20 10:44:26", 5307)
    early = "SELECT count(*) FROM geolocation_data JOIN user_data USING (ind) WHERE timestamp <= date_joined"
    assert _one(database, early) == 0


def test_people_are_the_censuss(database: sqlite3.Connection) -> None:
    groups = "SELECT CASE WHEN age < 25 THEN 0 WHEN age < 36 THEN 1 WHEN age < 51 THEN 2 ELSE 3 END, count(*)"
    found = database.execute(groups + " FROM user_data GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [(0, 4916), (1, 3005), (2, 2225), (3, 1008)]
    assert _one(database, "SELECT count(*) FROM user_data WHERE age = 50") == 126
    assert database.execute("SELECT min(age), max(age) FROM user_data").fetchone() == (20, 60)
    person = "SELECT DISTINCT first_name, last_name, age, date_joined FROM user_data"
    assert _one(database, f"SELECT count(*) FROM ({person})") == 5307
    years = "SELECT substr(date_joined, 1, 4), count(*), count(DISTINCT first_name || ' ' || last_name)"
    found = database.execute(f"{years} FROM ({person}) GROUP BY 1 ORDER BY 1").fetchall()
    assert [(year, people) for year, people, _ in found] == [("2015", 841), ("2016", 2760), ("2017", 1706)]
    names = database.execute(
        "SELECT count(DISTINCT first_name), count(DISTINCT last_name),"
        f" count(DISTINCT first_name || ' ' || last_name) FROM ({person})"
    ).fetchone()
    assert names == (595, 927, 5081)
    assert all(
        (first + last).isascii()
        for first, last in database.execute("SELECT first_name, last_name FROM user_data")
    )


def test_poster_person_and_place_are_one_to_one(database: sqlite3.Connection) -> None:
    joined = (
        'SELECT count(*) AS n FROM pinterest_data p JOIN geolocation_data g ON g.ind = p."index"'
        " JOIN user_data u ON u.ind = g.ind GROUP BY"
    )
    keys = (
        "poster_name",
        "first_name, last_name, age, date_joined",
        "latitude, longitude, g.country",
        "poster_name, first_name, last_name, age, date_joined, latitude, longitude, g.country",
    )
    for key in keys:
        assert _one(database, f"SELECT count(*) FROM ({joined} {key})") == 5307, key
    sizes = [row[0] for row in database.execute(f"{joined} poster_name ORDER BY n DESC LIMIT 3")]
    assert sizes == [244, 140, 88]


def test_the_content_is_the_same_everywhere(database: sqlite3.Connection) -> None:
    digest = hashlib.sha256()
    for table in ("pinterest_data", "geolocation_data", "user_data"):
        for row in database.execute(f"SELECT * FROM {table} ORDER BY 1"):
            digest.update(repr(row).encode())
    assert digest.hexdigest() == "ade1a75ed1100775bdf6f611e0ecbb980e221a1fb08fba4c99b190a682965ee8"


def test_it_is_made_in_under_three_seconds_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "tables.sqlite"
    started = time.process_time()
    _synthetic.ensure_database(path)
    assert time.process_time() - started < 3
    made = path.stat()
    _synthetic.ensure_database(path)
    assert path.stat().st_mtime_ns == made.st_mtime_ns
    assert [entry.name for entry in tmp_path.iterdir()] == ["tables.sqlite"]
