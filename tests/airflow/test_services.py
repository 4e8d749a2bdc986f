"""Turns operators, sensors and triggers into runs against real services: Apache Kafka, and a double of S3 and Kinesis.

Never shares names: each test has topics, streams and a bucket of its own.
Rules: docs/airflow.md; the servers are those of tests/integration.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pinpipe
import pytest
from airflow.models import Connection
from airflow_provider_pinpipe._compat import AirflowException, AirflowFailException, BaseEventTrigger
from airflow_provider_pinpipe.hook import PinpipeHook
from airflow_provider_pinpipe.operators import CleanOperator, EmulateOperator, KinesisToDeltaOperator
from airflow_provider_pinpipe.sensors import NewObjectsSensor, StreamLagSensor
from airflow_provider_pinpipe.triggers import KinesisRecordsTrigger, NewObjectsTrigger, StreamLagTrigger

KINDS = ("pin", "geo", "user")
GEO = (
    '{"ind": %d, "country": "Albania", "latitude": 1.5, "longitude": 2.5, "timestamp": "2018-01-01T00:00:00"}'
)
EVENT_TIMEOUT_S = 60


@dataclass
class Place:
    """Names of a test's own at the services, and the connection that reaches them."""

    user: str
    bucket: str
    brokers: str
    told: dict[str, Any]

    @property
    def stream(self) -> str:
        return f"streaming-{self.user}-geo"

    def hook(self) -> PinpipeHook:
        return PinpipeHook("pinpipe_services")

    def put(self, *numbers: int) -> None:
        client = pinpipe.kinesis.Client(**self.hook().get_conn().kinesis())
        for number in numbers:
            client.put(self.stream, GEO % number, str(number))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    told = json.loads(Path(os.environ["PINPIPE_AIRFLOW_SERVICES"]).read_text())
    user = f"u{uuid.uuid4().hex[:11]}"
    bucket = f"user-{user}-bucket"
    connection = {
        "conn_type": "pinpipe",
        "login": told["key"],
        "password": told["secret"],
        "host": told["endpoint"],
        "schema": bucket,
        "extra": {"region": told["region"], "brokers": told["brokers"], "stream": f"streaming-{user}-geo"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_PINPIPE_SERVICES", json.dumps(connection))
    services = PinpipeHook("pinpipe_services").get_conn()
    services.s3().create_bucket(bucket)
    client = pinpipe.kinesis.Client(**services.kinesis())
    with pinpipe.kafka.Admin(told["brokers"]) as admin:
        for kind in KINDS:
            client.create_stream(f"streaming-{user}-{kind}", 1)
            admin.create_topic(f"{user}.{kind}", 2)
    return Place(user, bucket, told["brokers"], connection)


class Pushed(dict[str, Any]):
    """A task's context, as far as an operator looks at it."""

    def __init__(self) -> None:
        super().__init__(ti=self)

    def xcom_push(self, key: str, value: Any) -> None:
        self[key] = value


def test_both_layers_run_by_one_dag(run: Callable[..., Any], xcom: Callable[..., Any], place: Place) -> None:
    before = dict(os.environ)
    conf = {"user": place.user, "bucket": place.bucket, "brokers": place.brokers, "rows": 30}
    done = run("both_layers_dag", conf)
    assert done.state == "success"
    assert {name: value for name, value in os.environ.items() if name.startswith("AWS_")} == {
        name: value for name, value in before.items() if name.startswith("AWS_")
    }
    assert xcom(done, "emulate")["emulated"] == dict.fromkeys(KINDS, 30)
    assert xcom(done, "store")["counters"]["records_stored"] == 90
    found = xcom(done, "stored")
    assert found["count"] >= 1 and found["first"].startswith(f"topics/{place.user}.pin/")
    for kind in KINDS:
        cleaned, streamed = xcom(done, f"clean_{kind}"), xcom(done, f"stream_{kind}")
        assert cleaned["records"] == streamed["read"] == 30
        assert cleaned["cleaned"] == streamed["written"]
        assert xcom(done, f"caught_up_{kind}")["lag_s"] == 0.0
        link = xcom(done, f"stream_{kind}", "pinpipe_stream_link")
        assert link.startswith("https://us-east-1.console.aws.amazon.com/kinesis/") and place.user in link
    store = place.hook().get_conn().s3()
    answers = json.loads(store.get(place.bucket, "answers.json"))
    assert len(answers) == 9 and answers["q1"]
    assert store.get(place.bucket, "report.html").startswith(b"<!doctype html>")
    assert json.loads(store.get(place.bucket, "census/pin.json"))["records"] == 30


def test_the_connection_is_tested(place: Place) -> None:
    connection = Connection(
        conn_id="pinpipe_services", **{**place.told, "extra": json.dumps(place.told["extra"])}
    )
    good, said = connection.test_connection()
    assert good, said
    for part in ("brokers:", f"bucket {place.bucket}: empty", f"stream {place.stream}: ACTIVE"):
        assert part in said
    assert place.told["password"] not in said


def test_a_connection_with_a_wrong_key_is_no_success(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**place.told, "password": "not-the-secret-of-it"}
    monkeypatch.setenv("AIRFLOW_CONN_PINPIPE_SERVICES", json.dumps(wrong))
    good, said = place.hook().test_connection()
    assert not good and said and "not-the-secret-of-it" not in said


def _stream_and_table(place: Place, folder: Path) -> dict[str, Any]:
    return {
        "pinpipe_conn_id": "pinpipe_services",
        "stream": place.stream,
        "table": f"delta+file://{folder}/table",
    }


def test_lag_is_the_age_of_the_oldest_record_that_a_table_lacks(place: Place, tmp_path: Path) -> None:
    where = _stream_and_table(place, tmp_path)
    sensor = StreamLagSensor(task_id="caught_up", max_lag_s=0.0, **where)
    assert sensor.poke(Pushed()).is_done, "an empty stream holds nothing back"
    place.put(1, 2)
    assert not sensor.poke(Pushed()).is_done and not (tmp_path / "table").exists()
    read = KinesisToDeltaOperator(task_id="read", **where)
    assert read.execute(Pushed())["written"] == 2
    found = sensor.poke(Pushed())
    assert found.is_done and found.xcom_value["lag_s"] == 0.0 and found.xcom_value["since"] is None
    assert read.execute(Pushed())["written"] == 0
    place.put(3)
    assert not sensor.poke(Pushed()).is_done


def test_objects_are_counted_since_a_time(place: Place, tmp_path: Path) -> None:
    urls = (f"s3://{place.bucket}/in/", f"file://{tmp_path}/in")
    every = [{"task_id": "wait", "url": url, "pinpipe_conn_id": "pinpipe_services"} for url in urls]
    assert not any(NewObjectsSensor(**options).poke(Pushed()).is_done for options in every)
    place.hook().get_conn().s3().put(place.bucket, "in/a b.json", b"{}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a b.json").write_bytes(b"{}")
    for options in every:
        found = NewObjectsSensor(**options, newer_than="2020-01-01T00:00:00+00:00").poke(Pushed())
        assert found.is_done and found.xcom_value["count"] == 1
        assert found.xcom_value["last"].endswith("a b.json")
        assert not NewObjectsSensor(**options, newer_than="2999-01-01").poke(Pushed()).is_done
        assert not NewObjectsSensor(**options, at_least=2).poke(Pushed()).is_done


@pytest.mark.parametrize(
    "trigger",
    [
        NewObjectsTrigger(
            pinpipe_conn_id="c", poll_interval=1.0, url="s3://b/p", newer_than=None, at_least=1
        ),
        StreamLagTrigger(
            pinpipe_conn_id=None,
            poll_interval=2.0,
            stream="s",
            table="delta+file:///t",
            max_lag_s=1.0,
            record="pin",
            checkpoint=None,
            region=None,
        ),
        KinesisRecordsTrigger(stream="s-pin", table="delta+s3://b/t", region="eu-west-1"),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_a_trigger_survives_the_database(trigger: Any) -> None:
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    made = getattr(__import__(module, fromlist=[name]), name)(**json.loads(json.dumps(arguments)))
    assert type(made) is type(trigger) and made.serialize() == (path, arguments)
    assert "password" not in json.dumps(arguments)


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    return None


def _event(trigger: Any) -> Any:
    return asyncio.run(asyncio.wait_for(_first(trigger), EVENT_TIMEOUT_S))


def test_a_trigger_tells_what_cannot_be_mended(place: Place) -> None:
    lost = NewObjectsTrigger(
        pinpipe_conn_id="pinpipe_services",
        poll_interval=1,
        url="s3://no-such-b/",
        newer_than=None,
        at_least=1,
    )
    event = _event(lost)
    assert set(event) == {"error"} and "no-such-b" in event["error"]
    with pytest.raises(AirflowException, match="no-such-b"):
        NewObjectsSensor(task_id="wait", url="s3://no-such-b/").execute_complete({}, event)


def test_an_event_trigger_fires_for_records_that_the_table_lacks(place: Place, tmp_path: Path) -> None:
    where = _stream_and_table(place, tmp_path)
    trigger = KinesisRecordsTrigger(poll_interval=0.05, **where)
    assert isinstance(trigger, BaseEventTrigger)
    seen: list[dict[str, Any]] = []

    async def listen() -> None:
        async for event in trigger.run():
            seen.append(event.payload)
            if len(seen) == 2:
                return
            read = KinesisToDeltaOperator(task_id="read", **where)
            read.execute(Pushed())
            place.put(2)

    place.put(1)
    asyncio.run(asyncio.wait_for(listen(), EVENT_TIMEOUT_S))
    assert [event["stream"] for event in seen] == [place.stream] * 2
    assert seen[0]["since"] < seen[1]["since"]


def test_tasks_work_in_forked_processes(place: Place, tmp_path: Path) -> None:
    """Airflow forks a worker that may have used the library, with clients that are open."""
    place.put(1, 2, 3)
    program = str(Path(__file__).with_name("forked.py"))
    command = [sys.executable, program, str(tmp_path), place.bucket, place.stream]
    done = subprocess.run(command, capture_output=True, text=True, timeout=EVENT_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr


def test_what_no_retry_can_mend_fails_at_once(tmp_path: Path) -> None:
    bad = CleanOperator(task_id="clean", kind="pin", inputs="/nowhere.ndjson", to=f"{tmp_path}/x.unknown")
    with pytest.raises(AirflowFailException, match=r"ends in none of"):
        bad.execute(Pushed())
    missing = CleanOperator(task_id="clean", kind="pin", inputs="/nowhere.ndjson", to=f"{tmp_path}/x.ndjson")
    with pytest.raises(pinpipe.Error, match="nowhere"):
        missing.execute(Pushed())


def test_a_task_that_is_ended_by_a_signal_has_not_succeeded(tmp_path: Path) -> None:
    """The emulator ends on SIGTERM by itself; to Airflow that is a task to be tried again."""
    rows: list[bytes] = []

    def take(kind: str, row: bytes) -> None:
        rows.append(row)
        if len(rows) == 9:
            os.kill(os.getpid(), signal.SIGTERM)

    targets: Any = [take]
    emulate = EmulateOperator(task_id="emulate", to=targets, rows=100_000, state_dir=str(tmp_path))
    with pytest.raises(AirflowException, match="of 100000 draws"):
        emulate.execute(Pushed())
    assert 9 <= len(rows) < 300_000
