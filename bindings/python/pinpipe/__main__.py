"""`python -m pinpipe` is the `pinpipe` program."""

from pinpipe._cli import main

raise SystemExit(main())
