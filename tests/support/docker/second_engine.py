"""An engine of the tests' own, which they may stop and start as they like."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from serving.engines.docker.discovery import ping
from serving.engines.docker.endpoints import DockerEndpoint
from serving.errors import EngineError
from tests.support.waiting import block_until


class SecondEngine:
    """`dockerd` with folders, a socket and a network bridge that no other one uses.

    It leaves the firewall alone, since that belongs to the first one; ports on
    loopback need no rules. What is in the folder `hidden`, it does not see.
    """

    def __init__(
        self, folder: Path, bridge: str, storage_driver: str, hidden: Path | None = None
    ) -> None:
        self._hidden = hidden
        self._folder = folder
        self._bridge = bridge
        self._storage_driver = storage_driver
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = DockerEndpoint(f"unix://{folder}/docker.sock", "the tests' own engine")
        self.log = folder / "dockerd.log"

    def start(self) -> None:
        """Return once it answers."""
        configuration = self._folder / "daemon.json"
        configuration.write_text(json.dumps({"storage-driver": self._storage_driver}))
        command = [
            "dockerd",
            f"--config-file={configuration}",
            f"--data-root={self._folder / 'data'}",
            f"--exec-root={self._folder / 'run'}",
            f"--pidfile={self._folder / 'dockerd.pid'}",
            f"--host={self.endpoint.url}",
            f"--bridge={self._bridge}",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
        ]
        if self._hidden is not None:
            hide = 'mount -t tmpfs hidden "$0" && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", hide, str(self._hidden), *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        process = self._process
        block_until(
            lambda: process.poll() is not None or answers(self.endpoint), details=self.log.read_text
        )
        assert process.poll() is None, self.log.read_text()

    def stop(self) -> None:
        """Return once it has ended, and its containers with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def write_hidden_file(self, path: Path, text: str) -> None:
        """Make a file that this engine alone sees, at a path that is hidden from it."""
        assert self._process is not None
        command = ["nsenter", f"--target={self._process.pid}", "--mount", "sh", "-c"]
        write = 'mkdir -p "$(dirname "$0")" && cat >"$0"'
        subprocess.run([*command, write, str(path)], input=text.encode(), check=True)

    def client(self) -> docker.APIClient:
        return docker.APIClient(self.endpoint.url, version="auto")


def answers(endpoint: DockerEndpoint) -> bool:
    """Whether the engine is up; a socket that takes connections is not enough."""
    try:
        ping(endpoint)
        with contextlib.closing(
            docker.APIClient(endpoint.url, version="1.41", timeout=2)
        ) as client:
            client.ping()
    except (EngineError, docker.errors.DockerException, OSError):
        return False
    return True


def unavailable_reason() -> str:
    """Return why there can be no second engine here; empty if there can."""
    if os.geteuid() != 0:
        return "a second engine needs root"
    missing = [name for name in ("dockerd", "ip", "unshare") if shutil.which(name) is None]
    return f"a second engine needs {missing[0]}" if missing else ""


@contextmanager
def second_engine(storage_driver: str, hidden: Path | None = None) -> Iterator[SecondEngine]:
    """Yield an engine that runs; all of it is gone afterwards."""
    number, bridge = _new_bridge()
    folder = Path(tempfile.mkdtemp(prefix="svtest-"))
    engine = SecondEngine(folder, bridge, storage_driver, hidden)
    try:
        address = f"172.31.{number}.1/24"
        subprocess.run(["ip", "address", "add", address, "dev", bridge], check=True)
        subprocess.run(["ip", "link", "set", bridge, "up"], check=True)
        engine.start()
        yield engine
    finally:
        engine.stop()
        subprocess.run(["ip", "link", "delete", bridge], check=True)
        _unmount(folder)
        shutil.rmtree(folder)


def _new_bridge() -> tuple[int, str]:
    """Make a bridge that no other test run has, and return its number and name."""
    while True:
        number = secrets.randbelow(200) + 20
        bridge = f"svtest{number}"
        made = subprocess.run(
            ["ip", "link", "add", bridge, "type", "bridge"], capture_output=True, text=True
        )
        if made.returncode == 0:
            return number, bridge
        assert "File exists" in made.stderr, made.stderr


def _unmount(folder: Path) -> None:
    """Take away what a killed engine left mounted in its folders."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=True)
