"""Turns the `pinpipe` program's commands into modules, one each.

Never lists a command that does not work yet.
Rules: CONTRACT §2.

A command module has HELP (one line), EXAMPLE (a command line that works), `configure(parser)` which adds its
arguments, and `run(arguments) -> int` which returns the exit code: 0 done, 1 failed, 2 usage, 3 done with
rejected records. A command raises `pinpipe.Error` for what went wrong; the program prints it as one line.
"""
