"""Turns OpenAPI documents and bodies of requests into what independent judges say of them; for their own environment.

Never imports pinpipe: documents and bodies come by stdin, verdicts go out as JSON.
Rules: OpenAPI 3.0.3; API Gateway validates bodies by JSON schema draft 4.
"""

from __future__ import annotations

import json
import sys

from jsonschema import Draft4Validator
from openapi_spec_validator import OpenAPIV30SpecValidator


def main() -> int:
    """Faults of each document, and whether each body fits the schema beside it."""
    asked = json.load(sys.stdin)
    faults = [
        [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()]
        for document in asked["documents"]
    ]
    fits = [Draft4Validator(schema).is_valid(body) for schema, body in asked["bodies"]]
    json.dump({"faults": faults, "fits": fits}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
