"""Turns one fresh process into the CPU that an import and the first credentials of pinpipe or botocore take.

Never asks a network: the key lies in the environment. What the interpreter itself takes to start is not counted.
Rules: reference/signing.md §9 (10); run by bench/start.py, botocore in an environment of its own.
"""

import sys
import time

before, modules = time.process_time(), len(sys.modules)
if sys.argv[1] == "pinpipe":
    import pinpipe

    key = pinpipe.Credentials.default()
    secret, version = key.secret_access_key, pinpipe.__version__
else:
    import botocore.session

    secret = botocore.session.get_session().get_credentials().get_frozen_credentials().secret_key
    version = botocore.__version__
cpu_s, modules = time.process_time() - before, len(sys.modules) - modules
assert secret == "start/secret"

import json  # noqa: E402 - its load is not the peers'

answer = {"cpu_s": cpu_s, "modules": modules, "version": version}
with open("/proc/self/maps", encoding="utf-8") as maps:
    answer["libraries"] = len({line.split()[-1] for line in maps if ".so" in line})
print(json.dumps(answer))
