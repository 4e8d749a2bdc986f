"""Turns the templates of deploy/cloudformation into stacks, and their policies into keys that the programs run by.

Never believes a policy by its text: the double enforces it, a gate before the double writes down what was called.
Rules: docs/deployment.md; Service Authorization Reference (S3, Kinesis, Apache Kafka APIs for MSK).
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pinpipe
import pytest
from cloudformation import FOLDER, ROOT, Double, Template, linted, load
from gates import KEY
from pinpipe import _store, kafka, kinesis, native
from pinpipe._cli import build_parser
from pinpipe._openapi import Target, gateway_document
from units import COMMON, arguments, environment, read_unit, wait_until

from tests.doubles.backend import Backend
from tests.doubles.gate import Gate
from tests.doubles.wire import Head
from tests.house.outside import needed
from tests.house.page_commands import other_lines

PATIENCE_S = 120.0
DOCUMENT = json.dumps(
    gateway_document(Target.cloudformation("KinesisRole.Arn", "Backend", "Link"), "api-key")
)
USER = f"cf{uuid.uuid4().hex[:10]}"
BROKERS = "boot-1.kafka-serverless.us-east-1.amazonaws.com:9098"
GEO = b'{"ind": %d, "country": "Albania", "latitude": 1.5, "longitude": 2.5, "timestamp": "2018-01-01T00:00:00"}'
#: The double does not see which stream an iterator is of: where AWS takes a stream's ARN, it wants "*".
ITERATORS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:GetRecords","Resource":"*"}]}'
)
#: What deltalake does behind each hundredth commit, once its log is older than the retention. It holds Python's lock
#: meanwhile, so that no gate of its own process could answer.
CLEAN_UP = """
import sys, deltalake
table = deltalake.DeltaTable(sys.argv[1])
print(table.to_pyarrow_table().num_rows)
table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
table.create_checkpoint()
table.cleanup_metadata()
"""
#: Kafka's requests, as librdkafka names them, and the action that each takes (MSK's page on IAM's actions names ACLs).
KAFKA_ACTIONS = {
    "ApiVersion": "Connect",
    "Metadata": "DescribeTopic",
    "ListOffsets": "DescribeTopic",
    "Produce": "WriteData",
    "InitProducerId": "WriteDataIdempotently",
    "Fetch": "ReadData",
    "FindCoordinator": "DescribeGroup",
    "OffsetFetch": "DescribeGroup",
    "JoinGroup": "AlterGroup",
    "SyncGroup": "AlterGroup",
    "Heartbeat": "AlterGroup",
    "LeaveGroup": "AlterGroup",
    "OffsetCommit": "AlterGroup",
}
S3_ACTIONS = {
    ("GET", False): "ListBucket",
    ("HEAD", False): "ListBucket",
    ("GET", True): "GetObject",
    ("HEAD", True): "GetObject",
    ("PUT", True): "PutObject",
    ("POST", True): "PutObject",
    ("POST", False): "DeleteObject",
    ("DELETE", True): "DeleteObject",
}


def action(head: Head) -> str:
    """The IAM action of a request."""
    for target in head.values("x-amz-target"):
        return f"kinesis:{target.rpartition('.')[2]}"
    url = urlsplit(head.target)
    if head.method == "DELETE" and "uploadId" in dict(parse_qsl(url.query, keep_blank_values=True)):
        return "s3:AbortMultipartUpload"
    return f"s3:{S3_ACTIONS[head.method, url.path.count('/') > 1 and not url.path.endswith('-bucket/')]}"


def allowed(template: Template, rights: str) -> set[str]:
    """The actions of a policy in a template."""
    found: set[str] = set()
    for statement in template["Resources"][rights]["Properties"]["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow" and statement["Resource"] != "*"
        named = statement["Action"]
        found |= {named} if isinstance(named, str) else set(named)
    return found


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.yml"))}


class Stacks:
    """The stacks that the double made, with what it left out of each."""

    def __init__(self, double: Double, templates: dict[str, Template]) -> None:
        self.double = double
        self.made: dict[str, dict[str, str]] = {}
        self.left_out: dict[str, set[str]] = {}
        # Debian's own parameter is not in the double
        double.client("ssm").put_parameter(
            Name=f"/{USER}/debian", Value="ami-0123456789abcdef0", Type="String"
        )
        self._create("data", templates, UserId=USER)
        self._create(
            "services",
            templates,
            UserId=USER,
            Brokers=BROKERS,
            Image=f"/{USER}/debian",
            Data=self.name("data"),
        )
        self._create("airflow", templates, Data=self.name("data"))
        key, place = "deploy/openapi.json", f"s3://user-{USER}-bucket/deploy/openapi.json"
        double.client("s3").put_object(Bucket=f"user-{USER}-bucket", Key=key, Body=DOCUMENT)
        # the double does not look up the parameter that tells the place
        templates["api"]["Resources"]["Api"]["Properties"]["Body"]["Fn::Transform"]["Parameters"][
            "Location"
        ] = place
        backend = double.outputs(self.name("services"))["Backend"]
        parameters = {
            "UserId": USER,
            "Document": place,
            "Backend": backend,
            "Services": self.name("services"),
        }
        self._create("api", templates, **parameters)

    def name(self, stack: str) -> str:
        """A stack's name in the double."""
        return f"{USER}-{stack}"

    def _create(self, stack: str, templates: dict[str, Template], **parameters: str) -> None:
        made = self.double.create(self.name(stack), templates[stack], **parameters)
        self.made[stack], self.left_out[stack] = made

    @contextmanager
    def key_of(self, rights: str) -> Iterator[tuple[str, str]]:
        """A key that has one policy of the stack and nothing else."""
        iam, user = self.double.client("iam"), f"{USER}-{rights}"
        iam.create_user(UserName=user)
        policy = self.made["data"][rights]
        iam.attach_user_policy(UserName=user, PolicyArn=policy)
        iam.put_user_policy(UserName=user, PolicyName="iterators", PolicyDocument=ITERATORS)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        yield key["AccessKeyId"], key["SecretAccessKey"]
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=user, PolicyName="iterators")
        iam.detach_user_policy(UserName=user, PolicyArn=policy)
        iam.delete_user(UserName=user)


