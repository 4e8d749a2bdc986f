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
    return posting.one_layer(
        "Emulates users who post pins to Kafka, as the course's script does.",
        "kafka-rest+",
        {
            "--invoke-url": "of the API before the REST proxy, with its stage",
            "--to": "kafka://brokers or file:///dir (default: print the rows)",
        },
    )


if __name__ == "__main__":
    raise SystemExit(main())
