"""The Pinterest data pipeline in one package: records, cleaning, Kafka, Kinesis, S3, IAM signing, the nine answers.

Turns the use of a public name into the load of its home, so that `import pinpipe` stays cheap in a DAG file or a
notebook cell. Never loads an optional package; modules that begin with an underscore are private.
Rules: CONTRACT §3.
"""

TYPE_CHECKING = False  # as typing's own, which takes longer to load than all of this

if TYPE_CHECKING:
    from pinpipe import jobs, kafka, kinesis, native, s3, spark  # noqa: F401 - native is private, and known to the type checker
    from pinpipe._credentials import Credentials
    from pinpipe._emulator import emulate
    from pinpipe._log import set_log_level
    from pinpipe._matches import matches
    from pinpipe._profiles import Profile, profile
    from pinpipe._query import query
    from pinpipe._records import Table, clean, decode, encode
    from pinpipe._schema import Schema, schema
    from pinpipe._sign import SignedRequest, sign
    from pinpipe._stream import stream
    from pinpipe.errors import Error, ExpectationError

    __version__: str

__all__ = [
    "Credentials",
    "Error",
    "ExpectationError",
    "Profile",
    "Schema",
    "SignedRequest",
    "Table",
    "__version__",
    "clean",
    "decode",
    "emulate",
    "encode",
    "jobs",
    "kafka",
    "kinesis",
    "matches",
    "profile",
    "query",
    "s3",
    "schema",
    "set_log_level",
    "sign",
    "spark",
    "stream",
]

_HOMES = {
    "Credentials": "pinpipe._credentials",
    "Error": "pinpipe.errors",
    "ExpectationError": "pinpipe.errors",
    "Profile": "pinpipe._profiles",
    "Schema": "pinpipe._schema",
    "SignedRequest": "pinpipe._sign",
    "Table": "pinpipe._records",
    "clean": "pinpipe._records",
    "decode": "pinpipe._records",
    "emulate": "pinpipe._emulator",
    "encode": "pinpipe._records",
    "matches": "pinpipe._matches",
    "profile": "pinpipe._profiles",
    "query": "pinpipe._query",
    "schema": "pinpipe._schema",
    "set_log_level": "pinpipe._log",
    "sign": "pinpipe._sign",
    "stream": "pinpipe._stream",
}
_MODULES = ("errors", "jobs", "kafka", "kinesis", "s3", "spark")


if not TYPE_CHECKING:  # a type checker reads the imports above, and would take any name for a public one

    def __getattr__(name: str) -> object:
        """Loads a public name from its home, once."""
        value: object
        if name in _HOMES:
            value = getattr(__import__(_HOMES[name], fromlist=[name]), name)
        elif name in _MODULES:
            value = __import__(f"pinpipe.{name}", fromlist=["__name__"])
        elif name == "__version__":
            from pinpipe import native

            value = native.pinpipe_version()
        else:
            raise AttributeError(f"module 'pinpipe' has no attribute '{name}'")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
