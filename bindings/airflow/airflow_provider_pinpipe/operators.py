"""Turns the steps of the pipeline into tasks: emulate, Kafka to S3, Kinesis to Delta, clean, answer.

Never loads pinpipe while a DAG is parsed, never passes rows between tasks: a task returns counts and places.
Rules: docs/airflow.md; the steps are those of pinpipe.jobs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_pinpipe import assets, links
from airflow_provider_pinpipe._compat import (
    AirflowException,
    AirflowFailException,
    BaseOperator,
    Context,
)
from airflow_provider_pinpipe.hook import DEFAULT_CONNECTION, PinpipeHook, Services

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

__all__ = [
    "CleanOperator",
    "EmulateOperator",
    "KafkaToS3Operator",
    "KinesisToDeltaOperator",
    "QueryOperator",
]


@contextmanager
def failing_for_good() -> Iterator[None]:
    """Ends a task without its retries where they could change nothing: a wrong argument, bad data, a missing part."""
    import pinpipe

    errors = pinpipe.errors
    hopeless = (
        errors.InvalidArgumentError,
        errors.LimitError,
        errors.DataError,  # a failed expectation is one
        errors.NotSupportedError,
    )
    try:
        yield
    except hopeless as error:
        raise AirflowFailException(str(error)) from error


class PinpipeOperator(BaseOperator):
    """A step of the pipeline. Each has `work`, which returns what goes to XCom: counts and places."""

    template_fields: Sequence[str] = ("pinpipe_conn_id",)
    ui_color = "#f4dcd6"

    def __init__(self, *, pinpipe_conn_id: str | None = DEFAULT_CONNECTION, **kwargs: Any) -> None:
        """pinpipe_conn_id: whose services; where it does not exist, the worker's environment's."""
        super().__init__(**kwargs)
        self.pinpipe_conn_id = pinpipe_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Does the step with the connection as environment."""
        hook = PinpipeHook(self.pinpipe_conn_id)
        with hook.environment() as services, failing_for_good():
            return self.work(hook, services, context)

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """The step itself."""
        raise NotImplementedError

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """URLs that are read, and URLs that are written."""
        raise NotImplementedError

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """What was read and written, for OpenLineage's listener."""
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import Dataset

        read, written = (
            [Dataset(namespace=namespace, name=name) for namespace, name in assets.lineage_names(urls)]
            for urls in self.lineage()
        )
        return OperatorLineage(inputs=read, outputs=written)


