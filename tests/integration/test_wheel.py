"""Turns the checkout into a wheel, and the wheel into a package of a clean environment far from the checkout.

Never imports the checkout's package in what it looks at, and never looks at a clock.
Rules: DESIGN §3 ("Nothing runs at load or import"), §4 (one abi3 wheel); docs/dependencies.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pinpipe
import pytest
from environments import judges
from servers import alone

from tests.house.outside import ROOT, needed, run

#: docs/dependencies.md, "The C library", and what every Linux program has.
LIBRARIES = (
    r"lib(crypto|ssl|z|zstd|isal|jansson|curl|expat|rdkafka|microhttpd|c|m|pthread|dl|gcc_s)\.so|ld-linux"
)
#: Events of Python's audit hooks that an import has no business with.
EFFECTS = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.fork",
    "os.exec",
    "os.putenv",
    "_thread.",
    "ctypes.",
    "urllib.",
)
WATCH = """
import sys
own, seen = set(sys.modules), []
sys.addaudithook(lambda event, about: seen.append((event, str(about[0]) if about else "")))
import pinpipe
at_once = set(sys.modules) - own
%s
import json, os
links = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{number}") or os.path.islink(f"/proc/self/fd/{number}")]
print(json.dumps({"at_once": sorted(at_once), "modules": sorted(set(sys.modules) - own - {"json"}), "events": seen,
                  "threads": len(os.listdir("/proc/self/task")), "sockets": [one for one in links if "socket" in one],
                  "file": pinpipe.__file__, "prefixes": [sys.prefix, sys.base_prefix], 
                  "std": sorted(sys.stdlib_module_names)}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made in the build folder that `make` has used for the same."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps")
    with alone("wheel"):
        run(*pip, "-w", folder, ROOT)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def tools() -> Path:
    """The programs that judge the wheel."""
    return judges("wheel")


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and nothing else, not even pip."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    install = ("install", "-q", "--no-index", "--no-deps", wheel)
    run(sys.executable, "-m", "pip", "--python", folder / "bin/python", *install)
    return folder / "bin/python"


def test_it_is_one_wheel_for_every_python(wheel: Path, tools: Path) -> None:
    assert re.fullmatch(rf"pinpipe-{re.escape(pinpipe.__version__)}-cp311-abi3-linux_\w+\.whl", wheel.name)
    run(tools / "abi3audit", "--strict", "--assume-minimum-abi3", "3.11", wheel)


def test_it_needs_no_library_that_is_not_told_of(wheel: Path, tools: Path, tmp_path: Path) -> None:
    said = run(tools / "python", "-m", "auditwheel", "show", wheel)
    assert re.search(r'"manylinux_2_\d+_\w+"', said), said
    with zipfile.ZipFile(wheel) as archive:
        (module,) = [name for name in archive.namelist() if name.endswith(".so")]
        archive.extract(module, tmp_path)
    named = re.findall(r"\[(.*)\]", needed(tmp_path / module))
    assert named and [name for name in named if not re.match(LIBRARIES, name)] == []


def test_it_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "pinpipe/py.typed" in names and "pinpipe/native.pyi" in names
    assert [name for name in names if not name.startswith(("pinpipe/", "pinpipe-"))] == []
    assert sum(name.endswith(".so") for name in names) == 1


@pytest.mark.parametrize(
    "used", ["", "pinpipe.clean('pin', b'{\"index\": 1}').num_rows"], ids=["import", "clean"]
)
def test_nothing_happens_at_import(used: str, clean: Path, tmp_path: Path) -> None:
    """No thread, socket, process or file of somebody else's; nothing loaded but the standard library."""
    untold = ("env", "-u", "PINPIPE_LOG", "-u", "PINPIPE_LOG_FILE")  # of the search for secrets
    seen = json.loads(run(*untold, clean, "-I", "-c", WATCH % used, cwd=tmp_path))
    assert Path(seen["file"]).is_relative_to(clean.parent.parent)
    assert seen["at_once"] == ["pinpipe"]
    foreign = {name.partition(".")[0] for name in seen["modules"]} - {*seen["std"], "pinpipe"}
    assert [name for name in foreign if not name.startswith("swig_runtime_data")] == []
    assert (seen["threads"], seen["sockets"]) == (1, [])
    assert [one for one in seen["events"] if one[0].startswith(EFFECTS)] == []
    opened = [Path(path) for event, path in seen["events"] if event == "open"]
    places = (*seen["prefixes"], "/proc/self")
    assert [path for path in opened if not any(path.is_relative_to(place) for place in places)] == []


def test_its_types_are_seen_by_who_installs_it(clean: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pinpipe\n"
        'table = pinpipe.clean("pin", b"")\n'
        "rows: int = table.num_rows\n"
        "wrong: str = table.num_rows\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(clean), str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    (line,) = [one for one in done.stdout.splitlines() if "error:" in one]
    assert line.startswith("program.py:4: error: Incompatible types"), done.stdout
