"""Turns the demo's brokers and streams into the HTTP front door that the reference pipelines write to.

Never stores anything itself: it answers a request once Kafka or Kinesis has acknowledged it.
Rules: docs/gateway.md; domain notes §3 (the requests).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinpipe._gateway import Gateway, serve

if TYPE_CHECKING:
    from pinpipe._store import Store

STAGE = "demo"


@contextmanager
def front_door(brokers: str, store: Store | None) -> Iterator[Gateway]:
    """A gateway that serves in a thread of its own; without a store it leads to Kafka alone.

    Raises NotSupportedError where the library was built without it, or what serves HTTP for it cannot be loaded.
    """
    gateway = Gateway(
        "127.0.0.1:0",
        brokers,
        stages=[STAGE],
        kinesis=f"kinesis://{store.region}" if store else None,
        endpoint=store.endpoint if store else None,
        credentials=store.credentials if store else None,
    )
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=([gateway], stop), name="pinpipe-gateway", daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        stop.set()
        thread.join()
        gateway.close()
