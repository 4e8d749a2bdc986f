"""Turns what an Airflow line asks of a provider into checks: its info, its connection type, what parsing loads.

Never asks a service.
Rules: docs/airflow.md; Airflow's own schema of the provider's info.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import airflow
import airflow_provider_pinpipe
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow_provider_pinpipe import _compat, _form
from airflow_provider_pinpipe.hook import PinpipeHook, Services

from tests.airflow.home import DAGS

VERSION = tuple(int(part) for part in importlib.metadata.version("apache-airflow").split(".")[:2])
HEAVY = ("pinpipe", "pyarrow", "pandas", "duckdb", "deltalake", "matplotlib", "numpy")


def test_names_come_from_this_lines_own_home() -> None:
    assert (VERSION >= (3, 0)) == _compat.AIRFLOW_3
    home = "airflow.sdk" if _compat.AIRFLOW_3 else "airflow."
    for name in ("BaseHook", "BaseOperator", "BaseOperatorLink", "BaseSensorOperator", "XCom", "Connection"):
        assert getattr(_compat, name).__module__.startswith(home), name
        assert _compat.AIRFLOW_3 or not getattr(_compat, name).__module__.startswith("airflow.sdk")


def test_info_fits_this_lines_schema() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = airflow_provider_pinpipe.get_provider_info()
    jsonschema.validate(info, schema)
    # 2.x's schema names less than its manager reads; what Airflow's own providers tell is the rest.
    told = {
        key
        for name, provider in ProvidersManager().providers.items()
        if name.startswith("apache-airflow-providers-")
        for key in provider.data
    }
    assert set(info) <= {*schema["properties"], *told}
    assert importlib.metadata.version("airflow-provider-pinpipe") == airflow_provider_pinpipe.__version__


def test_airflow_knows_the_provider() -> None:
    manager = ProvidersManager()
    assert "airflow-provider-pinpipe" in manager.providers
    hook = manager.hooks["pinpipe"]
    assert hook is not None and hook.hook_class_name == "airflow_provider_pinpipe.hook.PinpipeHook"
    links = {"ReportLink", "StreamLink"}
    assert {f"airflow_provider_pinpipe.links.{name}" for name in links} <= set(
        manager.extra_links_class_names
    )
    fields = {
        name.rpartition("__")[2]
        for name in manager.connection_form_widgets
        if name.startswith("extra__pinpipe__")
    }
    assert fields == set(_form.FIELDS)
    assert manager.field_behaviours["pinpipe"]["relabeling"] == _form.BEHAVIOUR["relabeling"]


def test_parsing_the_examples_loads_nothing_heavy() -> None:
    files = [str(path) for path in sorted(DAGS.glob("*_dag.py"))]
    assert len(files) >= 2
    program = (
        "import runpy, sys, airflow\n"
        "try:\n    import airflow.sdk.definitions.dag\nexcept ImportError:\n    import airflow.models.dag\n"
        "own = set(sys.modules)\n"
        f"[runpy.run_path(path) for path in {files!r}]\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in own])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=DAGS
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("told", "services"),
    [
        ({}, Services()),
        (
            {
                "login": "AKID",
                "password": "a-secret-key",
                "host": "http://127.0.0.1:9",
                "schema": "bucket",
                "extra": {"region": "eu-west-1", "session_token": "a-session-token", "brokers": "b:9092"},
            },
            Services(
                key="AKID",
                secret="a-secret-key",
                token="a-session-token",
                region="eu-west-1",
                endpoint_url="http://127.0.0.1:9",
                brokers="b:9092",
                bucket="bucket",
            ),
        ),
        ({"extra": {"kafka": "iam"}}, Services(kafka_iam=True)),
        (
            {"extra": {"kafka": '{"security.protocol": "ssl"}', "profile": "p"}},
            Services(kafka={"security.protocol": "ssl"}, profile="p"),
        ),
    ],
)
def test_a_connection_is_read(
    told: dict[str, object], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PINPIPE_TEST", json.dumps({"conn_type": "pinpipe", **told}))
    found = PinpipeHook("pinpipe_test").get_conn()
    assert found == services
    assert "a-secret-key" not in repr(found) and "a-session-token" not in repr(found)


def test_a_task_has_the_connections_environment_and_leaves_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"conn_type": "pinpipe", "extra": {"profile": "team", "region": "eu-west-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_PINPIPE_TEST", json.dumps(told))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHEWORKER")
    monkeypatch.delenv("AWS_REGION", raising=False)
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="a task"), PinpipeHook("pinpipe_test").environment():
        assert os.environ["AWS_PROFILE"] == "team" and os.environ["AWS_REGION"] == "eu-west-1"
        assert "AWS_ACCESS_KEY_ID" not in os.environ, "it would win over the profile"
        raise RuntimeError("a task that fails")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ("mysql://pin:a%2Fb%40c@db:3306/pins", "mysql+pymysql://pin:a%2Fb%40c@db:3306/pins"),
        ("postgres://pin@db/pins", "postgresql+psycopg://pin@db/pins"),
        ('{"conn_type": "sqlite", "host": "/data/pins.db"}', "sqlite:////data/pins.db"),
    ],
)
def test_a_database_connection_is_a_source(
    connection: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", connection)
    assert PinpipeHook(None).source_url("source") == url


def test_a_missing_connection_is_the_environments_only_by_default() -> None:
    assert PinpipeHook().get_conn() == PinpipeHook(None).get_conn() == Services()
    with pytest.raises(_compat.AirflowNotFoundException):
        PinpipeHook("no_such_connection").get_conn()
