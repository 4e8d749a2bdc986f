"""Turns a whole test run into a search for the secrets that it used, in everything that the library told.

Never judges a run by what it meant to tell: lines of the log, errors, output and arguments of processes are all it has.
Rules: docs/testing.md, "Secrets"; issue 5.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

SHORTEST = 8  # below that anything could be found anywhere
SECRET_NAMES = re.compile(r"SECRET|TOKEN$|PASSWORD", re.IGNORECASE)


def forms(secret: str) -> dict[bytes, str]:
    """How a secret may look in a text: as it is, percent-encoded, in base64 and base64url at each of three offsets."""
    plain = secret.encode()
    percent = quote(secret, safe="").encode()
    found = {
        plain: "plain",
        percent: "percent",
        re.sub(rb"%[0-9A-F]{2}", lambda at: at[0].lower(), percent): "percent",
        quote(secret, safe="/").encode(): "percent",
    }
    for offset in range(3):
        # The characters that only this secret's bytes make: without those that its neighbours have a share in.
        digits = base64.b64encode(b"\0" * offset + plain + b"\0\0")
        inner = digits[-(-offset * 8 // 6) : (offset + len(plain)) * 8 // 6]
        found.setdefault(inner, "base64")
        found.setdefault(inner.translate(bytes.maketrans(b"+/", b"-_")), "base64url")
    return found


class Told:
    """What the library told, on disk, and the secrets that it was given."""

    def __init__(self, folder: Path) -> None:
        """The log of this process and of its children goes to a file of the folder."""
        self.log = folder / "log"
        self._rest = (folder / "rest").open("ab")
        self.secrets: set[str] = set()
        self.short: set[str] = set()

    def secret(self, text: str | None) -> None:
        """A secret that the run uses."""
        if text:
            (self.secrets if len(text) >= SHORTEST else self.short).add(text)

    def text(self, text: str | bytes | None) -> None:
        """Something that the library told."""
        if text:
            self._rest.write(text if isinstance(text, bytes) else text.encode(errors="surrogateescape"))
            self._rest.write(b"\n")

    def environment(self, entries: Iterable[tuple[str | bytes, str | bytes]]) -> None:
        """Variables, some of which hold secrets."""
        for name, value in entries:
            if SECRET_NAMES.search(os.fsdecode(name)):
                self.secret(os.fsdecode(value))

    def search(self) -> tuple[int, list[str]]:
        """The bytes that were looked through, and what was found: form, secret's ends, and the place."""
        self._rest.flush()
        hits, size = [], 0
        wanted = {form: (kind, secret) for secret in self.secrets for form, kind in forms(secret).items()}
        # Forms begin with few different bytes: one expression of them all would be slower than one search for each.
        for path in (self.log, Path(self._rest.name)):
            data = path.read_bytes() if path.exists() else b""
            size += len(data)
            data = b"\n".join(dict.fromkeys(re.sub(rb"(?m)^\S+ \S+ \d+ ", b"", data).split(b"\n")))
            for form, (kind, secret) in wanted.items():
                at = data.find(form)
                if at >= 0:
                    begin = data.rfind(b"\n", 0, at) + 1
                    line = data[begin : at + 20].replace(form, b"<here>")[-200:]
                    hits.append(f"{kind} of {secret[:2]}…{secret[-2:]}: {line!r}")
        return size, hits

    # ---- what is listened to ----

    def listen(self) -> None:
        """From here on: keys made or fetched, settings, environment, processes, errors."""
        from pinpipe import _credentials, _sources, errors, native

        sys.addaudithook(self._audit)
        self.environment(os.environ.items())
        self._before(native, "credentials_new", lambda key, secret, token: [secret, token])
        self._before(native, "pinpipe_kafka_config_set", self._setting)
        self._before(native, "kafka_rest_new", lambda endpoint, api_key, *_: [api_key])
        self._before(_sources, "open_source", self._password)
        self._behind(native, "pinpipe_provider_get", self._key)
        self._behind(_credentials, "_parts", lambda parts: parts[1:3])
        error_made, told = errors.Error.__init__, self.text

        def made(error: errors.Error, message: str, **parts: Any) -> None:
            told(message)
            error_made(error, message, **parts)

        errors.Error.__init__ = made  # type: ignore[method-assign]
        communicate = subprocess.Popen.communicate

        def communicated(process: Any, *args: Any, **options: Any) -> Any:
            output = communicate(process, *args, **options)
            for text in output:
                told(text)
            return output

        subprocess.Popen.communicate = communicated  # type: ignore[method-assign]

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "os.putenv":
            self.environment([args])
        elif event == "subprocess.Popen":
            words = [args[1]] if isinstance(args[1], (str, bytes)) else args[1]
            line = b" ".join(os.fsencode(word) for word in words)
            if b"/tests/doubles/" not in line:  # a double's keys are the test's to give
                self.text(line)
            self.environment((args[3] or {}).items())

    @staticmethod
    def _setting(_config: Any, name: str, value: str) -> list[str]:
        return [value] if "password" in name else []

    @staticmethod
    def _password(url: Any = None) -> list[str]:
        return [unquote(urlsplit(str(url)).password or "")]

    @staticmethod
    def _key(key: Any) -> list[str]:
        from pinpipe import native

        return [native.pinpipe_credentials_secret(key), native.pinpipe_credentials_token(key)]

    def _before(self, module: Any, name: str, secrets: Any) -> None:
        call = getattr(module, name)

        def listening(*args: Any, **options: Any) -> Any:
            for text in secrets(*args, **options):
                self.secret(text)
            return call(*args, **options)

        setattr(module, name, listening)

    def _behind(self, module: Any, name: str, secrets: Any) -> None:
        call = getattr(module, name)

        def listening(*args: Any) -> Any:
            result = call(*args)
            for text in secrets(result):
                self.secret(text)
            return result

        setattr(module, name, listening)


class ToldPlugin:
    """The search at the end of a run; where the run has several processes, one in each."""

    def __init__(self, told: Told) -> None:
        """Keeps what `told` hears."""
        self._told = told
        self._found: list[dict[str, Any]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        for name, text in report.sections:
            if "log" not in name:  # the log has a file of its own
                self._told.text(text)
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A process of the run has ended; without its search none is known to be clean."""
        found = getattr(node, "workeroutput", {}).get("told")
        self._found.append(found or {"bytes": 0, "secrets": 0, "short": 0, "hits": [f"no search: {error}"]})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from pinpipe import _log

        _log._end()
        size, hits = self._told.search()
        own = {
            "bytes": size,
            "secrets": len(self._told.secrets),
            "short": len(self._told.short),
            "hits": hits,
        }
        self._found.append(own)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["told"] = own
        if any(found["hits"] for found in self._found):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        size, secrets, short = (
            sum(each[name] for each in self._found) for name in ("bytes", "secrets", "short")
        )
        hits = [hit for found in self._found for hit in found["hits"]]
        terminalreporter.write_line(
            f"secrets: {size} bytes of log, errors, output and arguments searched for {secrets} "
            f"secrets ({short} were too short), {len(hits)} found"
        )
        for hit in hits:
            terminalreporter.write_line(f"TOLD: {hit}")
