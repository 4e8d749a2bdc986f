"""Turns random draws into posts of users for the stream layer, as the course's script of this name does.

Never creates a stream, and never takes an HTTP 200 that hides Kinesis' refusal for a success.
Rules: posting.py; the invoke URL is that of the API before Kinesis, with its stage; docs/kinesis.md, "API Gateway".

    python user_posting_emulation_streaming.py                the embedded tables, printed
    python user_posting_emulation_streaming.py --source db_creds.yaml --user-id 0a1b2c3d4e5f \\
        --invoke-url https://<api>.execute-api.us-east-1.amazonaws.com/test
    python user_posting_emulation_streaming.py --source db_creds.yaml --to kinesis://us-east-1 --rows 500
"""

from __future__ import annotations

import posting


def main() -> int:
    """The streams `streaming-<user id>-pin|geo|user`."""
    return posting.one_layer(
        "Emulates users who post pins to Kinesis, as the course's script does.",
        "apigw+",
        {
            "--invoke-url": "of the API before Kinesis, with its stage",
            "--to": "kinesis://region or file:///dir (default: print the rows)",
        },
    )


if __name__ == "__main__":
    raise SystemExit(main())
