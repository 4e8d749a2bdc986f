"""Turns the embedded object store into one that is used, killed and left alone.

Never looks into it but by its clients.
Rules: CONTRACT §1; recipes of the doubles: ministack 1.5.33 with AUTH=true verifies signatures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pinpipe
import pytest
from pinpipe import _store

FOLDER = Path(__file__).parents[2] / "build" / "ministack"
# Keys that a store on a file system folds or refuses.
RAW_KEYS = [".", "..", "/lead", "a//b", "a/../b", "a/./b", "trail/", "x/..", '+ =&?#%/\t"<é😀']


@pytest.fixture(scope="module")
def store() -> Iterator[_store.Store]:
    with _store.Store(FOLDER) as running:
        yield running


def test_it_verifies_signatures_and_holds_objects(store: _store.Store) -> None:
    client = store.client()
    client.create_bucket("kept")
    for key in RAW_KEYS:
        client.put("kept", key, key, if_none_match="*")
    for key in RAW_KEYS:
        assert client.get("kept", key) == key.encode()
        assert client.head("kept", key).size == len(key.encode())
    assert [thing.key for thing in client.list("kept", page_size=2)] == sorted(RAW_KEYS, key=str.encode)
    wrong = pinpipe.Credentials.static(store.environment()["AWS_ACCESS_KEY_ID"], "wrong")
    with pytest.raises(pinpipe.Error) as caught:
        pinpipe.s3.Client(store.endpoint, credentials=wrong).get("kept", "k")
    assert (caught.value.status, "SignatureDoesNotMatch" in caught.value.message) == ("EAUTH", True)


def test_its_environment_is_enough(store: _store.Store) -> None:
    program = "import pinpipe; pinpipe.s3.Client().create_bucket('by-environment')"
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **store.environment()}, check=True, timeout=30
    )
    store.client().delete_bucket("by-environment")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_ends_with_its_owner(store: _store.Store) -> None:
    program = (
        "import os, signal; from pinpipe._store import Store\n"
        f"store = Store({str(FOLDER)!r}); store.start()\n"
        "print(store._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def test_what_cannot_be_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "PACKAGES", (str(tmp_path / "no-such-package"),))
    with pytest.raises(pinpipe.Error, match="cannot be installed") as caught:
        _store.Store(tmp_path / "store").start()
    assert caught.value.status == "ENOTSUP"
