"""Turns the gateway's paths into an OpenAPI document that API Gateway imports.

Never asks anybody: all of it comes from the tables that the gateway serves.
Rules: CONTRACT §2; docs/gateway.md, "OpenAPI".
"""

from __future__ import annotations

import argparse
import json

from pinpipe._openapi import AUTHS, Target, gateway_document
from pinpipe.errors import InvalidArgumentError

HELP = "print an OpenAPI document, with mapping templates, that API Gateway imports"
EXAMPLE = (
    "pinpipe openapi gateway --role arn:aws:iam::123456789012:role/kinesis-proxy "
    "--kafka-rest http://ec2-198-51-100-7.compute-1.amazonaws.com:8082"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("what", choices=("gateway",), help="what is described")
    parser.add_argument(
        "--region", default="us-east-1", metavar="R", help="of the streams (default: us-east-1)"
    )
    parser.add_argument("--role", metavar="ARN", help="by which API Gateway calls Kinesis")
    parser.add_argument(
        "--kafka-rest", metavar="URL", help="of Kafka's REST proxy behind /{proxy+} (default: no such path)"
    )
    parser.add_argument(
        "--vpc-link", metavar="ID", help="by which API Gateway reaches the proxy (default: by the internet)"
    )
    parser.add_argument(
        "--auth",
        choices=AUTHS,
        default="none",
        help="what callers need: nothing (default), an x-api-key, a signature for execute-api",
    )
    parser.add_argument(
        "--cloudformation",
        action="store_true",
        help="for a stack's Body: its own region and partition; --role, --kafka-rest and --vpc-link are names "
        "in it, such as GatewayRole.Arn and KafkaRestUrl",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints; returns the exit code."""
    if not arguments.role:
        raise InvalidArgumentError("--role: API Gateway needs one to call Kinesis")
    if arguments.cloudformation:
        target = Target.cloudformation(arguments.role, arguments.kafka_rest, arguments.vpc_link)
    else:
        target = Target.plain(arguments.region, arguments.role, arguments.kafka_rest, arguments.vpc_link)
    print(json.dumps(gateway_document(target, arguments.auth), indent=2))
    return 0
