"""Turns public answers and hand-made tables into expectations of the nine questions under their readings.

Never uses the C cleaner: the rows of the public fixture are cleaned here with the standard library.
Rules: CONTRACT §5; answers_public.json in the shared data names the rows, the answers and their readings.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pinpipe
import pyarrow as pa
import pytest
from pinpipe import _query
from pinpipe._cli import main
from pinpipe.errors import DataError, InvalidArgumentError, NotFoundError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
TEXT, MOMENT = pa.string(), pa.timestamp("us", "UTC")
PIN = pa.schema(
    [
        ("ind", pa.int64()),
        ("category", pa.string()),
        ("poster_name", pa.string()),
        ("follower_count", pa.int64()),
    ]
)
GEO = pa.schema([("ind", pa.int64()), ("country", pa.string()), ("timestamp", pa.timestamp("us", "UTC"))])
USER = pa.schema(
    [
        ("ind", pa.int64()),
        ("user_name", pa.string()),
        ("age", pa.int64()),
        ("date_joined", pa.timestamp("us", "UTC")),
    ]
)


def _table(schema: pa.Schema, *rows: tuple[object, ...]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def _moment(year: int, month: int = 6, day: int = 1, hour: int = 12) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def _fixture() -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads((REAL / "answers_public.json").read_text())["fixtures"][0]
    return fixture


def _followers(text: str) -> int | None:
    found = re.fullmatch(r"(\d+)([kM]?)", text)
    return int(found[1]) * {"": 1, "k": 1000, "M": 1_000_000}[found[2]] if found else None


def _real(name: str, keys: list[int], key: str) -> list[dict[str, str]]:
    wanted = set(keys)
    with (REAL / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if int(row[key]) in wanted]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def public() -> dict[str, pa.Table]:
    keys = {kind: _fixture()["input"][kind]["inds"] for kind in ("pin", "geo", "user")}
    pins = _real("pinterest_data_mit.csv", keys["pin"], "index")
    geos = _real("geolocation_data.csv", keys["geo"], "ind")
    users = _real("user_data.csv", keys["user"], "ind")
    assert len(pins) == len(geos) == len(users) == 316
    return {
        "pin": _table(
            PIN,
            *(
                (
                    int(row["index"]),
                    row["category"],
                    None if row["poster_name"] == "User Info Error" else row["poster_name"],
                    _followers(row["follower_count"]),
                )
                for row in pins
            ),
        ),
        "geo": _table(GEO, *((int(row["ind"]), row["country"], _utc(row["timestamp"])) for row in geos)),
        "user": _table(
            USER,
            *(
                (
                    int(row["ind"]),
                    f"{row['first_name']} {row['last_name']}",
                    int(row["age"]),
                    _utc(row["date_joined"]),
                )
                for row in users
            ),
        ),
    }


# The reading that the fixture names for each answer ("reproduced_by"), in this library's words.
READINGS: dict[str, tuple[str, dict[str, str]]] = {
    "q1_country_category": ("q1", {"show": "top", "ties": "all"}),
    "q2_year_category": ("q2", {"show": "top", "ties": "all"}),
    "q3a_country_top_user": ("q3a", {"show": "all"}),
    "q3b_country_top": ("q3b", {"show": "top", "ties": "one"}),
    "q4_age_category": ("q4", {"show": "top", "ties": "all"}),
    "q5_age_median": ("q5", {"median": "exact", "over": "posts"}),
    "q6_year_users": ("q6", {"over": "names"}),
    "q7_year_median": ("q7", {"median": "exact", "over": "posts"}),
    "q8_age_year_median": ("q8", {"median": "exact", "over": "posts"}),
}


@pytest.fixture(scope="module")
def raw_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The fixture's rows as they lie in the source, as CSV files."""
    folder = tmp_path_factory.mktemp("raw")
    names = {"pin": "pinterest_data_mit.csv", "geo": "geolocation_data.csv", "user": "user_data.csv"}
    paths = {}
    for kind, name in names.items():
        rows = _real(name, _fixture()["input"][kind]["inds"], "index" if kind == "pin" else "ind")
        paths[kind] = folder / f"{kind}.csv"
        with paths[kind].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [column for column in rows[0] if column], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    return paths


@pytest.mark.parametrize("cleaner", ["here", "core"])
@pytest.mark.parametrize("name", READINGS)
def test_public_answers_are_reproduced(
    name: str, cleaner: str, public: dict[str, pa.Table], raw_files: dict[str, Path]
) -> None:
    """Over tables cleaned here, and over raw files that query() cleans with the C core."""
    question, reading = READINGS[name]
    wanted = _fixture()["answers"][name]
    tables: dict[str, Any] = {**(public if cleaner == "here" else raw_files)}
    found = _query.query(question, **tables, **reading)
    assert found.column_names == wanted["columns"]
    rows = sorted(map(tuple, wanted["rows"]), key=repr)
    assert not wanted["truncated_display"]
    if reading.get("ties") == "one":
        # The notebook took any one of the tied rows: it must be among ours, and ours is the first by name.
        assert len(rows) == found.num_rows == 1
        tied = _rows(_query.query(question, **tables, **{**reading, "ties": "all"}))
        assert rows[0] in tied and _rows(found) == tied[:1]
    else:
        assert sorted(_rows(found), key=repr) == rows
    print(f"{question}: {len(rows)} rows as published")


