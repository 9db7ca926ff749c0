"""A swarm of the tests' own: engines in network namespaces, whose nodes may drain and die."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import docker

from serving.engines.docker.endpoints import DockerEndpoint
from tests.support.docker.images import save_image
from tests.support.docker.network_namespaces import NetworkMember, network
from tests.support.docker.second_engine import answers
from tests.support.docker.second_engine import unavailable_reason as no_second_engine
from tests.support.waiting import block_until

_HIDE = 'test -z "$0" || mount -t tmpfs hidden "$0"; exec "$@"'
HEARTBEAT_SECONDS = 2
"""A node whose three heartbeats in a row are missing is down; Docker's default is 5 s."""
NANOSECONDS = 10**9


def unavailable_reason() -> str:
    """Return why there can be no swarm here; empty if there can."""
    missing = [name for name in ("nsenter", "iptables") if shutil.which(name) is None]
    return no_second_engine() or (f"a swarm needs {missing[0]}" if missing else "")


class SwarmNode:
    """A `dockerd` with a network, a host name, mounts and folders of its own.

    What is in the folder `hidden`, it does not see, as on another machine.
    """

    def __init__(
        self,
        name: str,
        member: NetworkMember,
        folder: Path,
        storage_driver: str,
        hidden: Path | None = None,
    ) -> None:
        self.name = name
        self.address = member.address
        """By which the other nodes and this process reach it."""
        self.member = member
        self._folder = folder
        self._storage_driver = storage_driver
        self._hidden = hidden
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = DockerEndpoint(f"unix://{folder}/docker.sock", f"the tests' own {name}")
        self.log = folder / "dockerd.log"

    @cached_property
    def api(self) -> docker.APIClient:
        """The engine's own API, by its UNIX socket."""
        return docker.APIClient(self.endpoint.url, version="auto", timeout=120)

    @cached_property
    def id(self) -> str:
        """What the swarm calls it; it must have joined."""
        return str(self.api.info()["Swarm"]["NodeID"])

    def launch(self, *arguments: str) -> None:
        """Start its `dockerd` without waiting for it, after `kill` too."""
        configuration = self._folder / "daemon.json"
        configuration.write_text("{}")
        command = [
            "dockerd",
            f"--config-file={configuration}",
            f"--data-root={self._folder / 'data'}",
            f"--exec-root={self._folder / 'run'}",
            f"--pidfile={self._folder / 'dockerd.pid'}",
            f"--host={self.endpoint.url}",
            f"--storage-driver={self._storage_driver}",
            f"--cgroup-parent=/{self._cgroup}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            *arguments,
        ]
        # Its mounts go with it, however it ends.
        inside = ["unshare", "--mount", "sh", "-c", _HIDE, str(self._hidden or ""), *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.member.namespace.command(*inside), stdout=log, stderr=log
            )

    def wait(self) -> None:
        """Return once its engine answers."""
        process = self._process
        assert process is not None
        block_until(
            lambda: process.poll() is not None or answers(self.endpoint), details=self.log.read_text
        )
        assert process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """Kill it with its containers, as a machine does whose power fails."""
        self.member.namespace.kill_processes()
        if self._process is not None:
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Leave nothing of it behind."""
        if "api" in self.__dict__:
            self.api.close()
        self.kill()
        shutil.rmtree(self._folder)
        # runc removes the groups of containers that it stops, not those of killed ones.
        root = Path("/sys/fs/cgroup")
        for group in (root / self._cgroup, *root.glob(f"*/{self._cgroup}")):
            for each in sorted((group, *group.rglob("*/")), reverse=True):
                block_until(partial(_is_removed, each), details=each.__str__)

    @property
    def _cgroup(self) -> str:
        return f"{self._folder.parent.name}-{self.name}"


def _is_removed(group: Path) -> bool:
    """Remove a control group; False while something that ends is still in it."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


