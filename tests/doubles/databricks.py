"""Turns Databricks' calls for one-time runs into runs of notebooks on this machine, by whoever can run one.

Never listens beyond 127.0.0.1, never runs a file outside of its folder, never outlives its block.
Rules: the Jobs API (runs/submit, runs/get, runs/get-output), as Airflow's operators of the versions 7.7 to 7.23 use it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = re.compile(r"/api/2\.[012]/(jobs/runs/(?:submit|get|get-output)|clusters/spark-versions)\Z")
STOP_TIMEOUT_S = 60.0
TOKEN_LETTERS = 64


@dataclass
class Run:
    """A run that was submitted: what was asked for, and what became of it. error: None where all is well."""

    number: int
    asked: dict[str, Any]
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def state(self) -> dict[str, str]:
        """As the API tells it."""
        if not self.done.is_set():
            return {"life_cycle_state": "RUNNING", "state_message": "In run"}
        if self.error is None:
            return {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
        return {
            "life_cycle_state": "TERMINATED",
            "result_state": "FAILED",
            "state_message": "Workload failed, see run output for details",
        }


class Workspace:
    """One workspace with a token; its notebooks are those of `folder`, run by `runner` with their parameters.

    `runs` are those that were submitted; `refused` what was wrong with requests. `answers_lost` submissions begin their
    run and answer 503 instead of its number.
    """

    def __init__(self, folder: Path, token: str, runner: Callable[[Path, dict[str, str]], None]) -> None:
        self.folder = folder.resolve()
        self.token = token
        self.runner = runner
        self.answers_lost = 0
        self.runs: list[Run] = []
        self.refused: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def connection(self) -> str:
        """Airflow's connection to it, as JSON of an AIRFLOW_CONN_… variable."""
        told = {"conn_type": "databricks", "host": "127.0.0.1", "port": self.port, "schema": "http"}
        return json.dumps({**told, "password": self.token})

    def __enter__(self) -> Workspace:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        for run in self.runs:
            run.done.wait(STOP_TIMEOUT_S)

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """(status, JSON) of one request."""
        url = urlsplit(target)
        found = API.fullmatch(url.path)
        if token != f"Bearer {self.token}":
            return 403, self._refuse("PERMISSION_DENIED", "the token is not the workspace's")
        if not found:
            return 404, self._refuse("ENDPOINT_NOT_FOUND", f"no API found for '{method} {url.path}'")
        call = found[1].rpartition("/")[2]
        asked = json.loads(body) if body else {}
        if call == "spark-versions":
            return 200, {"versions": [{"key": "15.4.x-scala2.12", "name": "15.4 LTS"}]}
        if call == "submit":
            return self._submit(asked)
        number = int(parse_qs(url.query).get("run_id", [asked.get("run_id", 0)])[0])
        run = next((run for run in self.runs if run.number == number), None)
        if run is None:
            return 400, self._refuse("INVALID_PARAMETER_VALUE", f"run {number} does not exist")
        return 200, self._told(run, call)

    def _told(self, run: Run, call: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "run_id": run.number,
            "run_name": run.asked.get("run_name", "Untitled"),
            "run_page_url": f"http://127.0.0.1:{self.port}/#job/run/{run.number}",
            "state": run.state(),
        }
        if call == "get-output":
            return {"metadata": told, "error": (run.error or "")[-2000:], "notebook_output": {}}
        return {**told, "tasks": [{"run_id": run.number, "task_key": "notebook", "state": run.state()}]}

    def _submit(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        token = asked.get("idempotency_token")
        if token and len(token) > TOKEN_LETTERS:
            return 400, self._refuse("INVALID_PARAMETER_VALUE", "idempotency_token is too long")
        with self._lock:
            run = next(
                (run for run in self.runs if token and run.asked.get("idempotency_token") == token), None
            )
            if run is None:
                path = (self.folder / str(asked["notebook_task"]["notebook_path"]).lstrip("/")).resolve()
                run = Run(len(self.runs) + 1, asked)
                self.runs.append(run)
                threading.Thread(target=self._work, args=(run, path), daemon=True).start()
            if self.answers_lost > 0:
                self.answers_lost -= 1
                return 503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "the answer was lost"}
        return 200, {"run_id": run.number}

    def _work(self, run: Run, path: Path) -> None:
        task = run.asked["notebook_task"]
        try:
            if not path.is_relative_to(self.folder) or not path.is_file():
                run.error = f"Unable to access the notebook '{task['notebook_path']}'"
                return
            self.runner(path, dict(task.get("base_parameters") or {}))
        except Exception as error:
            run.error = str(error)
        finally:
            run.done.set()

    def _refuse(self, code: str, message: str) -> dict[str, Any]:
        self.refused.append(message)
        return {"error_code": code, "message": message}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        workspace = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply("GET")

            def do_POST(self) -> None:
                self._reply("POST")

            def _reply(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers.get("Authorization", "")
                status, told = workspace.answer(method, self.path, token, body)
                answer = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