def test_raw_and_clean_tables_of_any_kind_give_the_same_answers(
    tmp_path: Path, public: dict[str, pa.Table], raw_files: dict[str, Path]
) -> None:
    wanted = _query.query_all(public)
    clean = {kind: pinpipe.clean(kind, path) for kind, path in raw_files.items()}
    raw = {kind: pinpipe.decode(kind, path) for kind, path in raw_files.items()}
    lines = {kind: tmp_path / f"{kind}.ndjson" for kind in raw}
    for kind, path in lines.items():
        path.write_bytes(pinpipe.encode(clean[kind]))
    tables: tuple[dict[str, Any], ...] = (clean, raw, lines, {k: pa.table(t) for k, t in raw.items()})
    for given in tables:
        assert _query.query_all(given) == wanted


def test_all_answers_have_their_columns_types_and_order(public: dict[str, pa.Table]) -> None:
    answers = _query.query_all(public)
    assert list(answers) == ["q1", "q2", "q3a", "q3b", "q4", "q5", "q6", "q7", "q8"]
    kinds = {question: [str(field.type) for field in table.schema] for question, table in answers.items()}
    assert kinds["q1"] == kinds["q4"] == ["string", "string", "int64"]
    assert kinds["q2"] == ["int64", "string", "int64"] and kinds["q6"] == ["int64", "int64"]
    assert kinds["q5"] == ["string", "double"] and kinds["q8"] == ["string", "int64", "double"]
    counts = _rows(answers["q2"])
    assert counts == sorted(counts, key=lambda row: (row[0], -row[2], row[1]))
    assert [row[0] for row in _rows(answers["q5"])] == ["18-24", "25-35", "36-50", "50+"]


def test_ties_and_full_tables() -> None:
    pin = _table(PIN, *((n, "cba"[n % 3], f"p{n}", n) for n in range(6)), (6, "a", "p", None))
    geo = _table(GEO, *((n, "X" if n < 6 else "Y", _moment(2019)) for n in range(7)))
    tied = [("X", "a", 2), ("X", "b", 2), ("X", "c", 2), ("Y", "a", 1)]
    assert _rows(_query.query("q1", pin=pin, geo=geo)) == tied
    assert _rows(_query.query("q1", pin=pin, geo=geo, show="all", ties="one")) == tied
    assert _rows(_query.query("q1", pin=pin, geo=geo, ties="one")) == [("X", "a", 2), ("Y", "a", 1)]
    assert _rows(_query.query("q2", pin=pin, geo=geo)) == [(2019, "a", 3), (2019, "b", 2), (2019, "c", 2)]
    assert _rows(_query.query("q2", pin=pin, geo=geo, show="top")) == [(2019, "a", 3)]


def test_most_followed_posters_keep_ties_and_drop_unknown_counts() -> None:
    pin = _table(
        PIN,
        (1, "a", "Zed", 9),
        (2, "a", "Zed", 9),
        (3, "a", "Amy", 9),
        (4, "a", "Bob", 2),
        (5, "a", "No", None),
    )
    geo = _table(GEO, *((n, country, _moment(2019)) for n, country in enumerate("XXXYZ", start=1)))
    assert _rows(_query.query("q3a", pin=pin, geo=geo)) == [("X", "Amy", 9), ("X", "Zed", 9), ("Y", "Bob", 2)]
    assert _rows(_query.query("q3a", pin=pin, geo=geo, ties="one")) == [("X", "Amy", 9), ("Y", "Bob", 2)]
    assert ("Z", "No", None) in _rows(_query.query("q3a", pin=pin, geo=geo, show="all"))
    assert _rows(_query.query("q3b", pin=pin, geo=geo)) == [("X", 9)]
    assert _rows(_query.query("q3b", pin=pin, geo=geo, show="all")) == [("X", 9), ("Y", 2)]
    tied = _table(GEO, *((n, country, _moment(2019)) for n, country in enumerate("XXWYZ", start=1)))
    assert _rows(_query.query("q3b", pin=pin, geo=tied)) == [("W", 9), ("X", 9)]
    assert _rows(_query.query("q3b", pin=pin, geo=tied, ties="one")) == [("W", 9)]


