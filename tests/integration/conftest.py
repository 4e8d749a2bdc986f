"""Turns the servers of servers.py and the gates before them into fixtures of every integration test.

Never starts anything by itself.
Rules: tests/README.md.
"""

from databases import mysql
from debian_packages import packages
from gates import gate, gate_bucket, tls_gate
from kafka_broker import kafka_broker
from kafka_iam_broker import iam_broker
from kinesis_servers import kinesalite, kinesis_double, kinesis_local, kinesis_ministack
from newer_kafka import newer_kafka
from servers import versitygw
from spark_session import spark

__all__ = [
    "gate",
    "gate_bucket",
    "iam_broker",
    "kafka_broker",
    "kinesalite",
    "kinesis_double",
    "kinesis_local",
    "kinesis_ministack",
    "mysql",
    "newer_kafka",
    "packages",
    "spark",
    "tls_gate",
    "versitygw",
]
