"""Turns random draws into posts of users for the batch layer, as the course's script of this name does.

Never writes to the streams: user_posting_emulation_streaming.py does, user_posting_emulation_both.py to both.
Rules: posting.py; the invoke URL is that of the API before the REST proxy, with its stage.

    python user_posting_emulation.py                          the embedded tables, printed
    python user_posting_emulation.py --source db_creds.yaml --user-id 0a1b2c3d4e5f \\
        --invoke-url https://<api>.execute-api.us-east-1.amazonaws.com/test
    python user_posting_emulation.py --source db_creds.yaml --to kafka://localhost:9092 --rows 500
"""

from __future__ import annotations

import posting


def main() -> int:
    """The topics `<user id>.pin|geo|user`."""
    parser = posting.options("Emulates users who post pins to Kafka, as the course's script does.")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--invoke-url", help="of the API before the REST proxy, with its stage")
    target.add_argument("--to", help="kafka://brokers or file:///dir (default: print the rows)")
    arguments = parser.parse_args()
    to = f"kafka-rest+{arguments.invoke_url}" if arguments.invoke_url else arguments.to
    return posting.post(arguments, [to] if to else [])


if __name__ == "__main__":
    raise SystemExit(main())
