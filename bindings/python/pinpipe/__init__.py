"""The Pinterest data pipeline in one package: records, cleaning, Kafka, S3, IAM signing, the nine answers.

Everything public is a name of this package; modules that begin with an underscore are private.
"""

from pinpipe.errors import Error
from pinpipe.native import pinpipe_version as _version

__version__: str = _version()

__all__ = ["Error", "__version__"]
