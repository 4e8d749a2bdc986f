"""Turns records into clean frames by Spark, in batches and streams, clean tables into answers, and compares them with
the other roads row by row.

Never mocks Spark: a local session of the published package, with the package under test in its executors; its SQL is
the bare text of the files, as a notebook would give it.
Rules: docs/spark.md; docs/databricks.md; DESIGN §5 (one cleaning); CONTRACT §5; python recipe §4 and §5.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import maven
import pinpipe
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pinpipe import _matches, _query, _synthetic, kinesis
from pyarrow import parquet
from spark_driver import SETTINGS
from spark_session import DELTA, OTHERS, ROOT, Session, package_folder, spark_python, unpacked

from tests.doubles.kafka_rest import Proxy, Server
from tests.house.outside import run
from tests.house.page_commands import other_lines
from tests.house.page_examples import blocks
from tests.python import bad_records

NOTEBOOKS = ROOT / "examples" / "databricks"
ROWS = 3000
KINDS = ("pin", "geo", "user")
KEY = ("AKIAEXAMPLESPARK1234", "spark-secret-access-key-of-the-test")
TABLES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
NAMES = {kind: pinpipe.schema(kind, "raw").names for kind in KINDS}


def _payloads(kind: str) -> list[bytes]:
    """Rows as the emulator sends them."""
    rows = _synthetic.tables()[TABLES[kind]][:ROWS]
    return [json.dumps(dict(zip(NAMES[kind], row, strict=True)), default=str).encode() for row in rows]


@pytest.fixture(scope="module")
def payloads() -> dict[str, list[bytes]]:
    return {kind: _payloads(kind) for kind in KINDS}


def _objects(folder: Path, user_id: str, payloads: dict[str, list[bytes]]) -> None:
    """Files as the S3 sink lays them out, with some records that cannot be read."""
    draw = random.Random(8)
    for kind, records in payloads.items():
        for partition in range(3):
            place = folder / f"{user_id}.{kind}" / f"partition={partition}"
            place.mkdir(parents=True)
            mine = [record for n, record in enumerate(records) if n % 3 == partition]
            for start in range(0, len(mine), 250):
                part = mine[start : start + 250]
                if draw.random() < 0.5:
                    part.insert(draw.randrange(len(part)), b'{"title": "no key"}')
                name = f"{user_id}.{kind}+{partition}+{start:010}.json"
                (place / name).write_bytes(b"\n".join(part) + b"\n")


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by("ind").to_pylist()


def test_the_batch_notebook_gives_the_rows_and_answers_of_the_other_road(
    spark: Session, payloads: dict[str, list[bytes]], tmp_path: Path
) -> None:
    user_id = "0a1b"
    _objects(tmp_path / "topics", user_id, payloads)
    names = [f"default.`{user_id}_{kind}`" for kind in KINDS]
    shown = spark.ask(
        "notebook",
        zone="America/New_York",
        path=str(NOTEBOOKS / "batch.py"),
        widgets={"topics": str(tmp_path / "topics"), "user_id": user_id, "schema": "default"},
        tables=[*names, f"default.`{user_id}_pin_rejects`"],
        to=str(tmp_path),
        secrets={},
    )
    clean = {kind: pinpipe.clean(kind, payloads[kind]) for kind in KINDS}
    for kind in KINDS:
        found = parquet.read_table(tmp_path / f"{user_id}_{kind}.parquet")
        assert _rows(found.cast(pinpipe.schema(kind).arrow())) == _rows(pa.table(clean[kind]))
    rejects = parquet.read_table(tmp_path / f"{user_id}_pin_rejects.parquet").to_pylist()
    assert rejects and all(reject["data"] == b'{"title": "no key"}' for reject in rejects)
    assert all(reject["source"].endswith(".json") and "missing" in reject["reason"] for reject in rejects)
    wanted = _query.query_all(clean)
    assert len(shown) == len(_query.QUESTIONS)
    for question, answer in zip(_query.QUESTIONS, shown, strict=True):
        table = wanted[question]
        assert [[field.name, str(field.type)] for field in table.schema] == answer["columns"], question
        assert [list(row.values()) for row in table.to_pylist()] == answer["rows"] != [], question


def test_records_are_cleaned_as_on_the_other_roads(
    spark: Session, payloads: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """Raw columns, texts, a rule file, records that are none, a stream; and frames that hold no records."""
    pins, bad = payloads["pin"][:500], [*bad_records.GOOD, *bad_records.BAD_LINES.values(), b""]
    (tmp_path / "pins.ndjson").write_bytes(b"\n".join(pins) + b"\n")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "part").write_bytes(b"\n".join(pins) + b"\n")
    places = {
        "stream": ["s"] * len(bad),
        "shardId": ["h"] * len(bad),
        "sequenceNumber": list(range(len(bad))),
    }
    parquet.write_table(pa.table({"data": pa.array(bad, pa.binary()), **places}), tmp_path / "bad.parquet")
    rules = {"rules": {"pin.title.no_title_data_available": "dropped"}}
    found = spark.ask(
        "clean_forms",
        zone="America/New_York",
        folder=str(tmp_path),
        profile=rules,
        records=[["x STRING"], ["data STRING", "value BINARY"], ["index INT", "title MAP<STRING,INT>"]],
    )
    wanted = {name: pinpipe.clean("pin", pins) for name in ("raw", "texts", "stream")}
    wanted |= {"profile": pinpipe.clean("pin", pins, profile=rules), "bad": pinpipe.clean("geo", bad)}
    for name, table in wanted.items():
        rows = parquet.read_table(tmp_path / f"{name}-rows.parquet")
        assert _rows(rows.cast(table.schema.arrow())) == _rows(pa.table(table)), name
        counts = {"records": table.num_records, "rejected": len(table.rejects), "dropped": table.dropped}
        assert found[name] == {key: hits for key, hits in {**counts, **table.census}.items() if hits}, name
    rejects = parquet.read_table(tmp_path / "bad-rejects.parquet").to_pylist()
    assert [(each["reason"], each["data"], each["data_bytes"], each["source"]) for each in rejects] == [
        (each.reason, each.data, each.data_bytes, f"kinesis://s/h/{each.index}")
        for each in wanted["bad"].rejects
    ]
    assert found["profile"]["dropped"] and wanted["bad"].rejects
    nothing, both, wrong = found["refused"]
    assert "x string" in nothing and "data and value" in both and "column title is map" in wrong


@pytest.fixture
def stream_options(kinesis_local: str) -> Iterator[dict[str, str]]:
    """A stream of two shards, as a reader's options name it."""
    name = f"streaming-{uuid.uuid4().hex[:12]}-pin"
    client = _client(kinesis_local)
    client.create_stream(name, 2)
    yield {"streamName": name, **_place(kinesis_local)}
    client.delete_stream(name)


