"""A tunnel to an engine on another machine, made by the system's ssh.

One connection forwards everything: the engine's socket becomes a socket in a
temporary folder, and the ports of instances, which the engine publishes on the
loopback of its own machine, become ports on the loopback of this one. It uses
ssh's configuration, keys and agent, never prompts, and ends with this program,
even if that is killed: ssh exits when its input is closed.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from serving.engines.docker.errors import EngineUnavailable
from serving.errors import EngineError
from serving.leftovers import TEMPORARY_PREFIX, writer_tag

LOGIN_TIMEOUT_SECONDS = 7.0
CLOSE_TIMEOUT_SECONDS = 2.0
FORWARD_TIMEOUT_SECONDS = 5.0
PORTS = range(49152, 65536)
"""What the port of an instance may become here if its own number is taken."""
MAX_PORT_ATTEMPTS = 20

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
_DEFAULT_SOCKETS = (
    "${DOCKER_HOST#unix://}",
    "/var/run/docker.sock",
    "$run/docker.sock",
    "$run/podman/podman.sock",
    "/run/podman/podman.sock",
)
"""Where an engine on the other machine may listen, for the shell there."""


@dataclass(frozen=True)
class SshAddress:
    """The part of an engine's address after `ssh://`."""

    host: str
    """With the user's name if there is one, as `ssh` takes it."""
    port: int | None = None
    socket: str = ""
    """Path of the engine's socket there; empty to search the default ones."""


class SshTunnel:
    """One connection to the machine of an engine, from `open` until `close`."""

    def __init__(self, address: SshAddress) -> None:
        self._address = address
        self._folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}ssh-{writer_tag()}-"))
        self._control = self._folder / "control"
        self.socket = self._folder / "engine.sock"
        """Where the engine answers on this machine."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[int, int] = {}
        """Local ports by the ports on the other machine."""
        self._lock = threading.Lock()

    def open(self) -> None:
        """Connect; raises EngineUnavailable with the reason if that fails."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def port(self, remote: int) -> int:
        """Return the port on this machine's loopback that leads to `remote` on the other's.

        It is the same number if that is free here. Raises EngineError.
        """
        with self._lock:
            if remote not in self._ports:
                self._ports[remote] = self._forward(remote)
            return self._ports[remote]

    def keep_only(self, remotes: Container[int]) -> None:
        """Close the local ports that lead to any others."""
        with self._lock:
            for remote in [port for port in self._ports if port not in remotes]:
                self._control_command("cancel", _loopback(self._ports.pop(remote), remote))

    def close(self) -> None:
        """Close the connection, and with it whatever goes through it."""
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
        with (self._folder / "stderr").open("wb") as stderr:
            try:
                self._process = subprocess.Popen(
                    [*self._ssh(*_OPTIONS), *self._destination(), _script(self._address.socket)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineUnavailable(f"ssh cannot be run: {error.strerror or error}.") from error
        remote = self._remote_socket(self._process)
        if not remote:
            raise EngineUnavailable(
                f"No container engine listens at {self._address.socket or 'the default sockets'} "
                "on that machine, or the user that ssh logs in as may not use it."
            )
        if refusal := self._control_command("forward", f"{self.socket}:{remote}"):
            raise EngineUnavailable(f"ssh does not forward {remote} on that machine: {refusal}")

    def _remote_socket(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the login, and return where the engine listens; raises EngineUnavailable."""
        assert process.stdout is not None
        deadline = time.monotonic() + LOGIN_TIMEOUT_SECONDS
        text = b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([process.stdout], [], [], left)[0]:
                break
            chunk = os.read(process.stdout.fileno(), 4096)
            text += chunk
            *lines, _ = text.decode(errors="replace").split("\n")
            for line in lines:
                if line.startswith(_MARK):
                    return line.removeprefix(_MARK).strip()
            if not chunk:
                output = (self._folder / "stderr").read_text(errors="replace").strip()
                reason = output.splitlines()[-1] if output else "it exited without a message"
                login = shlex.join(["ssh", *self._destination(), "true"])
                raise EngineUnavailable(
                    f"ssh does not connect: {reason.rstrip('.')}. Check that `{login}` works "
                    "without asking for anything."
                )
        raise EngineUnavailable(f"ssh did not connect within {LOGIN_TIMEOUT_SECONDS:.0f} s.")

    def _forward(self, remote: int) -> int:
        # Only ssh can say whether a port is free: it takes it or refuses. A probed port could be
        # taken by the time that it is used.
        error = ""
        for local in [remote, *random.sample(PORTS, MAX_PORT_ATTEMPTS)]:
            error = self._control_command("forward", _loopback(local, remote))
            if not error:
                return local
        raise EngineError(
            f"ssh to {self._address.host} does not forward port {remote} there: {error}",
            "Check that ssh may forward ports on that machine.",
        )

    def _control_command(self, command: str, forwarding: str) -> str:
        """Open or close a forwarding of the connection; return the error, "" if it worked."""
        try:
            done = subprocess.run(
                [*self._ssh(), "-O", command, "-L", forwarding, *self._destination()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FORWARD_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        lines = done.stderr.strip().splitlines()
        return (lines[-1] if lines else "no reason was given") if done.returncode else ""

    def _ssh(self, *options: str) -> list[str]:
        return ["ssh", "-S", str(self._control), *(f"-o{option}" for option in options)]

    def _destination(self) -> list[str]:
        port = ["-p", str(self._address.port)] if self._address.port else []
        return [*port, "--", self._address.host]


def _loopback(local: int, remote: int) -> str:
    return f"127.0.0.1:{local}:127.0.0.1:{remote}"


def _script(socket: str) -> str:
    """Return the command for the other machine: prints the engine's socket, then waits for EOF."""
    sockets = shlex.quote(socket) if socket else " ".join(f'"{each}"' for each in _DEFAULT_SOCKETS)
    run = "run=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
    usable = '[ -S "$s" ] && [ -w "$s" ]'
    search = f"for s in {sockets}; do if {usable}; then break; fi; s=; done"
    return shlex.join(["sh", "-c", f'{run}; {search}; echo "{_MARK}$s"; exec cat >/dev/null'])
