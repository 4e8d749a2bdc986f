"""Turns the arguments by which a program is told how to reach Kafka into what `pinpipe.kafka` takes.

Never opens a connection.
Rules: CONTRACT §2 (arguments); docs/kafka.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TypedDict


class Access(TypedDict):
    """What producers, consumers, sinks and gateways take by these names."""

    settings: dict[str, str] | None
    properties: str | None
    iam: bool
    region: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a librdkafka setting, such as security.protocol=ssl",
    )
    parser.add_argument(
        "--properties", metavar="FILE", help="a client.properties of Java's clients, below --set"
    )
    parser.add_argument(
        "--iam", action="store_true", help="log in to MSK by IAM, with the key that `pinpipe doctor` shows"
    )
    parser.add_argument(
        "--region", metavar="R", help="of the cluster, where its brokers' names do not tell it (IAM login)"
    )


def access(arguments: argparse.Namespace) -> Access:
    """What they say."""
    return Access(
        settings=pairs(arguments.set) or None,
        properties=arguments.properties,
        iam=arguments.iam,
        region=arguments.region,
    )


def pairs(told: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE as names and values; the last of a name wins."""
    return {name: value for name, _, value in (one.partition("=") for one in told)}