def _client(endpoint: str) -> kinesis.Client:
    return kinesis.Client(endpoint, region="us-east-1", credentials=pinpipe.Credentials.static(*KEY))


def _place(endpoint: str) -> dict[str, str]:
    return {"region": "us-east-1", "endpoint": endpoint, "awsAccessKey": KEY[0], "awsSecretKey": KEY[1]}


def _put(endpoint: str, stream: str, records: list[bytes]) -> None:
    with kinesis.Producer(
        stream, endpoint, region="us-east-1", credentials=pinpipe.Credentials.static(*KEY)
    ) as producer:
        for number, data in enumerate(records):
            producer.write(data, str(number))


def test_a_batch_of_kinesis_comes_again_as_it_was_and_reshards_lose_nothing(
    spark: Session, kinesis_local: str, stream_options: dict[str, str], tmp_path: Path
) -> None:
    name, client = stream_options["streamName"], _client(kinesis_local)
    asked = {
        "options": {**stream_options, "initialPosition": "earliest", "maxRecordsPerTrigger": "120"},
        "checkpoint": str(tmp_path / "checkpoint"),
    }
    sent = [b"%d" % number for number in range(400)]
    _put(kinesis_local, name, sent[:300])
    first = spark.ask("kinesis_batches", **asked)
    assert [len(batch) for batch in first] == [120, 120, 60]
    shard = client.shards(name)[0]
    client.split_shard(name, shard.id, str((int(shard.first_hash) + int(shard.last_hash)) // 2))
    _put(kinesis_local, name, sent[300:350])
    again = spark.ask("kinesis_batches", forget=1, **asked)
    assert again[0] == first[-1], "what its offsets name, and nothing that came later"
    left, right = sorted(client.shards(name), key=lambda shard: int(shard.first_hash))[1:3]
    client.merge_shards(name, left.id, right.id)
    _put(kinesis_local, name, sent[350:])
    last = spark.ask("kinesis_batches", **asked)
    taken = [record for batch in [*first, *again[1:], *last] for record in batch]
    assert sorted(int(data) for _, data in taken) == list(range(400))
    assert spark.ask("kinesis_batches", **asked) == []


def _stopped_and_restarted(
    session: Session, endpoint: str, options: dict[str, str], checkpoint: Path, count: int
) -> None:
    """A query by intervals, stopped in the middle: a batch that is cut off comes again with its number, as it was."""
    most = count // 5
    asked = {
        "options": {**options, "initialPosition": "earliest", "maxRecordsPerTrigger": str(most)},
        "checkpoint": str(checkpoint),
    }
    _put(endpoint, options["streamName"], [b"%d" % number for number in range(count)])
    first = session.ask("kinesis_batches", **asked, until=count // 2)
    done = len(list((checkpoint / "commits").glob("[0-9]*")))
    _put(endpoint, options["streamName"], [b"%d" % number for number in range(count, count + most)])
    kept, again = first[:done], first[done:]
    last = session.ask("kinesis_batches", **asked, until=count + most - sum(map(len, kept)))
    assert last[: len(again)] == again
    batches = [*kept, *last]
    assert len(first) >= 3 and all(len(batch) <= most for batch in batches)
    assert sorted(int(data) for batch in batches for _, data in batch) == list(range(count + most))


def test_a_query_by_intervals_that_is_stopped_goes_on_where_it_stood(
    spark: Session, kinesis_local: str, stream_options: dict[str, str], tmp_path: Path
) -> None:
    _stopped_and_restarted(spark, kinesis_local, stream_options, tmp_path / "checkpoint", 100)


def test_the_pages_line_runs_the_batch_notebook(payloads: dict[str, list[bytes]], tmp_path: Path) -> None:
    """By the page's spark-defaults.conf, and settings of a short job."""
    (line,) = [line for line in other_lines() if "notebooks.py run" in line]
    jars = maven.jars("delta", *DELTA, needs="not")
    told = blocks("properties")["databricks.md 1"].replace("/jars/", f"{jars}/")
    (tmp_path / "spark-defaults.conf").write_text(
        told + "".join(f"{name} {value}\n" for name, value in SETTINGS.items())
    )
    _objects(tmp_path / "topics", "0a1b", {kind: records[:100] for kind, records in payloads.items()})
    words = line.replace("/data/", f"{tmp_path}/").replace("examples/", f"{ROOT}/examples/").split()
    path = str(package_folder(tmp_path / "packages"))
    said = run(spark_python(), *words[1:], cwd=tmp_path, SPARK_CONF_DIR=str(tmp_path), PYTHONPATH=path)
    for kind in KINDS:
        assert re.search(rf"^{kind} 10\d records, \d rejected", said, re.MULTILINE), said
        assert DeltaTable(tmp_path / f"spark-warehouse/0a1b_{kind}").to_pyarrow_table().num_rows == 100
    assert re.search(r"\| *median_follower_count\|", said)  # what the notebook displays


def test_the_stream_notebook_gives_the_tables_of_the_batch_road(
    spark: Session, kinesis_local: str, payloads: dict[str, list[bytes]], tmp_path: Path
) -> None:
    user_id, client = uuid.uuid4().hex[:12], _client(kinesis_local)
    sent = {kind: [*payloads[kind][:300], b'{"title": "no key"}'] for kind in KINDS}
    for kind, records in sent.items():
        client.create_stream(f"streaming-{user_id}-{kind}", 1)
        _put(kinesis_local, f"streaming-{user_id}-{kind}", records)
    (tmp_path / "keys.csv").write_text(f"Access key ID,Secret access key\n{KEY[0]},{KEY[1]}\n")
    names = [f"{user_id}_{kind}_{what}" for kind in KINDS for what in ("table", "stream_rejects")]
    for credentials in (str(tmp_path / "keys.csv"), "secrets:scope"):  # run again it finds nothing new
        spark.ask(
            "notebook",
            zone="America/New_York",
            path=str(NOTEBOOKS / "stream.py"),
            widgets={
                "user_id": user_id,
                "schema": "default",
                "checkpoints": str(tmp_path / "checkpoints"),
                "endpoint": kinesis_local,
                "credentials": credentials,
            },
            tables=[f"default.`{name}`" for name in names],
            to=str(tmp_path),
            secrets={"scope/aws_access_key": KEY[0], "scope/aws_secret_key": KEY[1]},
        )
    for kind, records in sent.items():
        table = pinpipe.clean(kind, records)
        found = parquet.read_table(tmp_path / f"{user_id}_{kind}_table.parquet")
        assert _rows(found.cast(table.schema.arrow())) == _rows(pa.table(table))
        (reject,) = parquet.read_table(tmp_path / f"{user_id}_{kind}_stream_rejects.parquet").to_pylist()
        assert reject["data"] == records[-1]
        assert reject["source"].startswith(f"kinesis://streaming-{user_id}-{kind}/shardId-000000000000/")
        client.delete_stream(f"streaming-{user_id}-{kind}")


def test_rows_are_written_to_a_stream(
    spark: Session, kinesis_local: str, stream_options: dict[str, str], tmp_path: Path
) -> None:
    columns = "data STRING, partitionKey STRING"
    for number, how in enumerate(("batch", "stream")):
        rows = [[f"{how} {n}", str(n)] for n in range(50)]
        done = spark.ask(
            "write_rows",
            name="pinpipe_kinesis",
            options=stream_options,
            rows=rows,
            columns=columns,
            how=how,
            to=str(tmp_path / how),
        )
        assert done == ""
        client, found = _client(kinesis_local), []
        for shard in client.shards(stream_options["streamName"]):
            page = client.get(client.iterator(stream_options["streamName"], shard.id))
            found += [(record.data.decode(), record.partition_key) for record in page.records]
        assert len(found) == 50 * (number + 1) and {tuple(row) for row in rows} <= set(found)
    for options, said in (
        ({**stream_options, "streamName": "nowhere"}, "nowhere"),
        ({**stream_options, "strangeOption": "1"}, "strangeoption"),
    ):
        asked = {"name": "pinpipe_kinesis", "options": options, "columns": columns}
        error = spark.ask("write_rows", **asked, rows=[["a", "b"]], how="batch", to="")
        assert said in error


def test_rows_are_written_to_a_rest_proxy(spark: Session, tmp_path: Path) -> None:
    columns = "value STRING, topic STRING"
    rows = [[json.dumps({"ind": number}), f"0a.{KINDS[number % 3]}"] for number in range(60)]
    proxy = Proxy({f"0a.{kind}": 1 for kind in KINDS})
    with Server(proxy) as server:
        asked = {"name": "pinpipe_kafka_rest", "options": {"endpoint": server.endpoint}, "columns": columns}
        for how in ("batch", "stream"):
            assert spark.ask("write_rows", **asked, rows=rows, how=how, to=str(tmp_path / how)) == ""
        stored = [json.dumps(value) for kind in KINDS for value in proxy.values(f"0a.{kind}")]
        assert sorted(stored) == sorted([row[0] for row in rows] * 2)
        for row, said in ((["no JSON", "0a.pin"], "JSON"), (["1", "nowhere"], "nowhere")):
            assert said in spark.ask("write_rows", **asked, rows=[row], how="batch", to="")


def _example() -> tuple[str, list[str]]:
    """That of the README, and what it says that it prints."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "pyspark" in block]
    return block, re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)


def test_the_example_of_the_readme_prints_what_it_says(spark: Session) -> None:
    block, promised = _example()
    assert spark.ask("printed", code=block) == promised and len(block.splitlines()) <= 15


@pytest.mark.parametrize("version", OTHERS)
def test_other_sparks_clean_as_well_and_read_kinesis_where_they_have_sources(
    version: str, kinesis_local: str, stream_options: dict[str, str], tmp_path: Path
) -> None:
    block, promised = _example()
    session = Session(tmp_path, {}, unpacked(version))
    shown = "import pyspark\nprint(pyspark.__version__)\n"
    if version < "4":
        shown += "try:\n    pinpipe.spark.KinesisSource\nexcept pinpipe.Error as error:\n    print(error)\n"
        promised = [*promised, version, "pinpipe.spark.KinesisSource needs pyspark 4 or later"]
    else:
        _stopped_and_restarted(session, kinesis_local, stream_options, tmp_path / "checkpoint", 50)
        there = session.ask("kinesis_rows", options={**stream_options, "initialPosition": "earliest"})
        assert sorted(map(int, there)) == list(range(60))
        more = [b"more %d" % number for number in range(10)]
        _put(kinesis_local, stream_options["streamName"], more)
        asked = {"options": stream_options, "checkpoint": str(tmp_path / "checkpoint")}
        last = session.ask("kinesis_batches", **asked)[-1]
        assert sorted(data.encode() for _, data in last) == more, (
            "by AvailableNow, a batch behind what was read"
        )
        promised = [*promised, version]
    assert session.ask("printed", zone="America/New_York", code=block + shown) == promised
    session.close()


READINGS: tuple[dict[str, str], ...] = (
    {},
    {"show": "all", "median": "approx", "over": "people", "years": "all"},
    {"show": "top", "ties": "one", "median": "approx", "years": "2016-2019"},
    {"over": "names"},
)


def _followers(text: str) -> int | None:
    if text == "User Info Error":
        return None
    return int(text.rstrip("kM")) * {"k": 1000, "M": 1_000_000}.get(text[-1], 1)


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def _tables() -> dict[str, pa.Table]:
    """Clean tables of all synthetic rows, and rows with the nulls that cleaning leaves behind."""
    raw = _synthetic.tables()
    pins: list[dict[str, Any]] = [
        {"ind": row[0], "poster_name": row[4], "follower_count": _followers(str(row[5])), "category": row[11]}
        for row in raw["pinterest_data"]
    ]
    geos: list[dict[str, Any]] = [
        {"ind": row[0], "timestamp": _moment(row[1]), "coordinates": [row[2], row[3]], "country": row[4]}
        for row in raw["geolocation_data"]
    ]
    users: list[dict[str, Any]] = [
        {"ind": row[0], "user_name": f"{row[1]} {row[2]}", "age": row[3], "date_joined": _moment(row[4])}
        for row in raw["user_data"]
    ]
    for n, key in enumerate(range(20_000, 20_040)):
        pins.append({"ind": key, "poster_name": "Zoë" if n % 3 else None, "follower_count": n or None})
        geos.append(
            {
                "ind": key,
                "country": "Åland" if n % 4 else None,
                "timestamp": None if n % 5 else _moment("2017-12-31 23:59:59"),
            }
        )
        users.append({"ind": key, "user_name": "Zoë" if n % 3 else None, "age": (17, None, 50, 51)[n % 4]})
        users[-1]["date_joined"] = None if n % 5 else _moment("2016-01-01 00:00:00")
    pins += [{"ind": key, "category": "alone"} for key in range(30_000, 30_007)]
    rows = {"pin": pins, "geo": geos, "user": users}
    return {kind: pa.Table.from_pylist(rows[kind], pinpipe.schema(kind).arrow()) for kind in rows}


def _cases() -> dict[str, tuple[str, _query.Reading]]:
    cases = {}
    for number, reading in enumerate(READINGS):
        for question in _query.QUESTIONS:
            if reading.get("over") != "names" or question == "q6":
                cases[f"{question}-{number}"] = (question, _query.Reading(**reading))
    return cases


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return _tables()


@pytest.fixture(scope="module")
def answers(
    spark: Session, tables: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tables")
    for kind, table in tables.items():
        parquet.write_table(table, folder / f"{kind}s.parquet")
    cases = [
        {"name": name, "sql": _query.sql(question), "reading": reading.row(question)}
        for name, (question, reading) in _cases().items()
    ]
    cases.append({"name": "matches", "sql": _matches.sql(), "reading": _query.Reading().row("q1")})
    found: dict[str, Any] = spark.ask(
        "answers",
        folder=str(folder),
        joins=_query.joins(),
        cases=cases,
        page=blocks("python")["answers.md 1"],
    )
    return found


@pytest.mark.parametrize("name", _cases())
def test_spark_and_duckdb_give_the_same_rows(
    name: str, answers: dict[str, Any], tables: dict[str, pa.Table]
) -> None:
    question, reading = _cases()[name]
    found = _query.answer([question], tables, reading, "ind")[question]
    wanted = answers[name]
    assert [[field.name, str(field.type)] for field in found.schema] == wanted["columns"]
    rows = [list(row.values()) for row in found.to_pylist()]
    assert rows == wanted["rows"] and rows
    print(f"{name}: {len(rows)} rows equal")


def test_the_example_of_the_page_is_an_answer(answers: dict[str, Any]) -> None:
    assert answers["page"] == answers["q5-0"]


def test_spark_and_duckdb_find_the_same_matches(answers: dict[str, Any], tables: dict[str, pa.Table]) -> None:
    found = _matches.match(tables)
    wanted = answers["matches"]
    assert found.column_names == [name for name, _ in wanted["columns"]]
    rows = [list(row.values()) for row in found.to_pylist()]
    assert rows == wanted["rows"] and rows[0][5] == list(range(30_000, 30_005))
