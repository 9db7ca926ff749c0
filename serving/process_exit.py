"""Waits for the end of processes, of other programs' too, without looking again and again."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Iterable
from typing import Self


class ExitWatch:
    """Calls `on_exit` each time one of the processes has ended; belongs to one event loop."""

    def __init__(self, on_exit: Callable[[], object]) -> None:
        self._call = on_exit
        self._watched: dict[int, int] = {}
        """The descriptor of each process, by its id."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.keep(())

    def keep(self, processes: Iterable[int]) -> bool:
        """Watch exactly these processes; False if the system does not tell of one of them."""
        kept = set(processes)
        for process in self._watched.keys() - kept:
            self._forget(process)
        for process in kept - self._watched.keys():
            try:
                descriptor = os.pidfd_open(process)
            except (OSError, AttributeError):  # it is gone already, or the system is too old
                continue
            self._watched[process] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._on_exit, process)
        return kept == self._watched.keys()

    def _on_exit(self, process: int) -> None:
        # Readable from now on: it would be called again and again.
        self._forget(process)
        self._call()

    def _forget(self, process: int) -> None:
        descriptor = self._watched.pop(process)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def wait_for_exit(process: int) -> bool:
    """Block until a process has ended; returns False at once where the system does not tell."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    except (OSError, AttributeError):
        return False
    try:
        waiting = select.poll()  # unlike `select`, with descriptors of any number
        waiting.register(descriptor, select.POLLIN)
        waiting.poll()
    finally:
        os.close(descriptor)
    return True
