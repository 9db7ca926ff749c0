"""Instances as a replicated service of a Docker Swarm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from serving.background import finish
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.endpoints import DEFAULT_SOCKET, DockerEndpoint
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.docker.streams import Stream, StreamEnded
from serving.engines.docker.usage import ContainerUsage, read_statistics
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.engines.names import SWARM
from serving.engines.protocol import (
    Availability,
    Instance,
    InstanceSpec,
    InstanceStats,
    ReplicatedService,
)
from serving.engines.swarm.create_command import create_command
from serving.engines.swarm.service import (
    Row,
    apply_spec,
    change_count,
    default_limits,
    end_service,
    find_service,
    list_nodes,
)
from serving.engines.swarm.service_state import read_service
from serving.engines.swarm.task_logs import FollowedLog, read_log
from serving.engines.swarm.tasks import (
    FAILED_STATES,
    SwarmTask,
    read_tasks,
    task_id,
    to_instances,
)
from serving.errors import EngineError
from serving.workspace import Workspace

T = TypeVar("T")

RELIST_SECONDS = 2.0
"""Between two lists of the tasks: engines report no changes of them."""
NEW_TASK_SECONDS = 10.0
"""How long the swarm may take to make the task of one more instance."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Listing:
    """What a swarm says of a workspace at one moment."""

    service: ReplicatedService | None
    tasks: tuple[SwarmTask, ...]


