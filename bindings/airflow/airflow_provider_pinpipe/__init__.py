"""Turns the provider into what Airflow's ProvidersManager reads of it: names of modules, connection type, schemes.

Never imports airflow: Airflow asks before it is set up.
Rules: Airflow's provider_info.schema.json; docs/airflow.md.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from airflow_provider_pinpipe import _form

__all__ = ["__version__", "get_provider_info"]

__version__ = "0.1.0"

_PACKAGE = "airflow_provider_pinpipe"
_NAME = "Pinpipe"
_LINKS = ("ReportLink", "StreamLink")


def _module(name: str) -> list[dict[str, Any]]:
    return [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.{name}"]}]


def _uris() -> list[dict[str, Any]]:
    schemes = {"kinesis": "sanitize_stream", "pinpipe": "sanitize_name"}
    return [
        {
            "schemes": [scheme],
            "handler": f"{_PACKAGE}.assets.{handler}",
            "to_openlineage_converter": f"{_PACKAGE}.assets.to_openlineage",
        }
        for scheme, handler in schemes.items()
    ]


def _is_airflow_2() -> bool:
    try:
        return version("apache-airflow").startswith("2.")
    except PackageNotFoundError:  # Airflow 3's core can be had alone
        return False


def get_provider_info() -> dict[str, Any]:
    """What Airflow shows and loads; its keys are those of the schema of each supported line."""
    return {
        "package-name": "airflow-provider-pinpipe",
        "name": _NAME,
        "description": "The Pinterest data pipeline: Kafka, Kinesis, S3, cleaning and the eight questions.",
        "integrations": [{"integration-name": _NAME, "tags": ["service"]}],
        "hooks": _module("hook"),
        "operators": _module("operators"),
        "sensors": _module("sensors"),
        "triggers": _module("triggers"),
        "connection-types": [
            {
                "connection-type": "pinpipe",
                "hook-class-name": f"{_PACKAGE}.hook.PinpipeHook",
                "hook-name": _NAME,
                "ui-field-behaviour": _form.behaviour_schema(),
                "conn-fields": _form.fields_schema(),
            }
        ],
        "extra-links": [f"{_PACKAGE}.links.{name}" for name in _LINKS],
        "dataset-uris" if _is_airflow_2() else "asset-uris": _uris(),
    }
