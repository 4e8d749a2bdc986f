"""The commands of the `pinpipe` program, one module each.

A command module has HELP (one line), EXAMPLE (a command line that works), `configure(parser)` which adds its
arguments, and `run(arguments) -> int` which returns the exit code: 0 done, 1 failed, 2 usage, 3 done with
rejected records. A command raises `pinpipe.Error` for what went wrong; the program prints it as one line.
"""
