"""The Pinterest data pipeline in one package: records, cleaning, Kafka, S3, IAM signing, the nine answers.

Everything public is a name of this package; modules that begin with an underscore are private.
"""

from pinpipe import s3
from pinpipe._credentials import Credentials
from pinpipe._emulator import emulate
from pinpipe._query import query
from pinpipe._records import Schema, Table, clean, decode, encode, schema
from pinpipe._sign import SignedRequest, sign
from pinpipe.errors import Error
from pinpipe.native import pinpipe_version as _version

__version__: str = _version()

__all__ = [
    "Credentials",
    "Error",
    "Schema",
    "SignedRequest",
    "Table",
    "__version__",
    "clean",
    "decode",
    "emulate",
    "encode",
    "query",
    "s3",
    "schema",
    "sign",
]
