"""Machines to the network alone: namespaces that are joined by a bridge of the tests' own.

Each has an address in a private subnet, by which the others and this process reach it. The bridge
is in a namespace too, where no firewall of this machine holds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_HOLD = 'echo "$0" >/proc/sys/kernel/hostname && ip link set lo up && echo ready && exec cat'


class Namespace:
    """A network and a host name of its own; it exists as long as a process is in it.

    There is no file for it, as `ip netns` would make one: the first process in it waits for the
    end of its input, so that it ends with this process at the latest.
    """

    def __init__(self, hostname: str) -> None:
        self._first = subprocess.Popen(
            ["unshare", "--net", "--uts", "sh", "-c", _HOLD, hostname],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == b"ready\n"
        self._inode = _network_of(self.pid)

    @property
    def pid(self) -> int:
        return self._first.pid

    def command(self, *command: str) -> list[str]:
        """Return the command that runs `command` in it."""
        return ["nsenter", f"--target={self.pid}", "--net", "--uts", *command]

    def ip(self, *arguments: str) -> None:
        subprocess.run(self.command("ip", *arguments), check=True)

    def kill_processes(self) -> None:
        """Kill every process in it but the first one, and whatever those have started.

        Containers have namespaces of their own; what started them is in this one.
        """
        while processes := self._processes():
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=10)

    def close(self) -> None:
        self.kill_processes()
        assert self._first.stdin is not None
        assert self._first.stdout is not None
        self._first.stdin.close()
        self._first.wait()
        self._first.stdout.close()

    def _processes(self) -> list[psutil.Process]:
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                if process.pid != self.pid and _network_of(process.pid) == self._inode:
                    for each in (process, *process.children(recursive=True)):
                        found[each.pid] = each
        return list(found.values())


def _network_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


@dataclass(frozen=True)
class NetworkMember:
    """A namespace with its address."""

    namespace: Namespace
    address: str
    link: str
    """The end of its cable at the bridge."""
    bridge: Namespace

    def unplug(self) -> None:
        """Let nothing through any more, without a word to either end."""
        self.bridge.ip("link", "set", self.link, "down")

    def plug_in(self) -> None:
        self.bridge.ip("link", "set", self.link, "up")


@contextmanager
def network(hostnames: Sequence[str]) -> Iterator[list[NetworkMember]]:
    """Yield a namespace for each name, all in one subnet; nothing is left of them afterwards."""
    with ExitStack() as stack:
        bridge = Namespace("bridge")
        stack.callback(bridge.close)
        bridge.ip("link", "add", "bridge", "type", "bridge")
        bridge.ip("link", "set", "bridge", "up")
        number, here = _new_link(bridge)
        stack.callback(_delete_link, here)
        bridge.ip("link", "set", "here", "master", "bridge", "up")
        address = f"10.213.{number}.1/24"
        subprocess.run(["ip", "address", "add", address, "dev", here], check=True)
        subprocess.run(["ip", "link", "set", here, "up"], check=True)
        members = []
        for index, hostname in enumerate(hostnames):
            namespace = Namespace(hostname)
            stack.callback(namespace.close)
            link, address = f"node{index}", f"10.213.{number}.{10 + index}"
            peer = ("peer", "name", "eth0", "netns", str(namespace.pid))
            bridge.ip("link", "add", link, "type", "veth", *peer)
            bridge.ip("link", "set", link, "master", "bridge", "up")
            namespace.ip("address", "add", f"{address}/24", "dev", "eth0")
            namespace.ip("link", "set", "eth0", "up")
            members.append(NetworkMember(namespace, address, link, bridge))
        yield members


def _new_link(bridge: Namespace) -> tuple[int, str]:
    """Join this machine to the bridge by a link that no other test run has.

    Returns the number of the subnet, and the link's name here.
    """
    while True:
        number = secrets.randbelow(250) + 2
        name = f"svswarm{number}"
        peer = ["peer", "name", "here", "netns", str(bridge.pid)]
        made = subprocess.run(
            ["ip", "link", "add", name, "type", "veth", *peer], capture_output=True, text=True
        )
        if made.returncode == 0:
            return number, name
        assert "File exists" in made.stderr, made.stderr


def _delete_link(name: str) -> None:
    # The kernel may have removed it already, with the namespace of its other end.
    subprocess.run(["ip", "link", "delete", name], capture_output=True)
    assert name not in os.listdir("/sys/class/net")  # noqa: PTH208  links, not files