def test_age_groups_and_null_ages() -> None:
    ages = [17, 18, 24, 25, 35, 36, 50, 51, 99, None]
    pin = _table(PIN, *((n, "a", "p", n) for n in range(len(ages))))
    user = _table(USER, *((n, "n", age, _moment(2016)) for n, age in enumerate(ages)))
    found = _rows(_query.query("q4", pin=pin, user=user))
    assert found == [("18-24", "a", 2), ("25-35", "a", 2), ("36-50", "a", 2), ("50+", "a", 2), (None, "a", 2)]


@pytest.mark.parametrize(
    ("values", "exact", "approx"),
    [
        ([5], 5.0, 5.0),
        ([1, 2], 1.5, 1.0),
        ([3, 1, 2], 2.0, 2.0),
        ([4, 1, 3, 2], 2.5, 2.0),
        ([None, 7, None, 8], 7.5, 7.0),
        ([None, None], None, None),
        ([2, 2, 2, 9], 2.0, 2.0),
    ],
)
def test_medians(values: list[int | None], exact: float | None, approx: float | None) -> None:
    pin = _table(PIN, *((n, "a", "p", value) for n, value in enumerate(values)))
    user = _table(USER, *((n, f"n{n}", 30, _moment(2016)) for n in range(len(values))))
    for median, wanted in (("exact", exact), ("approx", approx)):
        assert _rows(_query.query("q5", pin=pin, user=user, median=median)) == [("25-35", wanted)]
        assert _rows(_query.query("q7", pin=pin, user=user, median=median)) == [(2016, wanted)]
        assert _rows(_query.query("q8", pin=pin, user=user, median=median)) == [("25-35", 2016, wanted)]


def test_people_are_measured_once_for_each_count_they_had() -> None:
    """One person posts four times with two counts; a namesake of another age is another person."""
    pin = _table(PIN, *((n, "a", "p", value) for n, value in enumerate([10, 10, 10, 20, 40])))
    user = _table(USER, *((n, "Same", 30 if n < 4 else 31, _moment(2016)) for n in range(5)))
    assert _rows(_query.query("q5", pin=pin, user=user)) == [("25-35", 10.0)]
    assert _rows(_query.query("q5", pin=pin, user=user, over="people")) == [("25-35", 20.0)]
    assert _rows(_query.query("q5", pin=pin, user=user, over="people", median="approx")) == [("25-35", 20.0)]
    counts = {over: _rows(_query.query("q6", user=user, over=over)) for over in ("posts", "people", "names")}
    assert counts == {"posts": [(2016, 5)], "people": [(2016, 2)], "names": [(2016, 1)]}


def test_years_are_inclusive_and_can_be_all() -> None:
    years = [2014, 2015, 2017, 2018, 2020, 2021, 2022, 2023]
    pin = _table(PIN, *((n, "a", "p", 1) for n in range(len(years))))
    geo = _table(GEO, *((n, "X", _moment(year)) for n, year in enumerate(years)), (8, "X", None))
    user = _table(
        USER, *((n, f"n{n}", 30, _moment(year)) for n, year in enumerate(years)), (8, "n", 30, None)
    )

    def found(question: str, years: str | None = None) -> list[int]:
        return [row[0] for row in _rows(_query.query(question, pin=pin, geo=geo, user=user, years=years))]

    assert found("q2") == [2018, 2020, 2021, 2022]
    assert found("q6") == found("q7") == [2015, 2017, 2018, 2020]
    assert found("q2", "all") == years and found("q6", "all") == [*years, None]
    assert found("q7", "2015-2015") == [2015]


def test_the_year_is_that_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    user = _table(USER, (1, "n", 30, _moment(2015, 12, 31, 23)), (2, "m", 30, _moment(2016, 1, 1, 0)))
    assert _rows(_query.query("q6", user=user)) == [(2015, 1), (2016, 1)]


def test_duplicates_are_taken_out_by_key_by_row_or_not() -> None:
    """Key 1 comes three times: twice the same, once with another name."""
    user = _table(
        USER,
        *(
            (1, name, 30, _moment(year))
            for name, year in (("n", 2015), ("n", 2015), ("m", 2016), ("m", 2016))
        ),
    )
    counts = {
        dedupe: _rows(_query.query("q6", user=user, dedupe=dedupe)) for dedupe in ("ind", "row", "none")
    }
    assert counts == {"ind": [(2015, 1)], "row": [(2015, 1), (2016, 1)], "none": [(2015, 2), (2016, 2)]}


def test_the_order_of_keys_changes_no_answer(public: dict[str, pa.Table]) -> None:
    """In order no key is looked up twice; backwards, and with late duplicates, the answers are the same."""
    wanted = _query.query_all(public)
    backwards = {kind: table.take(list(range(table.num_rows))[::-1]) for kind, table in public.items()}
    late = {kind: pa.concat_tables([table, table.slice(100, 50)]) for kind, table in public.items()}
    ordered = {kind: table.sort_by("ind") for kind, table in public.items()}
    for tables in (backwards, late, ordered):
        assert _query.query_all(tables) == wanted
        for question in _query.QUESTIONS:
            assert _query.query(question, **tables) == wanted[question], question


