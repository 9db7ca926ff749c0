"""A model server without a model, as a program: starts, answers, stops and fails as a test says.

Takes the flags of the model server, and two of its own: `--grpc=no` to only pretend that it
listens, which starts in milliseconds, and `--address`. Behaves as `fake_server.json` in the
working folder says, or else the one beside the configuration file: `exit` with a status at
once, `ignore_sigterm`, take more and more memory (`eat`), versions that are `broken` and never
become available or `deadly` and end it, models that are `slow` and not loaded until they are
not any more, `delay` seconds a prediction.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

flags = dict(argument.split("=", 1) for argument in sys.argv[1:])


def settings() -> dict[str, Any]:
    """Read the settings; a test may change them at any moment."""
    for folder in (Path(), Path(flags["--model_config_file"]).parent):
        file = folder / "fake_server.json"
        if file.exists():
            return dict(json.loads(file.read_text()))
    return {}


def addresses() -> list[str]:
    """Return where to listen."""
    found = [flags.get("--address", "127.0.0.1:0")] if listens_on_tcp() else []
    if "--grpc_socket_path" in flags:
        found.append(f"unix:{flags['--grpc_socket_path']}")
    return found


def listens_on_tcp() -> bool:
    return flags.get("--enable_tcp") != "false"


def write_ports(**ports: int) -> None:
    if "--ports_file" in flags:
        path = Path(flags["--ports_file"])
        path.with_suffix(".aside").write_text(json.dumps(ports))
        path.with_suffix(".aside").replace(path)


def use_memory_on_request() -> None:
    eaten = []
    while True:
        time.sleep(0.1)
        if settings().get("eat"):
            eaten.append(os.urandom(16 * 2**20))


async def serve() -> None:
    # Only here, since gRPC takes most of the time in which this program starts.
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.support.fake_model_service import FakeModelService

    service = FakeModelService(Path(flags["--model_config_file"]), settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with service.listening(*addresses()) as ports:
        write_ports(**({"grpc": ports[0]} if listens_on_tcp() else {}))
        await stop.wait()


if __name__ == "__main__":
    with_grpc = flags.get("--grpc") != "no"
    print("the fake server begins" if with_grpc else f"serving {json.dumps(flags)}", flush=True)
    if "exit" in settings():
        print("the model is broken", flush=True)
        sys.exit(settings()["exit"])
    if settings().get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=use_memory_on_request, daemon=True).start()
    if with_grpc:
        asyncio.run(serve())
    else:
        write_ports(**({"grpc": 40001, "rest": 40002} if listens_on_tcp() else {}))
        threading.Event().wait()
