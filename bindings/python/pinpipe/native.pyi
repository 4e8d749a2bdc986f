# The generated module is private and untyped: the hand-written modules give the types.
from typing import Any

def __getattr__(name: str) -> Any: ...