class Swarm:
    """Some nodes, of which the first is the manager."""

    def __init__(self, nodes: Sequence[SwarmNode]) -> None:
        self.nodes = list(nodes)

    @property
    def manager(self) -> SwarmNode:
        return self.nodes[0]

    @property
    def workers(self) -> list[SwarmNode]:
        return self.nodes[1:]

    def join(self) -> None:
        """Make one swarm of the nodes."""
        first = self.manager
        spec = first.api.create_swarm_spec(
            dispatcher_heartbeat_period=HEARTBEAT_SECONDS * NANOSECONDS
        )
        first.api.init_swarm(
            advertise_addr=first.address, listen_addr=f"{first.address}:2377", swarm_spec=spec
        )
        token = str(first.api.inspect_swarm()["JoinTokens"]["Worker"])
        for node in self.workers:
            node.api.join_swarm(
                remote_addrs=[f"{first.address}:2377"],
                join_token=token,
                advertise_addr=node.address,
                listen_addr=f"{node.address}:2377",
            )
        block_until(lambda: self.count_ready() == len(self.nodes), details=self.rows)

    def load(self, source: docker.APIClient, images: Sequence[str]) -> None:
        """Copy images of another engine to every node."""
        with tempfile.TemporaryDirectory(prefix="svtest-") as folder:
            for image in images:
                archive = Path(folder) / "image.tar"
                save_image(source, image, archive)
                self.load_file(archive)

    def load_file(self, archive: Path) -> None:
        """Load what `docker save` wrote on every node."""

        def load(node: SwarmNode) -> None:
            call: Callable[..., Iterable[object]] = node.api.load_image
            with archive.open("rb") as file:
                for _ in call(file):  # of several images, it reports one after the other
                    pass

        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(load, self.nodes))

    def rows(self) -> list[dict[str, Any]]:
        """The nodes, as the manager lists them."""
        found: list[dict[str, Any]] = self.manager.api.nodes()
        return found

    def tasks(self, filters: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """The tasks of services, as the manager lists them."""
        call: Callable[..., list[dict[str, Any]]] = self.manager.api.tasks
        return call(filters)

    def count_ready(self) -> int:
        return sum(row["Status"]["State"] == "ready" for row in self.rows())

    def drain(self, node: SwarmNode) -> None:
        """Have its tasks run elsewhere."""
        self._set_availability(node, "drain")

    def activate(self, node: SwarmNode) -> None:
        self._set_availability(node, "active")

    def _set_availability(self, node: SwarmNode, availability: str) -> None:
        api = self.manager.api
        row = api.inspect_node(node.id)
        spec: Any = {**row["Spec"], "Availability": availability}
        api.update_node(node.id, row["Version"]["Index"], spec)

    def running(self, service: str) -> list[SwarmNode]:
        """Return where each running task of a service is."""
        tasks = self.tasks({"service": service, "desired-state": "running"})
        by_id = {node.id: node for node in self.nodes}
        return [by_id[each["NodeID"]] for each in tasks if each["Status"]["State"] == "running"]


@contextmanager
def engines(
    count: int,
    storage_driver: str,
    arguments: Callable[[NetworkMember], Sequence[str]] = lambda _: (),
    hidden: Path | None = None,
) -> Iterator[Swarm]:
    """Yield engines that have not joined yet; nothing is left of them afterwards.

    `arguments` returns further ones of `dockerd`; what is in `hidden` none of them sees.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="svtest-"))
        stack.callback(shutil.rmtree, folder)
        names = [f"node{number}" for number in range(1, count + 1)]
        nodes = []
        for name, member in zip(names, stack.enter_context(network(names)), strict=True):
            (folder / name).mkdir()
            node = SwarmNode(name, member, folder / name, storage_driver, hidden)
            stack.callback(node.close)
            node.launch(*arguments(member))
            nodes.append(node)
        for node in nodes:
            node.wait()
        yield Swarm(nodes)


@contextmanager
def swarm(
    count: int,
    storage_driver: str,
    source: docker.APIClient,
    images: Sequence[str] = (),
    hidden: Path | None = None,
) -> Iterator[Swarm]:
    """Yield a swarm of `count` nodes with copies of images that the engine `source` has.

    What is in the folder `hidden`, no node sees, as if it were another machine.

    Its nodes have no IPVS to rely on: virtual addresses and the routing mesh need not work, while
    `endpoint_mode: dnsrr` and ports in host mode do.
    """
    with engines(count, storage_driver, hidden=hidden) as made:
        made.join()
        made.load(source, images)
        yield made
