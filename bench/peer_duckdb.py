"""The same full cleaning by DuckDB, as its documentation advises: explicit columns, one query, Arrow out.

Never pays for what a row has not: only a follower count that is no plain one meets the rules for decimals and commas.
Rules: CONTRACT §4; recipes/peers.md §6 for DuckDB 2's `sql(...).to_arrow_table()`.
"""

from __future__ import annotations

from typing import Any

import duckdb

# A time with zone is read as one: timezone('UTC', ...) afterwards costs a fifth of geo's and user's time. The
# answers show no time: there it is without a zone, whose year needs no calendar of zones.
TEXT, MOMENT = "VARCHAR", "TIMESTAMPTZ"
RAW = {
    "pin": {
        "index": "BIGINT",
        **dict.fromkeys(["unique_id", "title", "description", "poster_name", "follower_count"], TEXT),
        **dict.fromkeys(["tag_list", "is_image_or_video", "image_src"], TEXT),
        "downloaded": "BIGINT",
        **dict.fromkeys(["save_location", "category"], TEXT),
    },
    "geo": {
        "ind": "BIGINT",
        "timestamp": MOMENT,
        "latitude": "DOUBLE",
        "longitude": "DOUBLE",
        "country": TEXT,
    },
    "user": {"ind": "BIGINT", "first_name": TEXT, "last_name": TEXT, "age": "BIGINT", "date_joined": MOMENT},
}
# A count with blanks, commas between thousands, decimals or an exponent; exact, and null where it is no integer.
_COUNT = "[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)([.][0-9]+)?[kmb]?|[+-]?[0-9]+([.][0-9]+)?e[+-]?[0-9]+"
_TRIMMED = r"lower(trim(follower_count, E' \t\n\r\v\f'))"
_EXACT = f"""try_cast(replace(rtrim({_TRIMMED}, 'kmb'), ',', '') AS DECIMAL(38, 9))
    * CASE right({_TRIMMED}, 1) WHEN 'k' THEN 1000 WHEN 'm' THEN 1000000 WHEN 'b' THEN 1000000000 ELSE 1 END"""
_ODD = f"""CASE WHEN regexp_full_match({_TRIMMED}, '{_COUNT}')
    THEN try(CASE WHEN {_EXACT} = trunc({_EXACT}) THEN try_cast({_EXACT} AS BIGINT) END) END"""
# DuckDB's cast to an integer rounds a decimal, so a point is looked for first; a comma it refuses.
_PLAIN = """CASE lower(right(follower_count, 1))
    WHEN 'k' THEN try_cast(left(follower_count, -1) AS INTEGER)::BIGINT * 1000
    WHEN 'm' THEN try_cast(left(follower_count, -1) AS INTEGER)::BIGINT * 1000000
    WHEN 'b' THEN try_cast(left(follower_count, -1) AS INTEGER)::BIGINT * 1000000000
    ELSE try_cast(follower_count AS BIGINT) END"""
CLEAN = {
    "pin": f"""
        SELECT "index" AS ind, nullif(unique_id, '') AS unique_id,
            CASE WHEN title IN ('', 'No Title Data Available') THEN NULL ELSE title END AS title,
            CASE WHEN description IN ('', 'No description available', 'No description available Story format')
                THEN NULL ELSE description END AS description,
            CASE WHEN contains(follower_count, '.') THEN {_ODD} ELSE coalesce({_PLAIN}, {_ODD}) END
                AS follower_count,
            CASE WHEN poster_name IN ('', 'User Info Error') THEN NULL ELSE poster_name END AS poster_name,
            CASE WHEN tag_list IN ('', 'N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e') THEN NULL ELSE tag_list END AS tag_list,
            nullif(is_image_or_video, '') AS is_image_or_video,
            CASE WHEN image_src IN ('', 'Image src error.') THEN NULL ELSE image_src END AS image_src,
            CASE WHEN starts_with(save_location, 'Local save in ') THEN substr(save_location, 15)
                ELSE nullif(save_location, '') END AS save_location,
            nullif(category, '') AS category
        FROM raw""",
    "geo": """
        SELECT ind, nullif(country, '') AS country, [latitude, longitude] AS coordinates, "timestamp"
        FROM raw""",
    "user": """
        SELECT ind, first_name || ' ' || last_name AS user_name, age, date_joined
        FROM raw""",
}


def read_query(kind: str, paths: str | list[str], moment: str = MOMENT) -> str:
    """The SELECT that reads and cleans one file or many; `moment` is the type of its times."""
    types = {name: moment if type_ == MOMENT else type_ for name, type_ in RAW[kind].items()}
    columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in types.items())
    names = [paths] if isinstance(paths, str) else paths
    listed = ", ".join(f"'{name}'" for name in names)
    raw = f"SELECT * FROM read_json([{listed}], format = 'newline_delimited', columns = {{{columns}}})"
    return f"WITH raw AS ({raw}) {CLEAN[kind]}"


def connect() -> Any:
    """A connection on one thread, in UTC."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def prepare() -> Any:
    """A connection whose time zones and Arrow export are loaded."""
    connection = connect()
    connection.sql("SELECT TIMESTAMPTZ '2020-01-01 00:00:00'").to_arrow_table()
    return connection


def clean(connection: Any, kind: str, paths: str | list[str]) -> Any:
    """The clean table as Arrow."""
    return connection.sql(read_query(kind, paths)).to_arrow_table()