@pytest.fixture(scope="module")
def stacks(kinesis_ministack: _store.Store, templates: dict[str, Template]) -> Iterator[Stacks]:
    double = Double(kinesis_ministack)
    made = Stacks(double, templates)
    yield made
    for name in reversed(made.made):
        double.delete(made.name(name))


@contextmanager
def gates_for(stacks: Stacks, rights: str) -> Iterator[tuple[dict[str, str], Callable[[], set[str]]]]:
    """The environment that leads to the double by gates, which sign by the policy's key; the actions called so far."""
    with ExitStack() as opened:
        key, secret = opened.enter_context(stacks.key_of(rights))
        gates = {}
        for service in ("s3", "kinesis"):
            backend = Backend(stacks.double.endpoint, key, secret, stacks.double.region, service)
            gates[service] = opened.enter_context(Gate(backend, keys=[KEY]))
        leads = {f"AWS_ENDPOINT_URL_{name.upper()}": gate.endpoint for name, gate in gates.items()}
        leads |= {
            "AWS_ACCESS_KEY_ID": KEY.key_id,
            "AWS_SECRET_ACCESS_KEY": KEY.secret,
            "AWS_REGION": "us-east-1",
        }
        yield leads, lambda: {action(head) for gate in gates.values() for head in gate.journal.heads}


