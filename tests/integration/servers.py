"""Turns a name of a real server into a running process on a free loopback port, and stops it.

Never leaves a process behind and never listens beyond 127.0.0.1; a missing tool is a failure that names it.
Rules: tests/README.md.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import random
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.certificate import Certificate

TOOLS = Path(__file__).parents[2] / ".tools"
VERSITYGW_MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
PORTS = (20_000, 32_000)
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
NPM_TIMEOUT_S = 300


#: Keys whose bytes a URL and a signature must encode.
SPECIAL_KEYS = [
    "topics/0a1b.pin/partition=0/0a1b.pin+0+0000000000.json",
    "plus+equals=blank in the middle",
    "unicode/ключ/日本/é/😀",
    "quote's/(brackets)/[square]/{curly}",
    "percent/100%/%41/%zz",
    "question?mark&and#hash",
    "semi;colon:at@comma,dollar$star*bang!tilde~",
    'less<than>greater"double`tick|pipe^caret',
    "tab\tin key",
]


def npm_environment() -> dict[str, str]:
    """For npm: the account's own settings, which tell its registry, also where HOME is another folder.

    It trusts the authorities that the system trusts, as the other packages' clients do, not only Node's own.
    """
    known = {
        "NPM_CONFIG_USERCONFIG": Path(pwd.getpwuid(os.getuid()).pw_dir) / ".npmrc",
        "NODE_EXTRA_CA_CERTS": Path("/etc/ssl/certs/ca-certificates.crt"),
    }
    return {name: str(path) for name, path in known.items() if path.exists()} | dict(os.environ)


def npm_packages(name: str, *packages: str) -> Path:
    """The folder of npm packages, `package@version`, installed once below `.tools/<name>`."""
    folder = TOOLS / name
    folder.mkdir(parents=True, exist_ok=True)
    with alone(name):
        mark = folder / "installed"
        if not mark.exists() or mark.read_text() != "\n".join(packages):
            npm = shutil.which("npm")
            if not npm:
                pytest.fail(f"npm is missing: it installs {', '.join(packages)}")
            done = subprocess.run(
                [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *packages],
                env=npm_environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=NPM_TIMEOUT_S,
            )
            if done.returncode != 0:
                pytest.fail(f"npm install {' '.join(packages)}: {done.stderr[-2000:]}")
            mark.write_text("\n".join(packages))
    return folder / "node_modules"


_given_ports: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody listens on now, never the same twice: a broker has ten of them, drawn one by one.

    Below those that the system gives to connections, and drawn at random: several processes of a run ask for ports.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            if port not in _given_ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given_ports.add(port)
                return port


@contextmanager
def alone(name: str) -> Iterator[None]:
    """No other process of the run makes the thing with this name meanwhile."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until anything answers HTTP at `url`; a process that dies or is too slow is a failure."""
    deadline = time.monotonic() + START_TIMEOUT_S
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"{process.args!r} did not answer at {url}: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def running(
    command: list[str], url: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command while it runs; it answers HTTP at `url` from the start of the block on."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        try:
            wait_for_http(url, process, log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def versitygw_program() -> Path:
    """The strict S3 store, built once from its Go module."""
    program = TOOLS / "versitygw"
    with alone("versitygw"):
        if not program.exists():
            go = shutil.which("go")
            if not go:
                pytest.fail(f"go is missing: it builds {VERSITYGW_MODULE}")
            environment = {**os.environ, "GOBIN": str(TOOLS)}
            done = subprocess.run(
                [go, "install", VERSITYGW_MODULE],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(f"go install {VERSITYGW_MODULE}: {done.stderr[-2000:]}")
    return program


@dataclass(frozen=True, slots=True)
class Store:
    """A running object store and the key that it knows."""

    endpoint: str
    key: str
    secret: str
    region: str
    process: subprocess.Popen[bytes]


@contextmanager
def run_versitygw(folder: Path, certificate: Certificate | None = None) -> Iterator[Store]:
    """A versitygw with its data under `folder`; over TLS where it has a certificate."""
    program = versitygw_program()
    for name in ("root", "iam", "sidecar"):
        (folder / name).mkdir(parents=True)
    port, key, secret, region = free_port(), "pin", "pinpinpinpin", "us-east-1"
    command = [str(program), "--port", f"127.0.0.1:{port}", "--region", region, "--quiet", "--keep-alive"]
    command += ["--iam-dir", str(folder / "iam"), "posix", "--sidecar", str(folder / "sidecar")]
    command.append(str(folder / "root"))
    environment = {"ROOT_ACCESS_KEY": key, "ROOT_SECRET_KEY": secret}
    if certificate:
        environment |= {"VGW_CERT": str(certificate.file), "VGW_KEY": str(certificate.key_file)}
    endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    with running(command, endpoint, folder / "log", environment) as process:
        yield Store(endpoint, key, secret, region, process)


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for the whole run; tests use buckets of their own."""
    with run_versitygw(tmp_path_factory.mktemp("versitygw")) as store:
        yield store
