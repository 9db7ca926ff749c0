"""An engine on another machine, made to answer on this one by the system's ssh.

One connection carries all: the engine's socket becomes a socket in a folder of
this program, and the ports of instances, which the engine publishes on the
loopback of its own machine, become ports on the loopback of this one. It uses
ssh's configuration, keys and agent, never asks for anything, and ends with this
program, however that ends: ssh leaves when its input is closed.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from serving.engines.docker.errors import EngineUnavailable
from serving.errors import EngineError

LOGIN_TIMEOUT_SECONDS = 7.0
"""How long logging in may take."""
CLOSE_TIMEOUT_SECONDS = 2.0
FORWARD_TIMEOUT_SECONDS = 5.0
PORTS = range(49152, 65536)
"""What the port of an instance may become here where its own number is taken."""
MAX_ATTEMPTS = 20

_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=6",
    "ServerAliveInterval=3",
    "ServerAliveCountMax=3",
    "ControlMaster=yes",
    "ControlPersist=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RemoteCommand=none",
)
_MARK = "servery-engine:"
_USUAL = (
    "${DOCKER_HOST#unix://}",
    "/var/run/docker.sock",
    "$run/docker.sock",
    "$run/podman/podman.sock",
    "/run/podman/podman.sock",
)
"""Where an engine on the other machine may listen, in the words of its shell."""


@dataclass(frozen=True)
class SshAddress:
    """What follows `ssh://` in an engine's address."""

    host: str
    """With the user's name where one is given, as `ssh` takes it."""
    port: int | None = None
    socket: str = ""
    """Path of the engine's socket there; looked for in the usual places where empty."""


class SshTunnel:
    """One connection to the machine of an engine, from `open` until `close`."""

    def __init__(self, address: SshAddress) -> None:
        self._address = address
        self._folder = Path(tempfile.mkdtemp(prefix="servery-ssh-"))
        self._control = self._folder / "control"
        self.socket = self._folder / "engine.sock"
        """Where the engine answers on this machine."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[int, int] = {}
        """Ports here by the ports there."""
        self._lock = threading.Lock()

    def open(self) -> None:
        """Connect; raises EngineAway with the reason where that does not work."""
        if sys.platform == "win32":
            raise EngineUnavailable("Engines are reached over ssh from Linux and macOS only.")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def port(self, there: int) -> int:
        """Return the port on this machine's loopback that leads to one on the other's.

        The number is the same where it is free here. Raises EngineError.
        """
        with self._lock:
            if there not in self._ports:
                self._ports[there] = self._forwarded(there)
            return self._ports[there]

    def keep_only(self, there: Container[int]) -> None:
        """Give up the ports that lead to any others."""
        with self._lock:
            for port in [port for port in self._ports if port not in there]:
                self._ask("cancel", _loopback(self._ports.pop(port), port))

    def close(self) -> None:
        """End the connection, and with it whatever goes through it."""
        process = self._process
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            try:
                process.wait(CLOSE_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self) -> None:
        with (self._folder / "said").open("wb") as said:
            try:
                self._process = subprocess.Popen(
                    [*self._ssh(*_OPTIONS), *self._where(), _script(self._address.socket)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineUnavailable(f"ssh cannot be run: {error.strerror or error}.") from error
        there = self._socket_there(self._process)
        if not there:
            place = f"at {self._address.socket}" if self._address.socket else "at the usual places"
            raise EngineUnavailable(
                f"No container engine listens {place} on that machine, or the user that ssh "
                "logs in as may not use it."
            )
        if trouble := self._ask("forward", f"{self.socket}:{there}"):
            raise EngineUnavailable(f"ssh does not lead to {there} on that machine: {trouble}")

    def _socket_there(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the login, and return where the engine listens; raises EngineAway."""
        assert process.stdout is not None
        deadline = time.monotonic() + LOGIN_TIMEOUT_SECONDS
        text = b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([process.stdout], [], [], left)[0]:
                break
            new = os.read(process.stdout.fileno(), 4096)
            text += new
            *lines, _ = text.decode(errors="replace").split("\n")
            for line in lines:
                if line.startswith(_MARK):
                    return line.removeprefix(_MARK).strip()
            if not new:
                said = (self._folder / "said").read_text(errors="replace").strip().splitlines()
                reason = said[-1].strip() if said else "it ended without a word"
                login = shlex.join(["ssh", *self._where(), "true"])
                raise EngineUnavailable(
                    f"ssh does not get there: {reason.rstrip('.')}. See that `{login}` works "
                    "without asking for anything."
                )
        raise EngineUnavailable(f"ssh did not get there within {LOGIN_TIMEOUT_SECONDS:.0f} s.")

    def _forwarded(self, there: int) -> int:
        # Whether a port is free is for ssh to say, which takes it or refuses; nothing is probed.
        trouble = ""
        for here in [there, *random.sample(PORTS, MAX_ATTEMPTS)]:
            trouble = self._ask("forward", _loopback(here, there))
            if not trouble:
                return here
        raise EngineError(
            f"ssh to {self._address.host} does not lead to port {there} there: {trouble}",
            "See that ssh may forward ports on that machine.",
        )

    def _ask(self, what: str, forwarding: str) -> str:
        """Tell the connection to open or close a way; return what it says against that."""
        try:
            done = subprocess.run(
                [*self._ssh(), "-O", what, "-L", forwarding, *self._where()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FORWARD_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        lines = done.stderr.strip().splitlines()
        return (lines[-1] if lines else "it does not say why") if done.returncode else ""

    def _ssh(self, *options: str) -> list[str]:
        return ["ssh", "-S", str(self._control), *(f"-o{option}" for option in options)]

    def _where(self) -> list[str]:
        port = ["-p", str(self._address.port)] if self._address.port else []
        return [*port, "--", self._address.host]


def _loopback(here: int, there: int) -> str:
    return f"127.0.0.1:{here}:127.0.0.1:{there}"


def _script(socket: str) -> str:
    """Return what is run over there: it says where the engine listens, and waits to be left."""
    places = shlex.quote(socket) if socket else " ".join(f'"{place}"' for place in _USUAL)
    run = "run=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
    usable = '[ -S "$s" ] && [ -w "$s" ]'
    look = f"for s in {places}; do if {usable}; then break; fi; s=; done"
    return shlex.join(["sh", "-c", f'{run}; {look}; echo "{_MARK}$s"; exec cat >/dev/null'])
