"""Turns the package `ministack` into an object store of this process's own: the demo's embedded S3.

Never listens beyond 127.0.0.1, never installs into the product's environment, and never outlives this process.
Rules: CONTRACT §1; the pinned versions are those that were tried against this client.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import urllib.response
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from pinpipe import s3
from pinpipe._credentials import Credentials
from pinpipe._sign import sign
from pinpipe.errors import NotSupportedError, ServiceError

PACKAGES = ("ministack==1.5.33", "botocore==1.43.106")
REGION = "us-east-1"
INSTALL_TIMEOUT_S = 600
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
START_ATTEMPTS = 3

_ROOT = Credentials.static("test", "test")  # what the store begins with; a key of its own takes over
_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","kinesis:*"],"Resource":"*"}]}'
)
# The pipe's end tells the store that its owner is gone, even one that was killed.
_PROGRAM = """
import os, signal, sys, threading
def watch():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
from ministack.app import main
sys.exit(main())
"""


class Store:
    """An object store in a process of its own, with one IAM user and its key.

    `with Store() as store:` starts and stops it; meanwhile `endpoint`, `region` and `credentials` are set. Its
    content is kept in memory and ends with it.
    """

    def __init__(self, folder: str | os.PathLike[str] = Path("build") / "ministack") -> None:
        """Names the folder for the virtual environment and the log; nothing is installed or started yet."""
        self.folder = Path(folder).absolute()
        self.region = REGION
        self.endpoint = ""
        self.credentials: Credentials | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Store:
        """Starts the store."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()

    def install(self) -> None:
        """Makes the virtual environment where it is missing; takes up to a minute, once.

        Raises `NotSupportedError` with the installer's own words where that cannot be done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / "installed"
        with _locked(self.folder / "lock"):
            if mark.exists() and mark.read_text() == "\n".join(PACKAGES):
                return
            _must_run([sys.executable, "-m", "venv", "--clear", str(self.folder / "venv")])
            _must_run(
                [
                    str(self._python()),
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--no-compile",
                    *PACKAGES,
                ]
            )
            mark.write_text("\n".join(PACKAGES))

    def start(self) -> None:
        """Starts the store on a free port and waits until it answers. Raises `ServiceError` if it does not."""
        self.install()
        for attempt in range(START_ATTEMPTS):
            try:
                self._launch()
                self.credentials = self._make_key()
                return
            except ServiceError:
                self.stop()
                if attempt == START_ATTEMPTS - 1:
                    raise

    def stop(self) -> None:
        """Stops the store; its content is gone. Does nothing where none runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def client(self) -> s3.Client:
        """A client of the running store."""
        return s3.Client(self.endpoint, region=self.region, credentials=self._key())

    def environment(self) -> dict[str, str]:
        """The AWS_* variables with which any AWS client finds the running store."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self._key().access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._key().secret_access_key,
        }

    def _key(self) -> Credentials:
        if self.credentials is None:
            raise ServiceError("the embedded object store is not running")
        return self.credentials

    def _python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def _launch(self) -> None:
        port = _free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": self.region,
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "STATE_DIR": str(self.folder / "state"),
        }
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._python()), "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.folder,
            )
        self._wait(self._process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with _open(f"{self.endpoint}/_ministack/health"):
                    return
            except OSError:
                time.sleep(0.05)
        state = f"exit code {process.returncode}" if process.poll() is not None else "no answer"
        raise ServiceError(
            f"the embedded object store did not start: {state}; its log is {self.folder / 'log'}"
        )

    def _make_key(self) -> Credentials:
        user = "pinpipe"
        self._iam(Action="CreateUser", UserName=user)
        self._iam(Action="PutUserPolicy", UserName=user, PolicyName="data", PolicyDocument=_POLICY)
        answer = self._iam(Action="CreateAccessKey", UserName=user)
        parts = [
            re.search(f"<{name}>([^<]+)</{name}>", answer) for name in ("AccessKeyId", "SecretAccessKey")
        ]
        if not parts[0] or not parts[1]:
            raise ServiceError("the embedded object store gave no access key")
        return Credentials.static(parts[0][1], parts[1][1])

    def _iam(self, **parameters: str) -> str:
        url = f"{self.endpoint}/"
        body = urllib.parse.urlencode({"Version": "2010-05-08", **parameters}).encode()
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        signed = sign(
            "POST", url, headers=headers, body=body, service="iam", region=self.region, credentials=_ROOT
        )
        request = urllib.request.Request(url, data=body, headers=dict(signed.headers), method="POST")
        try:
            with _open(request) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise ServiceError(
                f"the embedded object store refused {parameters['Action']}: HTTP {error.code}",
                native_code=error.code,
            ) from error
        except OSError as error:
            raise ServiceError(f"the embedded object store hung up: {error}") from error


def _open(request: str | urllib.request.Request) -> urllib.response.addinfourl:
    """Without a proxy: the store is on this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: urllib.response.addinfourl = opener.open(request, timeout=10)
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One installer at a time, whatever process it is in."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _must_run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=INSTALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotSupportedError(f"the embedded object store cannot be installed: {error}") from error
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit code {done.returncode}"
        raise NotSupportedError(
            f"the embedded object store cannot be installed: {' '.join(command[1:4])}: {reason}"
        )
