"""Turns the servers of servers.py into fixtures of every integration test.

Never starts anything by itself.
Rules: tests/README.md.
"""

from kafka_broker import kafka_broker
from servers import versitygw

__all__ = ["kafka_broker", "versitygw"]
