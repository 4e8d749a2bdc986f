"""Turns a wait for objects or for a table's progress into a task, on a worker or, deferred, without one.

Never loads pinpipe while a DAG is parsed; what it found goes to XCom as counts and names.
Rules: docs/airflow.md, "Sensors".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_pinpipe import _looks, links, triggers
from airflow_provider_pinpipe._compat import (
    AirflowException,
    BaseSensorOperator,
    Context,
    PokeReturnValue,
    conf,
)
from airflow_provider_pinpipe.hook import DEFAULT_CONNECTION, PinpipeHook, Services
from airflow_provider_pinpipe.operators import failing_for_good

__all__ = ["NewObjectsSensor", "StreamLagSensor"]


class PinpipeSensor(BaseSensorOperator):
    """A wait. Each has `trigger`, whose look is the sensor's too."""

    template_fields: Sequence[str] = ("pinpipe_conn_id",)
    ui_color = "#d6e6f4"

    def __init__(
        self,
        *,
        pinpipe_conn_id: str | None = DEFAULT_CONNECTION,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        """deferrable: wait in the triggerer. poke_interval and timeout as of every sensor."""
        super().__init__(**kwargs)
        self.pinpipe_conn_id = pinpipe_conn_id
        self.deferrable = deferrable

    def trigger(self) -> Any:
        """The trigger that waits for the same."""
        raise NotImplementedError

    def services(self) -> Services:
        """Those of the connection."""
        return PinpipeHook(self.pinpipe_conn_id).get_conn()

    def _kept(self) -> dict[str, Any]:
        seconds = self.poke_interval
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        return {"pinpipe_conn_id": self.pinpipe_conn_id, "poll_interval": float(seconds)}

    def poke(self, context: Context) -> PokeReturnValue:
        """One look."""
        import pinpipe

        with failing_for_good():
            try:
                found = self.trigger().look(self.services())
            except pinpipe.Error as error:
                if not error.retryable:
                    raise
                self.log.warning("%s", error)
                found = None
        return PokeReturnValue(found is not None, found)

    def execute(self, context: Context) -> Any:
        """Looks once; then waits here, or defers."""
        if not self.deferrable:
            return super().execute(context)
        at_once = self.poke(context)
        if at_once.is_done:
            return at_once.xcom_value
        self.defer(
            trigger=self.trigger(),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """What the trigger found. Raises AirflowException with what it failed with."""
        if "error" in event:
            raise AirflowException(event["error"])
        found: dict[str, Any] = event["found"]
        return found


class NewObjectsSensor(PinpipeSensor):
    """Waits until objects or files lie below a URL, since a time where one is named."""

    template_fields: Sequence[str] = (*PinpipeSensor.template_fields, "url", "newer_than")

    def __init__(self, *, url: str, newer_than: str | None = None, at_least: int = 1, **kwargs: Any) -> None:
        """url: s3://bucket/prefix or file:///dir. newer_than: ISO text, such as "{{ data_interval_start }}".

        Returns {"url", "count", "first", "last"}.
        """
        super().__init__(**kwargs)
        self.url = url
        self.newer_than = newer_than
        self.at_least = at_least

    def trigger(self) -> triggers.NewObjectsTrigger:
        """The trigger that waits for the same."""
        _looks.moment(self.newer_than)  # a text that is no time fails here, not in the triggerer
        return triggers.NewObjectsTrigger(
            **self._kept(), url=self.url, newer_than=self.newer_than, at_least=self.at_least
        )


class StreamLagSensor(PinpipeSensor):
    """Waits until a table has caught up with its stream: no record that it lacks is older than `max_lag_s`."""

    template_fields: Sequence[str] = (
        *PinpipeSensor.template_fields,
        "stream",
        "table",
        "record",
        "checkpoint",
        "region",
    )
    operator_extra_links = (links.StreamLink(),)

    def __init__(
        self,
        *,
        stream: str,
        table: str,
        max_lag_s: float = 60.0,
        record: str | None = None,
        checkpoint: str | None = None,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        """stream, table, record, checkpoint, region: as `KinesisToDeltaOperator`.

        Returns {"stream", "table", "lag_s", "since"}.
        """
        super().__init__(**kwargs)
        self.stream = stream
        self.table = table
        self.max_lag_s = max_lag_s
        self.record = record
        self.checkpoint = checkpoint
        self.region = region

    def execute(self, context: Context) -> Any:
        """Pushes the link, then waits."""
        region = self.region or self.services().region
        context["ti"].xcom_push(key=links.StreamLink.key, value=links.stream_url(self.stream, region))
        return super().execute(context)

    def trigger(self) -> triggers.StreamLagTrigger:
        """The trigger that waits for the same."""
        return triggers.StreamLagTrigger(
            **self._kept(),
            stream=self.stream,
            table=self.table,
            max_lag_s=self.max_lag_s,
            record=self.record,
            checkpoint=self.checkpoint,
            region=self.region,
        )
