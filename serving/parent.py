"""A program that ends with the one that started it, however that one ends.

The parent holds the write end of a pipe and the child its read end. When the parent is gone, even
if it was killed, the operating system closes the write end, and the child reads the end of the
file. Python closes both ends in every other program that either of them starts, so that none
of those keeps the pipe open.

    pipe = ParentPipe()
    process = Popen([*command, *pipe.arguments], pass_fds=pipe.inherited)
    pipe.started()

A child whose standard input is a pipe from its parent needs none of this: it calls
`end_with_parent(0, ...)`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Self

PARENT_PIPE_FLAG = "--parent-pipe"
"""Takes the number of the descriptor that the child inherits."""
END_SECONDS = 8.0
"""How long a child may take to end in good order after its parent did."""
EXIT_WITHOUT_PARENT = 3
"""The exit code of a child that took longer."""
_STAY, _END = b"s", b"e"


class ParentPipe:
    """The parent's side: open for as long as the child is to run."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def arguments(self) -> list[str]:
        """What the command line of the child needs."""
        return [f"{PARENT_PIPE_FLAG}={self._read}"]

    @property
    def inherited(self) -> tuple[int, ...]:
        """What the child inherits: the `pass_fds` of `subprocess.Popen`."""
        return (self._read,)

    def started(self) -> None:
        """The child has its own copy of the read end now, or there will be no child."""
        if self._read >= 0:
            os.close(self._read)
            self._read = -1

    def keep_running(self, stays: bool) -> None:
        """Say whether the child runs on when this program ends; by default it does not."""
        if self._write >= 0:
            with contextlib.suppress(OSError):  # the child is gone
                os.write(self._write, _STAY if stays else _END)

    def close(self) -> None:
        """Let the child end, unless it was asked to stay."""
        self.started()
        if self._write >= 0:
            os.close(self._write)
            self._write = -1


def end_with_parent(
    descriptor: int, end: Callable[[], None], *, grace_seconds: float = END_SECONDS
) -> None:
    """Call `end`, on a thread of its own, once the parent is gone and did not ask to stay.

    This process exits `grace_seconds` later if it is still there then. Raises OSError if
    `descriptor` is not open.
    """
    os.set_inheritable(descriptor, False)  # `pass_fds` made it so, and other programs need it not

    def wait() -> None:
        stays = False
        # An error while reading is a pipe that broke, which only happens with the parent's end.
        with contextlib.suppress(OSError):
            while received := os.read(descriptor, 4096):
                stays = received[-1:] == _STAY
        if not stays:
            end()
            time.sleep(grace_seconds)
            # Not `sys.exit`, which would wait for threads that may never end.
            os._exit(EXIT_WITHOUT_PARENT)

    threading.Thread(target=wait, name="parent", daemon=True).start()
