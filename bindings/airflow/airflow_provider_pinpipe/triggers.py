"""Turns a look that is repeated into an event: for tasks that wait without a worker, and for assets.

Never holds a secret: a trigger carries the connection's name, and looks it up where it runs. Never blocks the loop.
Rules: docs/airflow.md, "Triggers"; Airflow's BaseTrigger and BaseEventTrigger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow_provider_pinpipe import _looks
from airflow_provider_pinpipe._compat import BaseEventTrigger, BaseTrigger, TriggerEvent
from airflow_provider_pinpipe.hook import PinpipeHook, Services

_PATH = "airflow_provider_pinpipe.triggers"


class _LookTrigger(BaseTrigger):
    """Looks until there is an answer, then fires once. A failure that a retry may mend is looked past."""

    def __init__(self, *, pinpipe_conn_id: str | None, poll_interval: float, **arguments: Any) -> None:
        super().__init__()
        self.pinpipe_conn_id = pinpipe_conn_id
        self.poll_interval = poll_interval
        self.arguments = arguments

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as JSON takes them."""
        kept = {"pinpipe_conn_id": self.pinpipe_conn_id, "poll_interval": self.poll_interval}
        return f"{_PATH}.{type(self).__name__}", {**kept, **self.arguments}

    def look(self, services: Services) -> dict[str, Any] | None:
        """One look, in a thread."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fires `{"found": …}`, or `{"error": …}` where waiting on would change nothing."""
        import pinpipe

        services = await PinpipeHook(self.pinpipe_conn_id).get_async_conn()
        while True:
            try:
                found = await asyncio.to_thread(self.look, services)
            except pinpipe.Error as error:
                if not error.retryable:
                    yield TriggerEvent({"error": str(error)})
                    return
                found = None
            if found is not None:
                yield TriggerEvent({"found": found})
                return
            await asyncio.sleep(self.poll_interval)


class NewObjectsTrigger(_LookTrigger):
    """Fires when enough objects lie below a URL; arguments as those of `NewObjectsSensor`."""

    def look(self, services: Services) -> dict[str, Any] | None:
        """Lists the objects."""
        return _looks.new_objects(services, **self.arguments)


class StreamLagTrigger(_LookTrigger):
    """Fires when a table has caught up with its stream; arguments as those of `StreamLagSensor`."""

    def look(self, services: Services) -> dict[str, Any] | None:
        """Compares the table's positions with the stream."""
        arguments = dict(self.arguments)
        most_s = arguments.pop("max_lag_s")
        found = _looks.stream_lag(services, **arguments)
        return found if found["lag_s"] <= most_s else None


class KinesisRecordsTrigger(BaseEventTrigger):
    """Fires each time a stream has records that a table lacks; on Airflow 3 for an `AssetWatcher`.

    The table's own log tells where it stands, so nothing is passed over while no triggerer runs. It fires again when
    the oldest record that waits is another one, or after `repeat_after` seconds.
    """

    def __init__(
        self,
        *,
        stream: str,
        table: str,
        record: str | None = None,
        checkpoint: str | None = None,
        region: str | None = None,
        pinpipe_conn_id: str | None = "pinpipe_default",
        poll_interval: float = 10.0,
        repeat_after: float = 600.0,
    ) -> None:
        """stream, table, record, checkpoint, region: as `KinesisToDeltaOperator`, which reads what this tells of."""
        super().__init__()
        self.stream = stream
        self.table = table
        self.record = record
        self.checkpoint = checkpoint
        self.region = region
        self.pinpipe_conn_id = pinpipe_conn_id
        self.poll_interval = poll_interval
        self.repeat_after = repeat_after

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as JSON takes them."""
        names = ("pinpipe_conn_id", "poll_interval", "repeat_after")
        return f"{_PATH}.KinesisRecordsTrigger", {
            **self._place(),
            **{name: getattr(self, name) for name in names},
        }

    def _place(self) -> dict[str, Any]:
        names = ("stream", "table", "record", "checkpoint", "region")
        return {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fires `{"stream", "table", "lag_s", "since"}` without end."""
        import pinpipe

        services = await PinpipeHook(self.pinpipe_conn_id).get_async_conn()
        told: str | None = None
        told_at = 0.0
        while True:
            try:
                found = await asyncio.to_thread(_looks.stream_lag, services, **self._place())
            except pinpipe.Error as error:
                if not error.retryable:
                    raise
                self.log.warning("%s", error)
            else:
                waits = found["since"] is not None
                if waits and (found["since"] != told or time.monotonic() - told_at >= self.repeat_after):
                    told, told_at = found["since"], time.monotonic()
                    yield TriggerEvent(found)
            await asyncio.sleep(self.poll_interval)
