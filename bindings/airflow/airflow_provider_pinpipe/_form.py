"""Turns the connection type `pinpipe` into its form: which fields there are, what they are called, what they hold.

Never imports airflow: the form is told before Airflow is set up (3.x), and by the hook (2.x).
Rules: docs/airflow.md, "Connection".
"""

from __future__ import annotations

from typing import Any

#: Fields beyond those that every connection has: name -> (label, meaning).
FIELDS: dict[str, tuple[str, str]] = {
    "region": ("AWS region", "such as us-east-1"),
    "session_token": ("AWS session token", "of a temporary key"),
    "profile": ("AWS profile", "of the config files, in place of a key"),
    "endpoint_url_kinesis": ("Kinesis endpoint", "where it is not the host's"),
    "brokers": ("Kafka brokers", "host:port,host:port"),
    "kafka": ("Kafka settings", "librdkafka's settings as a JSON object, or iam = log in to MSK by IAM"),
    "stream": ("Stream", "a stream that the test looks at"),
}
SECRET_FIELDS = frozenset({"session_token"})

BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["port"],
    "relabeling": {
        "host": "Endpoint URL",
        "login": "AWS access key id",
        "password": "AWS secret access key",
        "schema": "Bucket",
    },
    "placeholders": {
        "host": "empty: Amazon's own",
        "login": "empty: what the worker's environment offers",
        "schema": "a bucket that the test looks at",
        **{name: meaning for name, (_, meaning) in FIELDS.items()},
    },
}


def fields_schema() -> dict[str, Any]:
    """The fields as Airflow 3 reads them from the provider's info."""
    return {
        name: {
            "label": label,
            "description": meaning,
            "schema": {
                "type": ["string", "null"],
                **({"format": "password"} if name in SECRET_FIELDS else {}),
            },
        }
        for name, (label, meaning) in FIELDS.items()
    }


def behaviour_schema() -> dict[str, Any]:
    """The behaviour in the spelling of the provider's info."""
    return {name.replace("_", "-"): value for name, value in BEHAVIOUR.items()}
