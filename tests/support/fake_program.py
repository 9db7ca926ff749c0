"""Starts, listens, stops and dies as a model server does, in milliseconds.

Takes the flags of the model server. Behaves as `fake_server.json` in the working
folder says: `deaf` to SIGTERM, `exit` at once with a status.
"""

import json
import signal
import sys
import time
from pathlib import Path

flags = dict(argument.split("=", 1) for argument in sys.argv[1:])
behaviour_file = Path("fake_server.json")
settings = json.loads(behaviour_file.read_text()) if behaviour_file.exists() else {}
print("serving", json.dumps(flags), flush=True)
if "exit" in settings:
    print("the model is broken", flush=True)
    sys.exit(settings["exit"])
if settings.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
aside = Path(flags["--ports_file"] + ".aside")
aside.write_text(json.dumps({"grpc": 40001, "rest": 40002}))
aside.replace(flags["--ports_file"])
while True:
    time.sleep(0.1)
