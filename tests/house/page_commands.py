"""Turns the pages and every command's help into their command lines, each with what runs it and what holds then.

Never changes a line but for names that only its reader knows: a broker, a bucket, a path, what the dots stand for.
Rules: issue 8, "the docs' every example is run by a test"; docs/testing.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pinpipe import _commands

from tests.house.outside import ROOT


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a server once it listens, and the status that must come."""

    method: str
    path: str
    body: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Line:
    """What is replaced in a command line, and what holds once it was run.

    says: expressions that what it prints has. holds: how many records come to a place: a file, or a URL.
    code: what it ends with. after: the line that must have run before. serves: it goes on until SIGTERM, which is sent
    once all of that holds; endless: so does what it reads, and there are so many records at least.
    """

    instead: tuple[tuple[str, str], ...] = ()
    says: tuple[str, ...] = ()
    holds: Mapping[str, int] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    code: int = 0
    after: str = ""
    serves: bool = False
    endless: bool = False


_RECORD = '{"records":[{"value":{"index":7528}}]}'
_STREAM_RECORD = '{"Data":{"index":7528},"PartitionKey":"0a1b-pin"}'
_EMULATED = ("pin", "geo", "user")
_API = "https://….execute-api.us-east-1.amazonaws.com"
_ANY_PORT = ("pinpipe gateway", "pinpipe gateway --listen 127.0.0.1:0")


def _posted(*instead: tuple[str, str]) -> Line:
    """A gateway before Kafka, which is given a record."""
    ask, place = Ask("POST", "/test/topics/demo.geo", _RECORD), "kafka://demo.geo"
    return Line(instead, says=(r"stored +1\b",), holds={place: 1}, asks=(ask,), serves=True)


_DOCUMENT = (r'"openapi": "3\.0', "arn:aws:iam::123456789012:role/kinesis-proxy", r"http://ec2-[\w.-]*:8082/")
_STACK = (r'"openapi": "3\.0', "Fn::Sub", r"\$\{KinesisRole\.Arn\}")

