"""Turns POST requests into records by Flask and confluent-kafka: what people write in place of a REST proxy.

Never answers before the delivery report; argument: what serves (flask, gunicorn), the port, the brokers.
Rules: bench/gateway.py; Flask's and gunicorn's documentation, "Deploying", "gthread".
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from confluent_kafka import Producer
from flask import Flask, Response, request

THREADS = 16


def _application(brokers: str) -> Flask:
    application = Flask(__name__)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "acks": "all"})

    def poll() -> None:
        while True:
            producer.poll(0.1)

    threading.Thread(target=poll, daemon=True).start()

    @application.post("/test/topics/<topic>")  # type: ignore[untyped-decorator]
    def post(topic: str) -> Response:
        records = json.loads(request.get_data())["records"]
        offsets: list[dict[str, Any]] = [{} for _ in records]
        left, done = [len(records)], threading.Event()

        def report(place: int) -> Any:
            def take(error: Any, message: Any) -> None:
                offsets[place] = {
                    "partition": message.partition(),
                    "offset": message.offset(),
                    "error_code": error and error.code(),
                    "error": error and error.str(),
                }
                left[0] -= 1
                if left[0] == 0:
                    done.set()

            return take

        for place, record in enumerate(records):
            value = json.dumps(record["value"], separators=(",", ":"), ensure_ascii=False).encode()
            producer.produce(topic, value, on_delivery=report(place))
        done.wait(25)
        body = json.dumps({"offsets": offsets, "key_schema_id": None, "value_schema_id": None})
        return Response(body, content_type="application/vnd.kafka.v2+json")

    return application


def main() -> None:
    """Serves until it is ended."""
    who, port, brokers = sys.argv[1:]
    print(port, flush=True)
    if who == "flask":
        import logging

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        _application(brokers).run("127.0.0.1", int(port), threaded=True)
        return
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", THREADS)
            self.cfg.set("loglevel", "error")

        def load(self) -> Flask:
            return _application(brokers)

    Server().run()


if __name__ == "__main__":
    main()
