"""Instances in containers of a Docker-compatible engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

import docker.errors
from docker import APIClient

from serving.background import finish
from serving.engines.docker import names
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.container import NORMAL_CPU_SHARES, default_memory, default_pids
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.endpoints import DEFAULT_SOCKET, DockerEndpoint
from serving.engines.docker.errors import ContainerNotFound
from serving.engines.docker.failed_logs import FailedLogs
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.lookup import first_present, image_missing
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.lifecycle import start, stop, tail
from serving.engines.docker.model_image.labels import WORKSPACE as MODEL_WORKSPACE
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.docker.model_volume import clean_up
from serving.engines.docker.run_command import host_config, run_command
from serving.engines.docker.states import Inspection, has_exited, to_instance
from serving.engines.docker.stop_signals import StopSignals
from serving.engines.docker.streams import Stream, StreamEnded
from serving.engines.docker.usage import ContainerUsage, read_statistics
from serving.engines.docker.volume_sync import VolumeSync
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.engines.names import DOCKER
from serving.engines.protocol import Availability, Instance, InstanceSpec, InstanceStats
from serving.errors import EngineError
from serving.workspace import Workspace

T = TypeVar("T")

RELIST_SECONDS = 5.0
"""The engine's list is read again after this long without an event, in case one was missed."""