#: Those that need no server of somebody else, run by tests/house/test_page_commands.py.
HERE = {
    "pinpipe clean pin pins.ndjson -o pins.parquet --rejects bad.ndjson --census census.json": Line(
        holds={"pins.parquet": 300, "bad.ndjson": 1, "census.json": 1}, code=3
    ),
    "pinpipe clean pin pins.ndjson -o pins.parquet --statistics --expect course --census census.json": Line(
        says=("before", r"pin\.category\.in"), holds={"pins.parquet": 300, "census.json": 1}, code=3
    ),
    "pinpipe clean pin IN -o OUT --profile rules.toml": Line(
        (("IN", "rows/demo.pin.ndjson"), ("OUT", "own.parquet")), holds={"own.parquet": 300}
    ),
    "pinpipe demo --rows 5000 --out demo-out": Line(
        holds={"demo-out/summary.json": 1, "demo-out/report.html": 1}
    ),
    "pinpipe report demo-out -o report.html": Line(
        holds={"report.html": 1}, after="pinpipe demo --rows 5000 --out demo-out"
    ),
    "pinpipe emulate --source … --to … --rows 500": Line(
        (
            ("--source …", "--source sqlite:///{folder}/pinterest.db"),
            ("--to …", "--to file://{folder}/again"),
        ),
        says=(r"draws +500\b",),
        holds={f"again/demo.{kind}.ndjson": 500 for kind in _EMULATED},
    ),
    "pinpipe query q5 --pin pin.parquet --user user.parquet --median approx --over people": Line(
        says=(r"age_group +median_follower_count", r"18-24 +\d")
    ),
    "pinpipe query q5 --pin … --user …": Line(
        (("--pin …", "--pin pin.parquet"), ("--user …", "--user user.parquet")),
        says=(r"age_group +median_follower_count", r"18-24 +\d"),
    ),
    "pinpipe query matches --pin pin.parquet --geo geo.parquet --user user.parquet --expect course": Line(
        says=(r"pin\.geo", r"user\.geo")
    ),
    "pinpipe query matches": Line(
        (("matches", "matches --pin pin.parquet --geo geo.parquet --user user.parquet"),),
        says=(r"user\.geo",),
    ),
    "pinpipe schema pin": Line(says=(r"follower_count +int64",)),
    "pinpipe schema pin --dialect spark": Line(says=(r"follower_count +BIGINT",)),
    "pinpipe schema KIND --rules": Line((("KIND", "geo"),), says=(r"geo\.timestamp\.\w+",)),
    "pinpipe schema pin --rules --profile rules.toml": Line(says=(r"pin\.title\.ours", "ticket 12")),
    "pinpipe sign …": Line(
        (("…", "GET https://bucket.s3.amazonaws.com/a --service s3 --region us-east-1"),),
        says=("curl .*Signature=",),
    ),
    (
        "pinpipe sign GET https://examplebucket.s3.eu-west-1.amazonaws.com/a.json "
        "--service s3 --region eu-west-1 --presign 900"
    ): Line(says=("X-Amz-Expires=900.*X-Amz-Signature=",)),
    (
        "pinpipe openapi gateway --role arn:aws:iam::123456789012:role/kinesis-proxy "
        "--kafka-rest http://ec2-198-51-100-7.compute-1.amazonaws.com:8082"
    ): Line(says=_DOCUMENT),
    (
        "pinpipe openapi gateway --role arn:aws:iam::123456789012:role/kinesis-proxy "
        "--kafka-rest http://ec2-….amazonaws.com:8082"
    ): Line((("ec2-…", "ec2-198-51-100-7"),), says=_DOCUMENT),
    "pinpipe openapi gateway --cloudformation …": Line((("…", "--role KinesisRole.Arn"),), says=_STACK),
    (
        "pinpipe openapi gateway --cloudformation --role KinesisRole.Arn --kafka-rest Backend "
        "--vpc-link Link --auth api-key"
    ): Line(says=(*_STACK, r"\$\{Backend\}", r"\$\{Link\}", "x-api-key")),
    "python examples/databricks/notebooks.py ipynb examples/databricks/batch.py -o batch.ipynb": Line(
        (("examples/", "{root}/examples/"),), holds={"batch.ipynb": 1}
    ),
}
#: Those that tests/integration/test_page_commands_servers.py runs.
WITH_SERVERS = {
    "pinpipe doctor --brokers 127.0.0.1:9092 --s3 http://127.0.0.1:9000 --source sqlite:///pinterest.db": Line(
        (("127.0.0.1:9092", "{brokers}"), ("http://127.0.0.1:9000", "{store}"), ("pinterest.db", "{rows}")),
        says=(
            r"kafka \S+ +ok +\d+ topics",
            r"s3 \S+ +ok +answers, and takes the signature",
            r"source +ok .*rows with key 0 in: pin, geo, user",
        ),
    ),
    "pinpipe emulate --source db_creds.yaml --to kafka://localhost:9092 --rows 500 --rate course": Line(
        (("localhost:9092", "{brokers}"), ("--rows 500", "--rows 4")),
        says=(r"draws +4\b",),
        holds={f"kafka://demo.{kind}": 4 for kind in _EMULATED},
    ),
    "pinpipe emulate --source db_creds.yaml --to …": Line(
        (("--to …", "--to file://{folder}/out"),),
        says=("--resume goes on from there",),
        holds={f"out/demo.{kind}.ndjson": 100 for kind in _EMULATED},
        serves=True,
        endless=True,
    ),
    "pinpipe emulate --to kafka-rest+http://127.0.0.1:8082/test --rows 500": Line(
        (("127.0.0.1:8082", "{gateway}"),),
        says=(r"draws +500\b",),
        holds={f"kafka://demo.{kind}": 500 for kind in _EMULATED},
    ),
    f"pinpipe emulate --source db_creds.yaml --user-id 0a1b2c3d4e5f --to kafka-rest+{_API}/test": Line(
        ((_API, "http://{gateway}"),),
        says=("--resume goes on from there",),
        holds={f"kafka://0a1b2c3d4e5f.{kind}": 100 for kind in _EMULATED},
        serves=True,
        endless=True,
    ),
    f"pinpipe emulate --source db_creds.yaml --user-id 0a1b --to apigw+{_API}/test": Line(
        ((_API, "{apigw}"), ("0a1b", "0a1c")),
        says=("--resume goes on from there",),
        holds={f"kinesis://streaming-0a1c-{kind}": 50 for kind in _EMULATED},
        serves=True,
        endless=True,
    ),
    "pinpipe gateway --listen 127.0.0.1:8082 --brokers localhost:9092": _posted(
        (":8082", ":0"), ("localhost:9092", "{brokers}")
    ),
    "pinpipe gateway --brokers b-1.msk…:9098 --iam --workers 2": _posted(
        _ANY_PORT, ("b-1.msk…:9098", "{iam}")
    ),
    "pinpipe gateway --brokers … --iam": _posted(_ANY_PORT, ("--brokers …", "--brokers {iam}")),
    "pinpipe gateway --kinesis kinesis://us-east-1 --stream streaming-0a1b-pin": Line(
        (_ANY_PORT, ("0a1b", "0a1c")),
        says=(r"stored +1\b",),
        holds={"kinesis://streaming-0a1c-pin": 1},
        asks=(
            Ask("PUT", "/streams/streaming-0a1c-pin/record", _STREAM_RECORD),
            Ask("PUT", "/streams/streaming-0a1b-pin/record", _STREAM_RECORD, 403),
        ),
        serves=True,
    ),
    r"pinpipe sink --brokers localhost:9092 --topics 'demo\..*' --to s3://bucket/topics": Line(
        (("localhost:9092", "{brokers}"), ("demo", "sunk")),
        says=(r"sunk\.pin/0 +10,000\b",),
        holds={"s3://bucket/topics/sunk.pin/": 10_000},
        serves=True,
    ),
    (
        "pinpipe sink --brokers localhost:9092 --config connector.properties "
        "--connector s3.compression.type=gzip"
    ): Line(
        (("localhost:9092", "{brokers}"),),
        says=(r"connected\.pin/0 +6\b",),
        holds={"s3://bucket/topics/connected.pin/": 6},
        serves=True,
    ),
    "pinpipe sink --config connector.properties --brokers … --iam": Line(
        (("connector.properties", "secured.properties"), ("--brokers …", "--brokers {iam}")),
        says=(r"secured\.pin/0 +6\b",),
        holds={"s3://bucket/topics/secured.pin/": 6},
        serves=True,
    ),
    "pinpipe stream --stream streaming-demo-pin --to delta+file:///data/demo_pin_table --available-now": Line(
        (("/data/", "{folder}/"),),
        says=(r"written +20\b",),
        holds={"delta+file://{folder}/demo_pin_table": 20},
    ),
    (
        "pinpipe stream --stream streaming-0a1b-pin --to delta+file:///data/0a1b_pin_table "
        "--mode merge --available-now"
    ): Line(
        (("/data/", "{folder}/"),), says=(r"read +20\b",), holds={"delta+file://{folder}/0a1b_pin_table": 15}
    ),
    "pinpipe stream --stream streaming-0a1b-pin --to delta+s3://bucket/0a1b_pin_table": Line(
        says=(r"written +20\b",), holds={"delta+s3://bucket/0a1b_pin_table": 20}, serves=True
    ),
    (
        "pinpipe stream --stream streaming-0a1b-pin --to delta+s3://bucket/0a1b_pin_table "
        "--group readers --leases s3://bucket/leases"
    ): Line(
        (("0a1b_pin_table", "shared"),),
        says=(r"written +20\b",),
        holds={"delta+s3://bucket/shared": 20, "s3://bucket/leases/": 1},
        serves=True,
    ),
    "pinpipe stream --stream … --to delta+s3://…": Line(
        (("--stream …", "--stream streaming-0a1b-pin"), ("s3://…", "s3://bucket/told")),
        says=(r"written +20\b",),
        holds={"delta+s3://bucket/told": 20},
        serves=True,
    ),
    "pinpipe clean pin s3://bucket/topics/t/ -o pins.parquet": Line(holds={"pins.parquet": 1}),
}
_AWS = "an AWS account: nothing here answers for one"
_DATABRICKS = "a Databricks workspace"
_SYSTEMD = "systemd as the first process"
#: Beginnings of lines of other programs: the test's file that does the same, and a word of it that says so.
ELSEWHERE = {
    'PINPIPE_OPTIONS="--api-key-file': ("tests/python/test_gateway.py", '"--api-key-file"'),
    "airflow connections test": ("tests/airflow/test_services.py", "test_connection"),
    "cc example.c": ("tests/house/test_readme.py", '"cc"'),
    "cmake --install build": ("tests/house/test_readme.py", '"cmake", "--install"'),
    "document=$(pinpipe openapi": ("tests/house/page_commands.py", "--vpc-link Link --auth api-key"),
    "make demo": ("tests/house/page_commands.py", "pinpipe demo"),
    "make fuzz": (".ci/run", "make fuzz"),
    "make lint": (".ci/run", "make lint"),
    "make manual": ("tests/integration/test_manual.py", '"doxygen"'),
    "make packages": ("tests/integration/debian_packages.py", '"cpack"'),
    "make soak": ("tests/conftest.py", "--soak"),
    "make test": (".ci/run", "make test\n"),
    "make test-real": (".ci/run", "make test-real"),
    "pip install .": ("Makefile", "pip install -q --no-build-isolation"),
    "pip install dist/*.whl": ("tests/integration/airflow_lines.py", '"pip", "install"'),
    "pip wheel . --no-deps": ("tests/integration/test_wheel.py", '"pip", "wheel"'),
    "pip wheel . ./bindings/airflow": ("tests/integration/test_airflow.py", "provider_wheel()"),
    "pkg-config --cflags --libs pinpipe": ("tests/house/test_readme.py", '"pkg-config"'),
    "python bench/capacity.py": ("tests/python/test_capacity.py", "capacity.tables"),
    "python deploy/mwaa/build.py": ("tests/integration/test_airflow.py", "deploy/mwaa/build.py"),
    "python examples/databricks/notebooks.py run": ("tests/integration/test_spark.py", "notebooks.py run"),
    "python tests/doubles/gate.py": ("tests/integration/test_gate_clients.py", '"--backend"'),
    "python tests/house/abi.py": ("tests/house/test_abi.py", "abi."),
    "sudo deploy/systemd/install.sh": ("tests/integration/test_units.py", "install.sh"),
    "systemd-analyze security": ("tests/integration/test_units.py", '"security"'),
    "systemd-analyze verify": ("tests/integration/test_units.py", '"verify"'),
}
#: Beginnings of lines that no test runs: what they would need.
NOWHERE = {
    "%pip install": _DATABRICKS,
    "LoadCredential=api-key:/etc/pinpipe/api-key": _SYSTEMD,
    "[Service]": _SYSTEMD,
    "aws": _AWS,
    "backend=$(aws": _AWS,
    "brokers=$(aws": _AWS,
    "cluster=$(aws": _AWS,
    "databricks": _DATABRICKS,
    'echo "$document" | aws': _AWS,
    "for stack in airflow api services data; do aws": _AWS,
    "id=0a1b2c3d4e5f": _AWS,
    "key=$(aws": _AWS,
    "make bench": "a quiet machine and minutes; it prints and judges nothing",
    "sudo editor": "somebody at the keyboard",
    "sudo systemctl": _SYSTEMD,
    "systemctl": _SYSTEMD,
    "tar czf build/kit.tar.gz -C build/kit . && aws": _AWS,
    "uv pip compile": "a registry that says the same every day",
}

PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(
        ROOT / path
        for path in ("README.md", "bindings/airflow/README.md", "libpinpipe/README.md", "tests/README.md")
    ),
]
#: Names of commands.
COMMANDS = sorted(module.name for module in pkgutil.iter_modules(_commands.__path__))
_PROGRAMS = r"%?pip|airflow|aws|cmake|databricks|make|pkg-config|python|sudo|systemctl|systemd-analyze|uv"


def _without(pattern: str, text: str) -> tuple[list[str], str]:
    """What is found of a pattern's first group, and the text without it."""
    rule = re.compile(pattern, re.DOTALL | re.MULTILINE)
    return [found[1] for found in rule.finditer(text)], rule.sub("", text)


def _shell_and_rest(page: Path) -> tuple[str, str]:
    """A page's blocks for a shell, and its sentences."""
    text = page.read_text(encoding="utf-8")
    shell, text = _without(r"^```sh\n(.*?)^```$", text)
    _, text = _without(r"^```\w.*?\n(.*?)^```$", text)
    assert "```" not in text, f"{page.name}: a block does not say what it is"
    indented, text = _without(r"((?:^ {4,}\S[^\n]*\n)+)", text)
    return "".join(shell + indented), text


def shell_text(page: Path) -> str:
    """A page's blocks for a shell."""
    return _shell_and_rest(page)[0]


