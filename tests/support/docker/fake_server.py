"""The fake model server as a container runs it.

Behaves as `fake_server.json` in the model's folder says, `eat` included: it then
takes more and more memory.
"""

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

from serving.engines.server_flags import GRPC_PORT
from tests.support.fake_server import Server, flags, settings


def eat() -> None:
    eaten = []
    while True:
        time.sleep(0.1)
        if settings().get("eat"):
            eaten.append(os.urandom(16 * 2**20))


if __name__ == "__main__":
    os.chdir(Path(flags["--model_config_file"]).parent)
    print("the fake server begins", flush=True)
    if "exit" in settings():
        print("the model is broken", flush=True)
        sys.exit(settings()["exit"])
    threading.Thread(target=eat, daemon=True).start()
    asyncio.run(Server().run(f"0.0.0.0:{GRPC_PORT}"))
