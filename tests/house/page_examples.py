"""Turns the pages of docs/ into their examples, each with what it needs around it to run as it is printed.

Never changes an example but for names that only its reader knows: a host, a path, what the dots stand for.
Rules: issue 8, "the docs' every example is run by a test"; docs/testing.md.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.house.outside import ROOT, run

DOCS = ROOT / "docs"


@dataclass(frozen=True, slots=True)
class Around:
    """Text before and behind an example, and replacements within it."""

    before: str = ""
    behind: str = ""
    instead: tuple[tuple[str, str], ...] = ()


_MOCK = """import contextlib, pyarrow, pinpipe
from pinpipe import kafka
mock = kafka.MockCluster()
mock.create_topic("0a1b.pin", 1)
brokers = mock.brokers
open("client.properties", "w").write("client.id=example\\n")
"""
_API = "….execute-api.us-east-1.amazonaws.com/test"

#: Those that need no server of somebody else, by page and number of the block.
HERE = {
    "credentials.md 1": Around(
        "class dbutils:\n    class credentials:\n        def getServiceCredentialsProvider(name):\n"
        '            return {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI"}\n',
        "assert unity.access_key_id == here.access_key_id == 'AKIDEXAMPLE'\n",
    ),
    "errors.md 1": Around(),
    "kafka.md 1": Around(_MOCK, "", (("….kafka", "example.kafka"),)),
    "kafka.md 2": Around(
        _MOCK
        + "values, keys = [b'{\"index\": 1}'] * 3, [b'k'] * 3\ntable = pinpipe.clean('pin', values[0])\n"
        + "producer, consumer = kafka.Producer(brokers), kafka.Consumer(brokers, 'g', '0a1b.pin')\n",
        "assert delivery.delivered == 3\nproducer.close(), consumer.close()\n",
    ),
    "kafka-rest.md 1": Around(
        "import pinpipe, pinpipe.kafka\nfrom tests.doubles.kafka_rest import Proxy, Server\n"
        'topics = {f"0a1b2c3d4e5f.{kind}": 2 for kind in ("pin", "geo", "user")}\n'
        'proxy = Proxy(topics, stage="/test")\nserver = Server(proxy)\nserver.__enter__()\n'
        "values = [b'{\"ind\": 1}'] * 3\ntable = pinpipe.clean('user', b'{\"ind\": 7}')\n",
        "assert [len(proxy.values(topic)) for topic in topics] == [1, 3, 1]\nserver.__exit__(None, None, None)\n",
        ((f'"https://{_API}"', 'server.endpoint + "/test"'),),
    ),
    "profiles.md 1": Around("import pinpipe\ndata = b'{\"index\": 1}'\n"),
    "signing.md 1": Around(behind='assert "X-Amz-Signature=" in signed.url\n'),
    "signing.md 2": Around("import pinpipe\n", "assert len(signed.body) > 9999 * 3\n"),
}
#: Those that tests/integration/test_page_examples_servers.py runs.
WITH_SERVERS = {
    "kinesis.md 1": Around(),
    "kinesis.md 2": Around(
        "import pinpipe, pyarrow\n"
        'table = {"data": pyarrow.array([b"{}"] * 3), "key": pyarrow.array(["a", "b", "c"])}\n'
        'producer = pinpipe.kinesis.Producer("streaming-0a1b-pin", region="eu-west-1", reports=True)\n',
        "assert taken == 3\nproducer.close()\n",
    ),
    "kinesis.md 3": Around("import pinpipe\n", "", ((f"https://{_API}", "{gateway}"),)),
    "s3.md 1": Around(
        "",
        "assert table.num_rows == 1\n",
        (
            ("http://127.0.0.1:9000", "{store}"),
            ('"key", "secret"', '"{key}", "{secret}"'),
            ("/data/large", "large"),
        ),
    ),
    "stream.md 1": Around(
        "import pinpipe\n",
        "",
        (("while True:", "rows = 0\n    while rows == 0:"), ("...", "rows = table.num_rows")),
    ),
    "testing.md 1": Around(
        "import types, pinpipe\nfrom tests.doubles.backend import Backend\nfrom tests.doubles.gate import Gate\n"
        "from tests.doubles.sigv4_verifier import Key\n"
        'store = types.SimpleNamespace(endpoint="{store}", key="{key}", secret="{secret}")\n',
        "",
        (("    ...\n", '    for n in range(10):\n        client.put("bucket", f"topics/{n}", b"1")\n'),),
    ),
}
#: Those that another test has: its file.
ELSEWHERE = {
    "airflow.md 1": "tests/airflow/test_assets.py",
    "airflow.md 2": "tests/python/test_jobs.py",
    "answers.md 1": "tests/integration/test_spark.py",
    "census.md 1": "tests/python/test_docs.py",
    "spark.md 1": "tests/integration/test_spark.py",  # Unity Catalog's names: the calls are run on a local session
    "spark.md 2": "tests/integration/test_spark.py",
}
#: Those that are not Python: the file of their test.
OTHER_LANGUAGES = {
    "json": {"census.md 1": "tests/python/test_docs.py"},
    "properties": {"databricks.md 1": "tests/integration/test_spark.py"},
    "toml": {
        "census.md 1": "tests/python/test_docs.py",
        "profiles.md 1": "tests/house/test_page_examples.py",
    },
}


def blocks(language: str) -> dict[str, str]:
    """The fenced examples of a language in all pages, by page and number."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    found = {}
    for page in sorted(DOCS.glob("*.md")):
        for number, text in enumerate(fence.findall(page.read_text(encoding="utf-8")), 1):
            found[f"{page.name} {number}"] = text
    return found


def ran(name: str, around: Around, folder: Path, known: Mapping[str, str], **environment: str) -> str:
    """What an example prints that runs in a folder; `known` are the values of {names} in what is put around it."""
    text = blocks("python")[name]
    for old, new in around.instead:
        assert old in text, f"docs/{name}: {old} is not in it any more"
        text = text.replace(old, new)
    whole = around.before + text + around.behind
    for word, value in known.items():
        whole = whole.replace(f"{{{word}}}", value)
    program = folder / "example.py"
    program.write_text(whole, encoding="utf-8")
    own = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "AWS_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT)))),
    }
    return run(sys.executable, program, cwd=folder, **(own | environment))