def _lines(page: Path) -> list[str]:
    """A page's lines for a shell, of its blocks and within its sentences; one that goes on is one."""
    blocks, text = _shell_and_rest(page)
    blocks = blocks.replace("\\\n", " ")
    blocks = re.sub(r"(?s)\bdo\n.*?\bdone\b", lambda loop: " ".join(loop[0].split()), blocks)
    named = re.compile(rf"(?:pinpipe (?:{'|'.join(COMMANDS)})|{_PROGRAMS}) ")
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
    lines = (" ".join(line.split()) for line in blocks.splitlines() if line.strip())
    return [*lines, *filter(named.match, spans)]


def example(command: str) -> str:
    """The line that a command's help shows."""
    return str(importlib.import_module(f"{_commands.__name__}.{command}").EXAMPLE)


def command_lines() -> dict[str, list[str]]:
    """The program's command lines, each with where it stands."""
    found = {example(command): [f"pinpipe {command} --help"] for command in COMMANDS}
    for page in PAGES:
        for line in _lines(page):
            for one in re.findall(r"^pinpipe .*$|(?<=\$\()pinpipe [^)]*", line):
                found.setdefault(one, []).append(page.name)
    return found


def other_lines() -> dict[str, list[str]]:
    """The lines of other programs, each with where it stands."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for line in _lines(page):
            if not line.startswith("pinpipe "):
                found.setdefault(line, []).append(page.name)
    return found


def listed(line: str) -> list[str]:
    """The beginnings under which a line of another program is listed: one."""
    return [begin for begin in (*ELSEWHERE, *NOWHERE) if f"{line} ".startswith(f"{begin} ")]


def resolved(text: str, line: Line, known: Mapping[str, str]) -> list[str]:
    """The words of the process that a line starts; `known` are the values of {names} in what is put into it."""
    for old, new in line.instead:
        assert old in text, f"{old} is not in '{text}'"
        text = text.replace(old, new)
    program, *arguments = shlex.split(filled(text, known))
    assert program in ("pinpipe", "python")
    return [sys.executable, *(("-m", "pinpipe") if program == "pinpipe" else ()), *arguments]


def filled(text: str, known: Mapping[str, str]) -> str:
    """A text with the values of its {names}."""
    for word, value in known.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def judged(line: Line, code: int, out: str, err: str) -> None:
    """How a line ended and what it printed are what they must be."""
    assert code == line.code, out + err
    assert [words for words in line.says if not re.search(words, out)] == [], out


def count_file(path: Path) -> int:
    """The records of a file: rows or lines; a document is one, and what is not there has none."""
    if not path.is_file():
        return 0
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(path).num_rows)
    return path.read_bytes().count(b"\n") if path.suffix == ".ndjson" else 1
