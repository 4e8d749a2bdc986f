"""Turns `python -m pinpipe` into the `pinpipe` program.

Never does anything of its own.
Rules: CONTRACT §2.
"""

from pinpipe._cli import main

raise SystemExit(main())
