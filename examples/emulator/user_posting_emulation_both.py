"""Turns one run of draws into posts of users for both layers: the same rows to the topics and to the streams.

Never draws twice: what the layers store can be compared row for row.
Rules: posting.py; one API serves both in the course, its /topics before the REST proxy and its /streams before Kinesis.

    python user_posting_emulation_both.py --source db_creds.yaml --user-id 0a1b2c3d4e5f \\
        --invoke-url https://<api>.execute-api.us-east-1.amazonaws.com/test
    python user_posting_emulation_both.py --to kafka://localhost:9092 --to kinesis://us-east-1 --rows 500
"""

from __future__ import annotations

import posting


def main() -> int:
    """The topics `<user id>.pin|geo|user` and the streams `streaming-<user id>-pin|geo|user`."""
    parser = posting.options(
        "Emulates users who post pins, for the batch layer and the stream layer at once."
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--invoke-url", help="of the API before both, with its stage")
    target.add_argument(
        "--to", action="append", help="a target that takes every row; give one for each layer"
    )
    arguments = parser.parse_args()
    url = arguments.invoke_url
    return posting.post(arguments, [f"kafka-rest+{url}", f"apigw+{url}"] if url else arguments.to)


if __name__ == "__main__":
    raise SystemExit(main())
