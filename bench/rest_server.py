"""A server that confirms every record of every request to a REST proxy, until its standard input ends.

Never looks at a record but to count it.
Rules: Confluent REST Proxy API Reference, "API v2"; docs/performance.md, "REST proxy".
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.doubles.kafka_rest import Answer, Request, Server

_ENTRY = '{"partition":0,"offset":1234567,"error_code":null,"error":null}'


def _confirm(request: Request) -> Answer:
    count = request.body.count(b'{"value":')
    entries = ",".join([_ENTRY] * count)
    return Answer(200, f'{{"offsets":[{entries}],"key_schema_id":null,"value_schema_id":null}}'.encode())


def main() -> int:
    """Prints its endpoint first."""
    with Server(_confirm, keep=False) as server:
        print(server.endpoint, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