class EmulateOperator(PinpipeOperator):
    """Draws rows of the three tables as the course's emulator does and sends them."""

    template_fields: Sequence[str] = (
        *PinpipeOperator.template_fields,
        "to",
        "source",
        "source_conn_id",
        "rows",
        "seed",
        "user_id",
        "state_dir",
    )

    def __init__(
        self,
        *,
        to: str | Sequence[str],
        rows: int | str,
        source: str | None = None,
        source_conn_id: str | None = None,
        seed: int | str = 100,
        user_id: str = "demo",
        rate: float | str | None = None,
        state_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Arguments as those of `pinpipe.emulate`.

        to: one target or several, such as kafka://brokers, kinesis://region, file:///dir. source_conn_id: a connection
        of type mysql, postgres or sqlite, in place of source. state_dir: a place that outlives the task; with it
        each run goes on after the last draw of the one before.
        """
        super().__init__(**kwargs)
        self.to = to
        self.rows = rows
        self.source = source
        self.source_conn_id = source_conn_id
        self.seed = seed
        self.user_id = user_id
        self.rate = rate
        self.state_dir = state_dir

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """Draws and sends."""
        import pinpipe

        summary = pinpipe.emulate(
            hook.source_url(self.source_conn_id) if self.source_conn_id else self.source,
            [self.to] if isinstance(self.to, str) else list(self.to),
            rows=int(self.rows),
            seed=int(self.seed),
            user_id=self.user_id,
            rate=self.rate,
            resume=self.state_dir is not None,
            state_dir=self.state_dir,
        )
        if summary.stopped != "rows":
            raise AirflowException(f"stopped after {summary.draws} of {self.rows} draws")
        return dataclasses.asdict(summary)

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """The targets."""
        return (self.source,), [self.to] if isinstance(self.to, str) else list(self.to)


class KafkaToS3Operator(PinpipeOperator):
    """Stores what the topics hold as objects, each offset in one object, and ends when nothing more comes."""

    template_fields: Sequence[str] = (
        *PinpipeOperator.template_fields,
        "topics",
        "to",
        "brokers",
        "group",
        "connector",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"connector": "json"}

    def __init__(
        self,
        *,
        topics: str,
        to: str,
        brokers: str | None = None,
        group: str | None = None,
        idle: float = 10.0,
        connector: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Arguments as those of the object sink (docs/sink.md).

        topics: a regular expression for whole names. to: s3://bucket/prefix or file:///dir. brokers: else the
        connection's. idle: seconds without a record after which the task ends. connector: settings of a Confluent S3
        sink connector.
        """
        super().__init__(**kwargs)
        self.topics = topics
        self.to = to
        self.brokers = brokers
        self.group = group
        self.idle = idle
        self.connector = connector

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """Reads and stores."""
        import pinpipe

        brokers = self.brokers or services.brokers
        if not brokers:
            raise AirflowFailException(
                f"neither the task nor connection {self.pinpipe_conn_id} names brokers"
            )
        stored = pinpipe.jobs.store(
            brokers,
            self.topics,
            self.to,
            idle=self.idle,
            group=self.group,
            s3=services.s3() if self.to.startswith("s3://") else None,
            connector=[self.connector] if self.connector else (),
            **services.sink_options(),
        )
        return dataclasses.asdict(stored)

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """Topics are told where the task itself names the brokers."""
        return (f"kafka://{self.brokers}/{self.topics}" if self.brokers else None,), (self.to,)


class KinesisToDeltaOperator(PinpipeOperator):
    """Reads a stream to its present end into a Delta table of clean rows, each record's row once."""

    template_fields: Sequence[str] = (
        *PinpipeOperator.template_fields,
        "stream",
        "table",
        "record",
        "checkpoint",
        "rejects",
        "region",
        "profile",
    )
    operator_extra_links = (links.StreamLink(),)

    def __init__(
        self,
        *,
        stream: str,
        table: str,
        record: str | None = None,
        mode: Literal["append", "merge"] = "append",
        start: str = "earliest",
        checkpoint: str | None = None,
        rejects: str | None = None,
        region: str | None = None,
        profile: str = "course",
        **kwargs: Any,
    ) -> None:
        """Arguments as those of `pinpipe.stream`; table: delta+s3://bucket/prefix or delta+file:///dir."""
        super().__init__(**kwargs)
        self.stream = stream
        self.table = table
        self.record = record
        self.mode = mode
        self.start = start
        self.checkpoint = checkpoint
        self.rejects = rejects
        self.region = region
        self.profile = profile

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """Reads and commits."""
        import pinpipe

        region = self.region or services.region
        context["ti"].xcom_push(key=links.StreamLink.key, value=links.stream_url(self.stream, region))
        summary = pinpipe.stream(
            self.stream,
            self.table,
            record=self.record,
            mode=self.mode,
            start=self.start,
            checkpoint=self.checkpoint,
            rejects=self.rejects,
            profile=self.profile,
            available_now=True,
            **services.kinesis(self.region),
        )
        return {**dataclasses.asdict(summary), "census": dict(summary.census)}

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """The stream and the table."""
        return (f"kinesis://{self.region or assets.DEFAULT_REGION}/{self.stream}",), (self.table,)


class CleanOperator(PinpipeOperator):
    """Cleans raw records into a file or a Delta table, with rejects and census beside it."""

    template_fields: Sequence[str] = (
        *PinpipeOperator.template_fields,
        "kind",
        "inputs",
        "to",
        "rejects",
        "census",
        "profile",
        "expect",
    )

    def __init__(
        self,
        *,
        kind: str,
        inputs: str | Sequence[str],
        to: str,
        input_format: str = "auto",
        dedupe: str = "none",
        profile: str = "course",
        rejects: str | None = None,
        census: str | None = None,
        expect: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Arguments as those of `pinpipe.jobs.clean`.

        inputs: paths, or s3://bucket/prefix/. to: .ndjson .csv .arrow .parquet, delta+s3://… or delta+file://….
        expect: "course" or a rule file; the task fails for good where a fatal expectation does.
        """
        super().__init__(**kwargs)
        self.kind = kind
        self.inputs = inputs
        self.to = to
        self.input_format = input_format
        self.dedupe = dedupe
        self.profile = profile
        self.rejects = rejects
        self.census = census
        self.expect = expect

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """Cleans."""
        import pinpipe

        cleaned = pinpipe.jobs.clean(
            self.kind,
            self.inputs,
            self.to,
            input_format=self.input_format,
            dedupe=self.dedupe,
            profile=self.profile,
            rejects=self.rejects,
            census=self.census,
            expect=self.expect,
        )
        return dataclasses.asdict(cleaned)

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """Inputs, and all that is written."""
        inputs = [self.inputs] if isinstance(self.inputs, str) else list(self.inputs)
        return inputs, (self.to, self.rejects, self.census)


class QueryOperator(PinpipeOperator):
    """Answers the questions from clean tables: rows as JSON, and a page for people."""

    template_fields: Sequence[str] = (
        *PinpipeOperator.template_fields,
        "pin",
        "geo",
        "user",
        "answers",
        "report",
        "cleaned",
        "reading",
    )
    operator_extra_links = (links.ReportLink(),)

    def __init__(
        self,
        *,
        pin: str | None = None,
        geo: str | None = None,
        user: str | None = None,
        questions: Sequence[str] | None = None,
        reading: Mapping[str, str] | None = None,
        dedupe: str = "ind",
        answers: str | None = None,
        report: str | None = None,
        cleaned: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        """Arguments as those of `pinpipe.jobs.answer`.

        pin, geo, user: clean tables, as `pinpipe.query` takes them. questions: q1 … q8, all where none are named.
        answers: where the JSON goes; report: where the page goes: a path, file:///… or s3://bucket/key. cleaned: what
        clean tasks returned (their `.output`), for the page's census.
        """
        super().__init__(**kwargs)
        self.pin = pin
        self.geo = geo
        self.user = user
        self.questions = questions
        self.reading = reading
        self.dedupe = dedupe
        self.answers = answers
        self.report = report
        self.cleaned = cleaned

    def work(self, hook: PinpipeHook, services: Services, context: Context) -> dict[str, Any]:
        """Answers and writes."""
        import pinpipe

        if self.report:
            link = links.report_url(self.report, services.region)
            context["ti"].xcom_push(key=links.ReportLink.key, value=link)
        answers = pinpipe.jobs.answer(
            {"pin": self.pin, "geo": self.geo, "user": self.user},
            questions=self.questions or pinpipe.jobs.QUESTIONS,
            reading=self.reading,
            dedupe=self.dedupe,
            answers=self.answers,
            report=self.report,
            census={each["kind"]: each["census"] for each in self.cleaned},
        )
        return dataclasses.asdict(answers)

    def lineage(self) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """The tables, the answers and the page."""
        return (self.pin, self.geo, self.user), (self.answers, self.report)
