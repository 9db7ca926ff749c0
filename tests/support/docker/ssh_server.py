"""An sshd on loopback with keys, settings and a port of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import stat
import subprocess
import threading
from pathlib import Path

import psutil

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def unavailable_reason() -> str:
    """Return why there can be no sshd here; empty if there can."""
    if not Path(SSHD).is_file():
        return "there is no sshd (on Debian: openssh-server)"
    missing = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
    return f"there is no {missing[0]}" if missing else ""


class SshServer:
    """Lets its own key in as the user of this process, one sshd a connection.

    `bin` holds an `ssh` that is the system's with the settings that know this
    server, to be put first on the search path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port = int(self._listener.getsockname()[1])
        self.bin = folder / "bin"
        self.address = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    def __enter__(self) -> SshServer:
        for name in ("host_key", "own_key"):
            path = str(self._folder / name)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        shutil.copy(self._folder / "own_key.pub", self._folder / "authorized_keys")
        host_key = (self._folder / "host_key.pub").read_text()
        (self._folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        (self._folder / "sshd_config").write_text(
            f"HostKey {self._folder}/host_key\n"
            f"AuthorizedKeysFile {self._folder}/authorized_keys\n"
            "PermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "StrictModes no\n"
            "UsePAM no\n"
        )
        (self._folder / "ssh_config").write_text(
            f"IdentityFile {self._folder}/own_key\n"
            "IdentitiesOnly yes\n"
            f"UserKnownHostsFile {self._folder}/known_hosts\n"
        )
        self.bin.mkdir()
        program = self.bin / "ssh"
        program.write_text(
            f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{self._folder}/ssh_config" "$@"\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Break every connection off, as a network does that goes away."""
        for connection in self._connections:
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(connection.pid).children(recursive=True):
                    process.kill()
            connection.kill()
            connection.wait()
        self._connections.clear()

    def alive(self) -> int:
        """How many connections there are."""
        return sum(connection.poll() is None for connection in self._connections)

    def _accept(self) -> None:
        command = [SSHD, "-i", "-e", "-f", str(self._folder / "sshd_config")]
        with (self._folder / "log").open("wb") as log:
            while True:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                with connection:
                    end = connection.fileno()
                    self._connections.append(
                        subprocess.Popen(command, stdin=end, stdout=end, stderr=log)
                    )