@contextmanager
def running(*words: str, log: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The program; its log tells every request to Kafka."""
    told = {"PINPIPE_LOG": "trace", "PINPIPE_LOG_FILE": str(log)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pinpipe", *words, "--set", "debug=protocol"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables | told,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> int:
    """The exit code after SIGTERM."""
    process.terminate()
    return process.wait(PATIENCE_S)


def kafka_called(log: Path) -> set[str]:
    """The actions of Kafka's requests that librdkafka tells of (debug=protocol)."""
    sent = set(re.findall(r"Sent (\w+?)(?:Request)? \(v", log.read_text(encoding="utf-8")))
    assert sent
    return {f"kafka-cluster:{KAFKA_ACTIONS[name]}" for name in sent}


def test_templates_are_clean_and_a_bad_one_is_not() -> None:
    bad = ROOT / "tests/vectors/cloudformation/bad.yml"
    found = linted(bad, *sorted(FOLDER.glob("*.yml")))
    assert {path for path, _ in found} == {str(bad)}, found
    assert sorted(rule for _, rule in found) == ["E1010", "E3002", "E3003", "E3012"]


def test_the_pages_lines_name_what_the_templates_have(templates: dict[str, Template]) -> None:
    """Only an AWS account could run them."""
    lines = list(other_lines())
    stacks: dict[str, Template] = {}
    for line in lines:
        if not line.startswith("aws cloudformation deploy --stack-name "):
            continue
        words = shlex.split(line)
        made = templates[Path(words[words.index("--template-file") + 1]).stem]
        given = {word.partition("=")[0] for word in words if re.match(r"[A-Z]\w+=", word)}
        parameters = made["Parameters"]
        assert (
            {name for name, told in parameters.items() if "Default" not in told} <= given <= set(parameters)
        )
        named = any("UserName" in one.get("Properties", {}) for one in made["Resources"].values())
        assert ("CAPABILITY_NAMED_IAM" in words) == named
        stacks[words[words.index("--stack-name") + 1]] = made
    assert [f"pinpipe-{name}" for name in ("data", "services", "api", "airflow")] == list(stacks)
    assert any(line.startswith("for stack in airflow api services data; do aws") for line in lines)
    told = "\n".join(lines)
    for stack, output in re.findall(r"Exports\[\?Name=='([\w-]+)-(\w+)'\]", told):
        name = {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{output}"}}
        assert stacks[stack]["Outputs"][output]["Export"] == name
    for stack, output in re.findall(r"--stack-name (\S+) --query \"Stacks\[0\]\S+=='(\w+)'\]", told):
        assert output in stacks[stack]["Outputs"]
    resources = templates["data"]["Resources"].values()
    users = [one["Properties"]["UserName"]["Fn::Sub"] for one in resources if one["Type"] == "AWS::IAM::User"]
    assert [user.replace("${UserId}", "0a1b") for user in users] == re.findall(r"--user-name (\S+)", told)


def test_the_stacks_are_made_and_the_page_tells_what_is_left_out(stacks: Stacks) -> None:
    lines = [
        f"| `{name}.yml` | {len(made)} | {', '.join(sorted(stacks.left_out[name])) or 'nothing'} |"
        for name, made in stacks.made.items()
    ]
    print("\n".join(lines))
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    assert [line for line in lines if line not in page] == []
    streams = stacks.double.client("kinesis").list_streams()["StreamNames"]
    assert {f"streaming-{USER}-{kind}" for kind in ("pin", "geo", "user")} <= set(streams)


def test_the_api_has_the_documents_methods_and_its_role_their_actions(
    stacks: Stacks, templates: dict[str, Template]
) -> None:
    document = json.loads(DOCUMENT)
    wanted = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    found = set()
    api = stacks.double.client("apigateway")
    for resource in api.get_resources(restApiId=stacks.made["api"]["Api"], embed=["methods"])["items"]:
        found |= {(resource["path"], method) for method in resource.get("resourceMethods", {})}
    # the double leaves out what is for any method
    assert found == {(path, method) for path, method in wanted if method != "X-AMAZON-APIGATEWAY-ANY-METHOD"}
    proxy = document["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"][
        "x-amazon-apigateway-integration"
    ]
    assert (proxy["connectionType"], proxy["connectionId"]) == ("VPC_LINK", {"Fn::Sub": "${Link}"})
    known = templates["api"]["Resources"].keys() | templates["api"]["Parameters"].keys()
    assert set(re.findall(r"\$\{(\w+)", DOCUMENT)) - {"AWS"} <= known
    names = set(re.findall(r":kinesis:action/(\w+)", DOCUMENT))
    (policy,) = templates["api"]["Resources"]["KinesisRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    allowed_on_streams, allowed_on_all = statements[0]["Action"], [statements[1]["Action"]]
    assert sorted({*allowed_on_streams, *allowed_on_all}) == sorted(f"kinesis:{name}" for name in names)


def test_stream_needs_its_rights_and_no_other(
    stacks: Stacks, templates: dict[str, Template], kinesis_ministack: _store.Store
) -> None:
    store, name, bucket = kinesis_ministack, f"streaming-{USER}-geo", stacks.made["data"]["Bucket"]
    with kinesis.Producer(
        name, store.endpoint, region=store.region, credentials=store.credentials
    ) as producer:
        producer.write(b"no record", "0")  # goes to the rejects
        for number in range(300):
            producer.write(GEO % number, str(number))
    with gates_for(stacks, "StreamRights") as (leads, called):
        table = f"delta+s3://{bucket}/{USER}_geo_table"
        words = ["--stream", name, "--to", table, "--available-now", "--commit-records", "100"]
        command = [sys.executable, "-m", "pinpipe", "stream", *words]
        assert subprocess.run(command, env=os.environ | leads, check=False).returncode == 3
        leads |= {"AWS_ENDPOINT_URL": leads["AWS_ENDPOINT_URL_S3"], "AWS_ALLOW_HTTP": "true"}
        cleaned = [sys.executable, "-c", CLEAN_UP, table.removeprefix("delta+")]
        rows = subprocess.run(cleaned, env=os.environ | leads, capture_output=True, text=True, check=True)
        assert rows.stdout == "300\n"
        assert called() == allowed(templates["data"], "StreamRights")


def test_sink_needs_its_rights_and_no_other(
    stacks: Stacks, templates: dict[str, Template], tmp_path: Path
) -> None:
    bucket, log, topic = stacks.made["data"]["Bucket"], tmp_path / "log", f"{USER}.geo"
    with kafka.MockCluster() as cluster, gates_for(stacks, "SinkRights") as (leads, called):
        cluster.create_topic(topic)
        with kafka.Producer(cluster.brokers) as producer:
            for value in (b"two\nlines", *(GEO % number for number in range(10))):
                producer.write(topic, value)
        words = ["--brokers", cluster.brokers, "--topics", topic, "--to", f"s3://{bucket}/topics"]
        words = ["sink", *words, "--flush-records", "5"]
        with (
            running(*words, "--group", "pinpipe-sink", log=log, **leads) as first,
            running(*words, "--group", "again", log=log, **leads) as second,
        ):
            # one of them meets an object that the other made, and asks what it holds
            wait_until(lambda: {"s3:PutObject", "s3:GetObject"} <= called(), first)
            assert {ended(first), ended(second)} <= {0, 3}
        # a large object that fails
        credentials = pinpipe.Credentials.static(KEY.key_id, KEY.secret)
        client = pinpipe.s3.Client(leads["AWS_ENDPOINT_URL_S3"], region="us-east-1", credentials=credentials)
        upload = client.upload(bucket, "topics/large")
        upload.write(bytes(20 << 20))
        upload.clear()
        assert called() | kafka_called(log) == allowed(templates["data"], "SinkRights")


def test_gateway_needs_its_rights_and_no_other(templates: dict[str, Template], tmp_path: Path) -> None:
    log, topic = tmp_path / "log", f"{USER}.geo"
    with kafka.MockCluster() as cluster:
        cluster.create_topic(topic)
        words = ("gateway", "--listen", "127.0.0.1:0", "--brokers", cluster.brokers)
        with running(*words, log=log) as gateway:
            assert gateway.stderr
            found = re.search(r"listens on (http://\S+)", gateway.stderr.readline())
            assert found
            with kafka.RestProducer(f"{found[1]}/prod") as producer:
                producer.write(topic, GEO % 1)
            for path in ("topics", f"topics/{topic}", "brokers"):
                assert urllib.request.urlopen(f"{found[1]}/{path}", timeout=PATIENCE_S).status == 200
            assert ended(gateway) == 0
    assert kafka_called(log) == allowed(templates["data"], "GatewayRights")


def packages_of_the_module() -> set[str]:
    """Debian's packages with the libraries that the Python module loads, but for C's own."""
    module = Path(str(native._native.__file__))
    loaded = set(re.findall(r"\[(lib\S+)\]", needed(module))) | {"libcurl.so.4", "libmicrohttpd.so.12"}
    patterns = [f"*/{library}" for library in loaded - {"libc.so.6", "libm.so.6"}]
    owners = subprocess.run(
        ["dpkg-query", "-S", *patterns], capture_output=True, text=True, check=True
    ).stdout
    return {line.partition(":")[0] for line in owners.splitlines()}


def test_the_machine_writes_settings_that_the_programs_take(stacks: Stacks, tmp_path: Path) -> None:
    """Its script runs here, with what belongs to the machine replaced."""
    ec2 = stacks.double.client("ec2")
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=stacks.made["services"]["Machine"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]
    script = (
        base64.b64decode(data)
        .decode()
        .replace("/etc/", f"{tmp_path}/etc/")
        .replace("/opt/", f"{tmp_path}/opt/")
    )
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    for name in ("apt-get", "aws", "curl", "dpkg", "tar", "systemctl", "install.sh"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\n')
        (tools / name).chmod(0o755)
    (tmp_path / "opt/kit/systemd").mkdir(parents=True)
    (tmp_path / "opt/kit/systemd/install.sh").symlink_to(tools / "install.sh")
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", script], check=True, env=os.environ | path)
    enabled = re.search(r"systemctl enable --now (.*)", log.read_text())
    assert enabled
    installed = set(re.findall(r"[\w.-]+", log.read_text().partition("install -y")[2].partition("\ncurl")[0]))
    assert packages_of_the_module() <= installed
    names = enabled[1].split()
    assert names == [
        "pinpipe-gateway",
        f"pinpipe-sink@{USER}",
        *(f"pinpipe-stream@{k}" for k in ("pin", "geo", "user")),
    ]
    for name in names:
        stem, at, instance = name.partition("@")
        unit = read_unit(COMMON.parents[1] / f"{stem}{at}.service")
        file = tmp_path / unit.one("EnvironmentFile").lstrip("/").replace("%i", instance)
        assert file.stat().st_mode & 0o077 == 0
        words = arguments(unit.one("ExecStart"), environment(unit, file))
        assert build_parser().parse_args(words[1:]).command == stem.removeprefix("pinpipe-")
