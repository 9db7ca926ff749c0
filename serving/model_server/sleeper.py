"""What a model server becomes while nobody calls it: it holds its sockets, and nothing else.

    python sleeper.py SOCKETS PORTS_FILE COMMAND...

A program of the standard library alone, since all that it imports takes memory. The process stays
the same: the server turns into this program, and this into the server again once somebody connects
to one of the sockets. What was sent meanwhile waits in them. It ends when its ports file is gone.
"""

from __future__ import annotations

import os
import select
import sys

LISTENERS_VARIABLE = "SERVERY_LISTENERS"
"""Which descriptors the server takes over from it, in the environment."""
POLL_SECONDS = 5.0
"""Between two looks whether the ports file, and so the instance, has been removed."""


def main(arguments: list[str]) -> None:
    sockets, ports_file, *command = arguments
    waiting = select.poll()
    for descriptor in sockets.split(","):
        waiting.register(int(descriptor), select.POLLIN)
    while not waiting.poll(POLL_SECONDS * 1000):
        if not os.access(ports_file, os.F_OK):
            return
    os.environ[LISTENERS_VARIABLE] = sockets
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main(sys.argv[1:])