def test_empty_tables_have_empty_answers_with_columns() -> None:
    answers = _query.query_all({"pin": _table(PIN), "geo": _table(GEO), "user": _table(USER)})
    assert all(table.num_rows == 0 for table in answers.values())
    assert answers["q8"].column_names == ["age_group", "post_year", "median_follower_count"]


def test_unknown_groups_come_last() -> None:
    pin = _table(PIN, (1, None, "p", 1), (2, "a", "p", 1), (3, "a", "p", 1))
    geo = _table(GEO, (1, None, _moment(2019)), (2, "X", _moment(2019)), (3, "X", _moment(2019)))
    assert _rows(_query.query("q1", pin=pin, geo=geo)) == [("X", "a", 2), (None, None, 1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show": "some"}, "show=some"),
        ({"over": "names"}, "over=names is a reading of q6"),
        ({"years": "2018"}, "years=2018"),
        ({"years": "2020-2018"}, "years=2020-2018"),
        ({"dedupe": "all"}, "dedupe=all"),
        ({"user": 7}, "user: int is neither"),
        ({"user": None}, "q5 needs the table user"),
    ],
)
def test_wrong_readings_are_one_clear_error(options: dict[str, Any], message: str) -> None:
    tables = {"pin": _table(PIN), "user": _table(USER)}
    with pytest.raises(InvalidArgumentError, match=message):
        _query.query("q5", **{**tables, **options})
    with pytest.raises(InvalidArgumentError, match="question q9"):
        _query.query("q9", **tables)


def test_files_of_every_format_give_the_same_answers(tmp_path: Path, public: dict[str, pa.Table]) -> None:
    import deltalake
    from pyarrow import feather, parquet

    wanted = _rows(_query.query("q2", **public))
    for kind in ("pin", "geo"):
        table = public[kind]
        parquet.write_table(table, tmp_path / f"{kind}.parquet")
        feather.write_feather(table, tmp_path / f"{kind}.arrow", compression="uncompressed")
        deltalake.write_deltalake(str(tmp_path / kind), table)
        lines = []
        for row in table.to_pylist():
            if "timestamp" in row:
                row["timestamp"] = row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(json.dumps(row, ensure_ascii=False))
        (tmp_path / f"{kind}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (tmp_path / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.column_names)
            writer.writerows(json.loads(line).values() for line in lines)
    for form in ("{}.parquet", "{}.arrow", "{}.ndjson", "{}.csv", "{}"):
        paths: dict[str, Any] = {kind: tmp_path / form.format(kind) for kind in ("pin", "geo")}
        assert _rows(_query.query("q2", **paths)) == wanted, form
    delta = {kind: f"delta+file://{tmp_path / kind}" for kind in ("pin", "geo")}
    assert _rows(_query.query("q2", **delta)) == wanted


def test_unreadable_files_are_one_clear_error(tmp_path: Path) -> None:
    bad = tmp_path / "user.ndjson"
    bad.write_text('{"ind":1,"user_name":"n","age":"x","date_joined":null}\n')
    with pytest.raises(DataError, match=r"user\.ndjson"):
        _query.query("q6", user=bad)
    with pytest.raises(NotFoundError, match=r"missing\.parquet"):
        _query.query("q6", user=tmp_path / "missing.parquet")
    (tmp_path / "user.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match=r"user\.parquet"):
        _query.query("q6", user=tmp_path / "user.parquet")


def test_the_command_prints_every_format(
    tmp_path: Path, public: dict[str, pa.Table], capsys: pytest.CaptureFixture[str]
) -> None:
    from pyarrow import parquet

    paths = []
    for kind, table in public.items():
        parquet.write_table(table, tmp_path / f"{kind}.parquet")
        paths += [f"--{kind}", str(tmp_path / f"{kind}.parquet")]
    assert main(["query", "q6", *paths, "--over", "names", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "post_year,number_users_joined\n2015,97\n2016,120\n2017,56\n"
    assert main(["query", "q5", *paths, "--format", "ndjson"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == '{"age_group":"18-24","median_follower_count":59500.0}'
    assert main(["query", "all", *paths, "--format", "json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(_query.QUESTIONS)
    assert main(["query", "all", *paths]) == 0
    assert "The most popular category of each country" in capsys.readouterr().out
    assert main(["query", "all", *paths, "--format", "csv"]) == 2
    assert "takes one question" in capsys.readouterr().err
    assert main(["query", "q6", "--user", str(tmp_path / "gone.csv")]) == 1
    assert "gone.csv" in capsys.readouterr().err
