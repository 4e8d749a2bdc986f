"""Turns a connection of type `pinpipe` into clients of the services that the pipeline runs on.

Never loads pinpipe before a method is called, never keeps a client across a fork: each call makes its own.
Rules: docs/airflow.md, "Connection".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_pinpipe import _form
from airflow_provider_pinpipe._compat import AirflowNotFoundException, BaseHook, Connection

if TYPE_CHECKING:
    import pinpipe
    from pinpipe.jobs import Storage

DEFAULT_CONNECTION = "pinpipe_default"
TEST_TIMEOUT_S = 15.0

_DATABASES = {"mysql": "mysql+pymysql", "postgres": "postgresql+psycopg"}


@dataclass(frozen=True)
class Services:
    """What a connection says, by its meaning; what it leaves out is the environment's to say."""

    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    endpoint_url_kinesis: str | None = None
    brokers: str | None = None
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    kafka_iam: bool = False
    bucket: str | None = None
    stream: str | None = None

    @classmethod
    def of(cls, connection: Connection) -> Services:
        """What a connection says. Raises ValueError where its Kafka settings are no JSON object."""
        extra: dict[str, Any] = connection.extra_dejson
        told = {name: str(extra[name]) for name in _form.FIELDS if name != "kafka" and extra.get(name)}
        kafka = extra.get("kafka") or {}
        iam = kafka == "iam"
        if isinstance(kafka, str) and not iam:
            kafka = json.loads(kafka)
        if not iam and not isinstance(kafka, dict):
            raise ValueError("kafka: neither iam nor a JSON object of settings")
        return cls(
            key=connection.login or None,
            secret=connection.password or None,
            token=told.pop("session_token", None),
            endpoint_url=connection.host or None,
            bucket=connection.schema or None,
            kafka={} if iam else {name: str(value) for name, value in kafka.items()},
            kafka_iam=iam,
            **told,
        )

    def credentials(self) -> pinpipe.Credentials | None:
        """The connection's key or profile; None = the environment's."""
        import pinpipe

        if self.key:
            return pinpipe.Credentials.static(self.key, self.secret or "", self.token)
        return pinpipe.Credentials.default(profile=self.profile) if self.profile else None

    def kinesis(self, region: str | None = None) -> dict[str, Any]:
        """Arguments of everything that reads or writes a stream."""
        return {
            "endpoint": self.endpoint_url_kinesis or self.endpoint_url,
            "region": region or self.region,
            "credentials": self.credentials(),
        }

    def s3(self) -> pinpipe.s3.Client:
        """A client of the object store."""
        import pinpipe

        return pinpipe.s3.Client(self.endpoint_url, region=self.region, credentials=self.credentials())

    def storage(self) -> Storage | None:
        """How a Delta table in S3 is reached; None where the connection names neither key nor endpoint."""
        if not (self.key or self.profile or self.endpoint_url):
            return None
        from pinpipe.jobs import Storage

        told = {
            name: value
            for name, value in self.environment().items()
            if value and name in ("AWS_ENDPOINT_URL", "AWS_REGION")
        }
        credentials = self.credentials()
        if credentials:
            told["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
            told["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
            if credentials.session_token:
                told["AWS_SESSION_TOKEN"] = credentials.session_token
        told["AWS_ALLOW_HTTP"] = str((self.endpoint_url or "").startswith("http://")).lower()
        return Storage(self.s3(), told)

    def environment(self) -> dict[str, str | None]:
        """The variables that say the same; None = must not be set beside them."""
        told: dict[str, str | None] = {}
        if self.key:
            told |= {
                "AWS_ACCESS_KEY_ID": self.key,
                "AWS_SECRET_ACCESS_KEY": self.secret or "",
                "AWS_SESSION_TOKEN": self.token,
                "AWS_PROFILE": None,
            }
        elif self.profile:
            told |= {
                "AWS_PROFILE": self.profile,
                **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")),
            }
        if self.region:
            told |= {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.endpoint_url:
            told |= {"AWS_ENDPOINT_URL": self.endpoint_url, "AWS_ENDPOINT_URL_S3": None}
        if self.endpoint_url_kinesis:
            told["AWS_ENDPOINT_URL_KINESIS"] = self.endpoint_url_kinesis
        return told

    def sink_options(self) -> dict[str, Any]:
        """Arguments of the object sink and of Kafka's clients for the brokers' login."""
        iam = (self.credentials() or True) if self.kafka_iam else None
        return {"settings": dict(self.kafka) or None, "iam": iam, "region": self.region if iam else None}


class PinpipeHook(BaseHook):
    """The services of a connection, see docs/airflow.md. Where `pinpipe_default` does not exist the environment's."""

    conn_name_attr = "pinpipe_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "pinpipe"
    hook_name = "Pinpipe"

    def __init__(self, pinpipe_conn_id: str | None = DEFAULT_CONNECTION, **kwargs: Any) -> None:
        """Looks nothing up. pinpipe_conn_id: None = the environment's services."""
        super().__init__(**kwargs)
        self.pinpipe_conn_id = pinpipe_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Airflow 2's form; Airflow 3 reads the provider's info."""
        return _form.BEHAVIOUR

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Airflow 2's form; Airflow 3 reads the provider's info."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import PasswordField, StringField

        return {
            name: PasswordField(label, description=meaning, widget=BS3PasswordFieldWidget())
            if name in _form.SECRET_FIELDS
            else StringField(label, description=meaning, widget=BS3TextFieldWidget())
            for name, (label, meaning) in _form.FIELDS.items()
        }

    def get_conn(self) -> Services:
        """What the connection says."""
        if self.pinpipe_conn_id is None:
            return Services()
        with self._perhaps():
            return Services.of(self.get_connection(self.pinpipe_conn_id))
        return Services()

    async def get_async_conn(self) -> Services:
        """The same in a trigger, whose loop must not wait: Airflow 3 has a way of its own to ask from there."""
        if self.pinpipe_conn_id is None or not hasattr(self, "aget_connection"):
            from asgiref.sync import sync_to_async

            return await sync_to_async(self.get_conn)()
        with self._perhaps():
            return Services.of(await self.aget_connection(self.pinpipe_conn_id))
        return Services()

    @contextmanager
    def _perhaps(self) -> Iterator[None]:
        """A default connection that does not exist is none."""
        try:
            yield
        except AirflowNotFoundException:
            if self.pinpipe_conn_id != DEFAULT_CONNECTION:
                raise

    @contextmanager
    def environment(self) -> Iterator[Services]:
        """The connection as AWS_… variables of this process, for what looks nowhere else; they are put back.

        For a task's process only: a triggerer is shared by many.
        """
        services = self.get_conn()
        told = services.environment()
        before = {name: os.environ.get(name) for name in told}
        _set(told)
        try:
            yield services
        finally:
            _set(before)

    def test_connection(self) -> tuple[bool, str]:
        """Asks for the key, and each service that the connection names: brokers, the bucket, the stream."""
        import pinpipe

        try:
            services = self.get_conn()
            return True, "; ".join(_seen(services)) or "nothing is set: tasks use the worker's environment"
        except (pinpipe.Error, ValueError) as error:
            return False, str(error)

    def source_url(self, conn_id: str) -> str:
        """The URL of the database behind a connection of type mysql, postgres or sqlite, for `pinpipe.emulate`."""
        connection = self.get_connection(conn_id)
        if connection.conn_type == "sqlite":
            return f"sqlite:///{connection.host}"
        driver = _DATABASES.get(connection.conn_type or "")
        if driver is None:
            raise ValueError(
                f"connection {conn_id}: its type is none of {', '.join([*_DATABASES, 'sqlite'])}"
            )
        login = quote(connection.login or "", safe="")
        if connection.password:
            login += ":" + quote(connection.password, safe="")
        port = f":{connection.port}" if connection.port else ""
        return f"{driver}://{login}@{connection.host}{port}/{connection.schema or ''}"


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _seen(services: Services) -> Iterator[str]:
    import pinpipe

    credentials = services.credentials()
    if credentials:
        yield f"key {credentials.access_key_id[:4]}… ({credentials.source})"
    if services.brokers:
        with pinpipe.kafka.Admin(services.brokers, **services.sink_options()) as admin:
            yield f"brokers: {len(admin.topics(TEST_TIMEOUT_S))} topics"
    if services.bucket:
        found = next(services.s3().list(services.bucket, page_size=1, timeout=TEST_TIMEOUT_S), None)
        yield f"bucket {services.bucket}: {'objects' if found else 'empty'}"
    if services.stream:
        client = pinpipe.kinesis.Client(**services.kinesis(), timeout=TEST_TIMEOUT_S)
        yield f"stream {services.stream}: {client.describe_stream(services.stream).state}"
