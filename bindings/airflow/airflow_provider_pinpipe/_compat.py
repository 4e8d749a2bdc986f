"""Turns three lines of Airflow into one set of names; every other module takes them from here.

Never tries a name and falls back: `airflow.sdk` alone decides, and a name that has moved is an error that shows.
Rules: docs/airflow.md, "Versions".
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

AIRFLOW_3 = find_spec("airflow.sdk") is not None

if TYPE_CHECKING or AIRFLOW_3:
    from airflow import exceptions as _first_exceptions
    from airflow.configuration import conf
    from airflow.sdk import (
        Asset,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        PokeReturnValue,
    )
    from airflow.sdk import exceptions as _sdk_exceptions
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

    # They moved within 3.x, and their first home warns since.
    _exceptions = _sdk_exceptions if hasattr(_sdk_exceptions, "AirflowFailException") else _first_exceptions
    AirflowException = _exceptions.AirflowException
    AirflowFailException = _exceptions.AirflowFailException
    AirflowNotFoundException = _exceptions.AirflowNotFoundException
else:
    from airflow.configuration import conf
    from airflow.datasets import Dataset as Asset
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
    from airflow.hooks.base import BaseHook
    from airflow.models import BaseOperator, Connection
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.models.xcom import XCom
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    from airflow.triggers.base import BaseTrigger, TriggerEvent
    from airflow.utils.context import Context

    BaseEventTrigger = BaseTrigger

__all__ = [
    "AIRFLOW_3",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "Asset",
    "BaseEventTrigger",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "BaseTrigger",
    "Connection",
    "Context",
    "PokeReturnValue",
    "TriggerEvent",
    "XCom",
    "conf",
]
