"""Runs `servery` commands in processes that need not import everything first.

Importing takes most of the time of a command, and tests run hundreds. One process imports the
modules of all commands, and a copy of it (`fork`) becomes each command: a process with arguments,
environment, folder, standard streams and exit code of its own. What differs from `python -m
desktop.cli` is where the modules come from; `CommandLine.start` runs that itself.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tests.support import warm_command_client
from tests.support.warm_command_client import send_command

_FIXED = ("PYTHON", "LC_", "LANG", "LD_")
"""How variables begin that a process reads before it runs any of our code."""


class WarmCommands:
    """The process that has everything imported; started by the first command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._address = ""

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout_seconds: float,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; raises subprocess.TimeoutExpired after killing it."""
        for name in {*environment, *os.environ}:
            same = environment.get(name) == os.environ.get(name)
            assert same or not name.startswith(_FIXED) or name == "PYTHONPATH", name
        with (
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            open(os.devnull, "rb") as stdin,  # noqa: PTH123
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.connect(self._listening(environment["PYTHONPATH"]))
            streams = [file.fileno() for file in (stdin, stdout, stderr)]
            send_command(connection, arguments, str(folder), environment, streams)
            with connection.makefile("rb") as answers:
                pid = int(answers.readline())
                connection.settimeout(timeout_seconds)
                try:
                    status = int(answers.readline())
                except TimeoutError as error:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), timeout_seconds) from error
            return subprocess.CompletedProcess(
                ["servery", *arguments], status, _content(stdout), _content(stderr)
            )

    def write_program(self, path: Path, python_path: str) -> None:
        """Write a program that runs its arguments as a command, for a shell to find."""
        words = [sys.executable, "-IS", warm_command_client.__file__, self._listening(python_path)]
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)

    def _listening(self, python_path: str) -> str:
        """Return the address of the process, which listens."""
        with self._lock:
            if self._process is None:
                self._folder = tempfile.TemporaryDirectory(prefix="servery-warm-")
                self._address = str(Path(self._folder.name, "socket"))
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(self._address)
                    listener.listen(64)
                    # Its standard input ends with this process, however that ends.
                    self._process = subprocess.Popen(
                        [sys.executable, "-m", __name__, str(listener.fileno())],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        pass_fds=[listener.fileno()],
                        env={**os.environ, "PYTHONPATH": python_path},
                    )
            return self._address

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


WARM_COMMANDS = WarmCommands()


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _serve(listener: socket.socket) -> dict[str, Any]:
    """Become a copy for each connection; returns what to run in one that is to be a command."""
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = _receive(connection)
            if (pid := os.fork()) == 0:
                connection.close()
                return request
            # The pid first: who waits kills what takes too long.
            with suppress(OSError):
                connection.sendall(f"{pid}\n".encode())
                _, status = os.waitpid(pid, 0)
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        connection.close()


def _receive(connection: socket.socket) -> dict[str, Any]:
    """Read a request, and take its files for the standard streams."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with connection.makefile("rb") as file:
        request: dict[str, Any] = json.loads(file.read())
    return request


def _become(request: dict[str, Any]) -> None:
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    from desktop import cli

    for module in cli.COMMANDS.values():
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        command = _serve(listening)
    _become(command)
    cli.main(prog_name="servery")