class DockerEngine:
    """Runs each instance in a container that listens on this machine's loopback only.

    The engine's own list, by the workspace's label, is the only record of which
    instances there are: any program of the workspace sees the same ones in the
    same states, whichever of them started or is stopping an instance. A
    container without the label is never touched. One that exited by itself is
    listed as FAILED, with the reason, until it is stopped; its log is kept after
    that.

    `images` are run if a spec names none: the first that the engine has.
    `candidates` are the addresses to try; None stands for those that the person chose.
    """

    name = DOCKER

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
        self._volume_sync = VolumeSync(self.connection, workspace)
        self._cleaned_up: FoundEngine | None = None
        self._usage = ContainerUsage()
        self._signals = StopSignals()
        self._failed_logs = FailedLogs(workspace.logs / "ended")
        self._inspections: dict[str, tuple[object, Inspection]] = {}

    async def availability(self) -> Availability:
        """Return within 3 s (9 s by ssh) which engine answers and whether it has an image."""
        try:
            found, image = await self.connection.run(
                "list its images",
                lambda found: (found, first_present(found.client, self.image_names)),
            )
        except EngineError as error:
            return Availability(False, error.what, error.advice)
        if image is None:
            missing = image_missing(self.image_names)
            return Availability(False, f"{missing.what} {found.description}", missing.advice)
        return Availability(True, f"{found.description} Instances run from the image {image.name}.")

    async def instances(self) -> list[Instance]:
        """List own instances in any state, oldest first; raises EngineError."""
        instances, rows = await self.connection.run("list its containers", self._instances)
        self._volume_sync.sync(rows)
        return self._volume_sync.with_failures(instances)

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance; raises EngineError, and then leaves nothing behind."""
        starting = self.connection.run(
            "start an instance",
            lambda found: found.with_local_addresses(
                start(found, self._workspace, self.image_names, spec, fleet_size)
            ),
        )
        # A thread cannot be cancelled: wait, so that the next list has this instance.
        return await finish(starting)

    async def model_images(self) -> list[str]:
        """Return the names of the images that were made of this workspace's models, newest first.

        Raises EngineError.
        """
        label = f"{MODEL_WORKSPACE}={names.workspace_id(self._workspace)}"

        def tags(found: FoundEngine) -> list[str]:
            rows: list[dict[str, Any]] = found.client.images(filters={"label": label})
            rows.sort(key=lambda row: int(row["Created"]), reverse=True)
            return [tag for row in rows for tag in row.get("RepoTags") or () if "<none>" not in tag]

        return await self.connection.run("list its images", tags)

    async def baked_model(self, image: str) -> BakedModel | None:
        """Return the version of a model that an image holds; None if it holds none, or is not here.

        Raises EngineError.
        """
        found = await self.images.find([image])
        return None if found is None else found.baked

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Give it the same share of the CPU as the others.

        Until then it leaves the CPU to those that serve, since loading a model takes
        all that it can get. Raises EngineError.
        """

        def grant(found: FoundEngine, container: str) -> None:
            if not found.info.rootless:
                found.client.update_container(container, cpu_shares=NORMAL_CPU_SHARES)

        with contextlib.suppress(ContainerNotFound):
            await self._on_container(
                instance_id, f"give instance {instance_id} its share of the CPU", grant
            )

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """Stop the instance and remove its container; nothing if it does not exist.

        It may finish its requests within `grace` seconds. Every program sees it as
        DRAINING meanwhile. Raises EngineError if it cannot be stopped.
        """
        with contextlib.suppress(ContainerNotFound):
            await self._on_container(
                instance_id,
                f"stop instance {instance_id}",
                lambda found, container: stop(
                    found.client,
                    self._workspace,
                    container,
                    instance_id,
                    grace,
                    self._failed_logs,
                ),
            )

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines of its log; raises EngineError for no such instance.

        The log of an instance that failed is there after it is removed, too.
        """
        try:
            return await self._on_container(
                instance_id,
                f"read the log of instance {instance_id}",
                lambda found, container: tail(found.client, container, lines),
            )
        except ContainerNotFound:
            kept = await asyncio.to_thread(self._failed_logs.read, instance_id, lines)
            if kept is None:
                raise
            return kept

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it exits or is closed.

        Podman yields the whole log. Raises EngineError for no such instance.
        """
        found, stream = await self._on_container(
            instance_id,
            f"follow the log of instance {instance_id}",
            lambda found, container: (
                found,
                found.client.logs(
                    container,
                    stream=True,
                    follow=True,
                    # Podman 4.3 omits the last lines of a log that is shorter than the tail.
                    tail="all" if found.info.podman else lines,
                ),
            ),
        )
        unfinished = b""  # the engine's chunks do not end where lines do
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

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return its memory, and its mean CPU use since the last call; None if it is gone."""
        with contextlib.suppress(ContainerNotFound):
            return await self._on_container(
                instance_id, f"measure instance {instance_id}", self._stats
            )
        return None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield at once when a container of the workspace changes, and at least every 5 s.

        Raises EngineError if the engine stops answering.
        """
        found, stream = await self.connection.run(
            "report changes",
            lambda found: (
                found,
                found.client.events(
                    decode=True,
                    filters={"type": ["container"], "label": [self._label]},
                ),
            ),
        )
        async with Stream(stream, "report changes", found.endpoint.url) as events:
            yield
            while True:
                try:
                    async with asyncio.timeout(RELIST_SECONDS):
                        self._signals.record(await events.next())
                    # One list answers for all events that have arrived.
                    while events.has_items():
                        self._signals.record(await events.next())
                except TimeoutError:
                    pass
                except StreamEnded as error:
                    raise self.connection.lost(found) from error
                yield

    async def run_command(self, instance_id: str) -> str:
        """Return the `docker run` that creates such a container; raises EngineError."""

        def command(found: FoundEngine, container: str) -> str:
            inspected = found.client.inspect_container(container)
            url = found.endpoint.url
            return run_command(
                names.container_name(instance_id),
                inspected["Config"],
                host_config(inspected),
                url if url != DEFAULT_SOCKET else "",
                "podman" if found.info.podman else "docker",
                found.endpoint.tls.options if found.endpoint.tls is not None else None,
            )

        return await self._on_container(instance_id, f"describe instance {instance_id}", command)

    async def default_limits(self) -> tuple[int, int]:
        """Return the memory in bytes, and the processes and threads, if a person sets no limit.

        0 is no limit. Raises EngineError.
        """
        return await self.connection.run(
            "say what it can limit",
            lambda found: (default_memory(found.info), default_pids(found.info)),
        )

    async def close(self) -> None:
        """Close the connection; instances go on."""
        await self._volume_sync.close()
        await self.connection.close()

    @property
    def address(self) -> EngineAddress:
        """What a person had chosen when this was made."""
        return self.connection.address

    def at_chosen_address(self) -> DockerEngine | None:
        """Return such an engine at the address that a person chose since; None if none did."""
        if not self.connection.is_elsewhere(self._workspace):
            return None
        return DockerEngine(self._workspace, self.image_names)

    @property
    def _label(self) -> str:
        return f"{names.WORKSPACE}={names.workspace_id(self._workspace)}"

    def _instances(self, engine: FoundEngine) -> tuple[list[Instance], list[dict[str, Any]]]:
        """Return the instances, and all rows of the engine's list."""
        client = engine.client
        if self._cleaned_up is not engine:
            clean_up(client, self._workspace)
            self._cleaned_up = engine
        filters = {"label": [self._label]}
        rows: list[dict[str, Any]] = client.containers(all=True, filters=filters)
        if engine.tunnel is not None:
            ports = [port for row in rows for port in row.get("Ports") or ()]
            engine.tunnel.keep_only({port.get("PublicPort") for port in ports})
        ids = {str(row["Id"]) for row in rows}
        for gone in self._inspections.keys() - ids:
            self._inspections.pop(gone, None)
        self._usage.keep_only(ids)
        self._signals.keep_only(ids)
        found = []
        for row in rows:
            try:
                inspection = self._inspection(client, row)
            except docker.errors.NotFound:
                continue
            instance = to_instance(row, inspection, self._signals.of(row["Id"]))
            found.append(engine.with_local_addresses(instance))
        return sorted(found, key=lambda each: (each.started, each.id)), rows

    def _inspection(self, client: APIClient, row: dict[str, Any]) -> Inspection:
        """Inspect a container, unless nothing in its row changed since the last time."""
        container = str(row["Id"])
        # Each start publishes other ports, so they show a restart between two lists.
        ports = sorted(str(port.get("PublicPort")) for port in row.get("Ports") or ())
        mark = (row.get("State"), ports)
        known = self._inspections.get(container)
        if known is not None and known[0] == mark:
            return known[1]
        last_line = tail(client, container, 1) if has_exited(row) else ""
        inspection = Inspection.read(client.inspect_container(container), last_line)
        self._inspections[container] = (mark, inspection)
        return inspection

    async def _on_container(
        self, instance_id: str, doing: str, work: Callable[[FoundEngine, str], T]
    ) -> T:
        """Run `work` with the id of an own instance's container; raises ContainerNotFound."""

        def find(found: FoundEngine) -> T:
            filters = {"label": [self._label, f"{names.INSTANCE}={instance_id}"]}
            rows: list[dict[str, Any]] = found.client.containers(all=True, filters=filters)
            if not rows:
                raise ContainerNotFound(
                    f"There is no instance {instance_id}.", "Look at the list of instances."
                )
            return work(found, str(rows[0]["Id"]))

        return await self.connection.run(doing, find)

    def _stats(self, found: FoundEngine, container: str) -> InstanceStats | None:
        recent = self._usage.recent(container)
        if recent is not None:
            return recent
        known = self._inspections.get(container)
        started = known[1].started if known is not None else 0.0
        return self._usage.add(container, read_statistics(found.client, container), started)
