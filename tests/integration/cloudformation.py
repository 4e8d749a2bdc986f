"""Turns the templates of deploy/cloudformation into stacks of a double, but for types that it does not know.

Never leaves a type out that the double has not refused by its own words.
Rules: CloudFormation's template reference (intrinsic functions); docs/deployment.md, "What the double made".
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from environments import judges
from pinpipe import _store

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "cloudformation"
PATIENCE_S = 60.0
NAMED = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, which become the long ones."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load(path: Path) -> Template:
    """A template, in long forms."""
    with path.open(encoding="utf-8") as file:
        template: Template = yaml.load(file, _Loader)
    return template


def linted(*paths: Path) -> list[tuple[str, str]]:
    """The file and the rule of everything that cfn-lint says of templates; it has an environment of its own."""
    command = [str(judges("cloudformation") / "cfn-lint"), "--format", "json", "--", *map(str, paths)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return [(each["Filename"], each["Rule"]["Id"]) for each in json.loads(told.stdout)]


class Double:
    """ministack's CloudFormation and what it made."""

    def __init__(self, store: _store.Store) -> None:
        self.endpoint, self.region = store.endpoint, store.region
        self._stacks = self.client("cloudformation")

    def client(self, service: str, **keys: str) -> Any:
        """boto3's client of a service, by the key that may do everything."""
        given = keys or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        config = Config(proxies={}, retries={"total_max_attempts": 1})
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=self.region, config=config, **given
        )

    def _wait(self, name: str) -> tuple[str, list[str]]:
        """The stack's last status, and why resources failed."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            status = self._stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                break
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        events = self._stacks.describe_stack_events(StackName=name)["StackEvents"]
        return status, [each.get("ResourceStatusReason", "") for each in events]

    def create(self, name: str, template: Template, **parameters: str) -> tuple[dict[str, str], set[str]]:
        """Creates a stack; the physical id of each resource, and the types that the double says not to know."""
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        left_out: set[str] = set()
        for _ in range(2):
            body = json.dumps(without(template, left_out))
            try:
                self._stacks.create_stack(
                    StackName=name, TemplateBody=body, Parameters=given, Capabilities=NAMED
                )
                break
            except self._stacks.exceptions.ClientError as error:
                found = re.search(r"Unrecognized resource types: \[(.*)\]", str(error))
                if not found or left_out:
                    raise
                left_out = set(found[1].split(", "))
        status, reasons = self._wait(name)
        assert status == "CREATE_COMPLETE", [reason for reason in reasons if reason]
        made = self._stacks.describe_stack_resources(StackName=name)["StackResources"]
        assert {each["ResourceStatus"] for each in made} == {"CREATE_COMPLETE"}
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}, left_out

    def outputs(self, name: str) -> dict[str, str]:
        """What a stack tells others."""
        told = self._stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        return {each["OutputKey"]: each["OutputValue"] for each in told}

    def delete(self, name: str) -> None:
        """Deletes a stack with what it made."""
        identifier = self._stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self._stacks.delete_stack(StackName=name)
        assert self._wait(identifier)[0] == "DELETE_COMPLETE"


def without(template: Template, types: set[str]) -> Template:
    """The template without resources of these types; who names one of them gets an ARN that nobody has."""
    gone = {name for name, resource in template["Resources"].items() if resource["Type"] in types}

    def kept(node: Any) -> Any:
        if isinstance(node, list):
            return [kept(each) for each in node]
        if not isinstance(node, dict):
            return node
        for name in gone:
            stand_in = f"arn:aws:kafka:us-east-1:000000000000:cluster/left-out/{name}"
            if node.get("Ref") == name or node.get("Fn::GetAtt", [""])[0] == name:
                return stand_in
            text = node.get("Fn::Sub")
            if isinstance(text, str):
                node = {"Fn::Sub": re.sub(rf"\$\{{{name}(\.\w+)?\}}", stand_in, text)}
        return {key: kept(value) for key, value in node.items() if not _waits_for(key, value, gone)}

    resources = {name: each for name, each in template["Resources"].items() if name not in gone}
    rest: Template = kept({**template, "Resources": resources})
    return rest


def _waits_for(key: str, value: Any, gone: set[str]) -> bool:
    return key == "DependsOn" and bool(gone & set([value] if isinstance(value, str) else value))
