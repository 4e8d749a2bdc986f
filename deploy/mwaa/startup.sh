#!/bin/sh
# Turns an MWAA worker's environment into one that the pipeline runs in. It is sourced: it exports, and never ends a shell.

# Where the emulator keeps its embedded tables and deltalake its temporary files: the worker's own disk, not the plugins.
export PINPIPE_STATE_DIR=/tmp/pinpipe
export XDG_CACHE_HOME=/tmp/cache
# Warnings of the C library in the task's log.
export PINPIPE_LOG=warning