class SwarmEngine:
    """Runs the instances of a workspace as one service of a swarm, which the engine here manages.

    The swarm keeps their number, places them on its nodes, starts them again and replaces them
    one after the other; this reads what became of it. Each instance is reached at a port of its
    own node. Its models come with its image, or from a folder that every node sees under the
    same path. Any program of the workspace finds the service by its label.

    `images` are run if a spec names none: the first that the engine has. `candidates` are the
    addresses to try; None stands for the default ones.
    """

    name = SWARM

    def __init__(
        self,
        workspace: Workspace,
        images: Sequence[str] = IMAGES,
        candidates: Sequence[DockerEndpoint] | None = None,
    ) -> None:
        self._workspace = workspace
        self.image_names = tuple(images)
        self.connection = EngineConnection(candidates, chosen_address(workspace))
        self.images = ImageStore(self.connection)
        self._usage = ContainerUsage()
        self._service: ReplicatedService | None = None
        self._tasks: dict[str, SwarmTask] = {}
        """What was listed last, by the ids of the instances."""
        self._own_node: tuple[FoundEngine, str] | None = None
        """An engine, and the id of the node that it is."""

    @property
    def address(self) -> EngineAddress:
        """What a person had chosen when this was made."""
        return self.connection.address

    def at_chosen_address(self) -> SwarmEngine | None:
        """Return such an engine at the address that a person chose since; None if none did."""
        if not self.connection.is_elsewhere(self._workspace):
            return None
        return SwarmEngine(self._workspace, self.image_names)

    @property
    def service(self) -> ReplicatedService | None:
        """What the swarm keeps running, as of the last `instances()`."""
        return self._service

    async def availability(self) -> Availability:
        """Return within 3 s (9 s by ssh) whether the engine that answers manages a swarm."""
        try:
            return await self.connection.run("describe its swarm", _availability)
        except EngineError as error:
            return Availability(False, error.what, error.advice)

    async def instances(self) -> list[Instance]:
        """List the instances on every node, oldest first; raises EngineError."""
        listing = await self.connection.run("list its instances", self._list)
        self._service = listing.service
        self._tasks = {task.instance_id: task for task in listing.tasks}
        self._usage.keep_only({task.container for task in listing.tasks})
        return to_instances(listing.tasks) if listing.service is not None else []

    async def apply(self, spec: InstanceSpec, count: int, *, restart: bool = False) -> None:
        """Have the swarm keep `count` instances of a spec; raises EngineError."""

        def work(found: FoundEngine) -> None:
            if count:
                apply_spec(found, self._workspace, self.image_names, spec, count, restart=restart)
            else:
                alive = any(_runs(task) for task in self._list(found).tasks)
                end_service(found.client, self._workspace, has_instances=alive)

        # A thread cannot be cancelled: wait, so that the next list shows what it did.
        await finish(self.connection.run("change its service", work))

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Have the swarm keep one instance more, and return it; raises EngineError."""
        before = {instance.id for instance in await self.instances()}
        count = self._service.count if self._service is not None else 0
        await self.apply(spec, count + 1)
        async with asyncio.timeout(NEW_TASK_SECONDS):
            while True:
                for instance in reversed(await self.instances()):
                    if instance.id not in before:
                        return instance
                await asyncio.sleep(_POLL_SECONDS)

    async def baked_model(self, image: str) -> BakedModel | None:
        """Return the version of a model that an image holds; None if it holds none, or is not here.

        Raises EngineError.
        """
        found = await self.images.find([image])
        return None if found is None else found.baked

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Do nothing: the instances of a service have the same share from the beginning."""

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """Have the swarm keep one instance fewer; it chooses which one goes.

        Returns at once then. One that is going already is waited for, `grace` seconds at most:
        how long it may take says the service.
        """

        def work(found: FoundEngine) -> bool:
            tasks = {task.instance_id: task for task in self._list(found).tasks}
            task = tasks.get(instance_id)
            if task is None:
                return False
            if task.is_kept or task.state in FAILED_STATES:
                change_count(found.client, self._workspace, -1)
                return False
            return _runs(task)

        deadline = asyncio.get_running_loop().time() + grace
        while await finish(self.connection.run(f"stop instance {instance_id}", work)):
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines of its log; raises EngineError for no such instance."""
        return await self._on_task(
            instance_id,
            f"read the log of instance {instance_id}",
            lambda found, task: read_log(found, task, lines),
        )

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it exits or is closed.

        Raises EngineError for no such instance.
        """
        found, stream = await self._on_task(
            instance_id,
            f"follow the log of instance {instance_id}",
            lambda found, task: (found, FollowedLog(found, task, lines)),
        )
        unfinished = b""
        async with Stream(stream, "follow a log", found.endpoint.url) as items:
            while True:
                try:
                    *whole, unfinished = (unfinished + await items.next()).split(b"\n")
                except StreamEnded:
                    break
                for line in whole:
                    yield line.decode(errors="replace")
        if unfinished:
            yield unfinished.decode(errors="replace")

    async def run_command(self, instance_id: str) -> str:
        """Return the `docker service create` that makes such a service; raises EngineError."""

        def command(found: FoundEngine) -> str:
            row = find_service(found.client, self._workspace)
            if row is None:
                raise _no_instance(instance_id)
            url = found.endpoint.url
            return create_command(row["Spec"], url if url != DEFAULT_SOCKET else "")

        return await self.connection.run("describe its service", command)

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses; None if it is gone, or runs on a node that is not this engine's."""
        task = self._tasks.get(instance_id)
        if task is None or not task.container or task.node is None:
            return None
        node, container, started = task.node.id, task.container, task.created

        def measure(found: FoundEngine) -> InstanceStats | None:
            if self._own_node is None or self._own_node[0] is not found:
                swarm = found.client.info().get("Swarm") or {}
                self._own_node = found, str(swarm.get("NodeID"))
            if self._own_node[1] != node:
                return None
            if (recent := self._usage.recent(container)) is not None:
                return recent
            return self._usage.add(container, read_statistics(found.client, container), started)

        with contextlib.suppress(EngineError):
            return await self.connection.run(f"measure instance {instance_id}", measure)
        return None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield every 2 s; raises EngineError if the engine stops answering."""
        while True:
            await self.connection.run("report changes", lambda found: found.client.ping())
            yield
            await asyncio.sleep(RELIST_SECONDS)

    async def default_limits(self) -> tuple[int, int]:
        """Return the memory in bytes, and the processes and threads, if a person sets no limit.

        0 is no limit. Raises EngineError.
        """
        return await self.connection.run("say what it can limit", default_limits)

    async def close(self) -> None:
        """Close the connection; instances go on."""
        await self.connection.close()

    def _list(self, found: FoundEngine) -> _Listing:
        row = find_service(found.client, self._workspace)
        if row is None:
            return _Listing(None, ())
        nodes = list_nodes(found.client)
        list_tasks: Callable[..., Sequence[Row]] = found.client.tasks
        tasks = read_tasks(list_tasks(filters={"service": row["ID"]}), nodes)
        return _Listing(read_service(row, tasks), tuple(tasks))

    async def _on_task(
        self, instance_id: str, doing: str, work: Callable[[FoundEngine, str], T]
    ) -> T:
        """Run `work` with the id of an own instance's task; raises EngineError without it."""

        def find(found: FoundEngine) -> T:
            prefix = task_id(instance_id)
            tasks = [task.id for task in self._list(found).tasks if task.id.startswith(prefix)]
            if not prefix or not tasks:
                raise _no_instance(instance_id)
            return work(found, tasks[0])

        return await self.connection.run(doing, find)


def _runs(task: SwarmTask) -> bool:
    return not task.has_ended and not task.is_lost


def _no_instance(instance_id: str) -> EngineError:
    return EngineError(f"There is no instance {instance_id}.", "Look at the list of instances.")


def _availability(found: FoundEngine) -> Availability:
    swarm = found.client.info().get("Swarm") or {}
    if swarm.get("LocalNodeState") != "active":
        return Availability(
            False,
            f"{found.description} It is not part of a swarm.",
            "Make one with `docker swarm init`, or join one as a manager.",
        )
    if not swarm.get("ControlAvailable"):
        return Availability(
            False,
            f"{found.description} It is a worker of a swarm, and only managers change what runs.",
            "Choose a manager: set DOCKER_HOST or a Docker context.",
        )
    count = int(swarm.get("Nodes") or 1)
    nodes = "1 node" if count == 1 else f"{count} nodes"
    return Availability(True, f"{found.description} It manages a swarm of {nodes}.")
