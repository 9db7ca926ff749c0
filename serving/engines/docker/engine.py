"""Instances in containers of a Docker-compatible engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import docker.errors
from docker import APIClient
from docker.utils import version_gte

from serving.engines.docker import names
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.container import NORMAL_CPU_SHARES
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.errors import ContainerNotFound
from serving.engines.docker.failed_logs import FailedLogs
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.lookup import first_present, image_missing
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.lifecycle import start, stop, tail
from serving.engines.docker.model_volume import clean_up
from serving.engines.docker.run_command import host_config, run_command
from serving.engines.docker.states import Inspection, has_exited, to_instance
from serving.engines.docker.stop_signals import StopSignals
from serving.engines.docker.streams import Stream, StreamEnded
from serving.engines.docker.usage import ContainerUsage
from serving.engines.docker.volume_sync import VolumeSync
from serving.engines.names import DOCKER
from serving.engines.protocol import Availability, Instance, InstanceSpec, InstanceStats
from serving.errors import EngineError
from serving.workspace import Workspace

RELIST_SECONDS = 5.0
"""After this long without an event, instances may have changed all the same."""
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
"""Where the `docker` command looks by itself."""


class DockerEngine:
    """Runs each instance in a container that listens on this machine's loopback only.

    The engine's own list, by the workspace's label, is the only record of which
    instances there are: any program of the workspace sees the same ones in the
    same states, whichever of them started or is stopping an instance. A
    container without the label is never touched. One that ended by itself is
    listed as FAILED, with the reason, until it is stopped; what it printed is
    kept afterwards.

    `images` are what to run where a spec names none, the first that is there;
    `candidates` are the addresses to look for an engine at, the usual ones
    unless given.
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
        """What is run where a spec names no image: the first of these that is there."""
        self._connection = EngineConnection(candidates)
        self.images = ImageStore(self._connection)
        """What its engine has to run, and how it gets more."""
        self._volume_sync = VolumeSync(self._connection, workspace)
        self._cleaned_up: FoundEngine | None = None
        self._usage = ContainerUsage()
        self._signals = StopSignals()
        self._failed_logs = FailedLogs(workspace.logs / "ended")
        self._inspections: dict[str, tuple[object, Inspection]] = {}

    async def availability(self) -> Availability:
        """Say within 3 s (9 s by ssh) which engine answers and whether it has an image to run."""
        try:
            found, image = await self._connection.run(
                "say which images it has",
                lambda found: (found, first_present(found.client, self.image_names)),
            )
        except EngineError as error:
            return Availability(False, error.what, error.advice)
        if image is None:
            trouble = image_missing(self.image_names)
            return Availability(False, f"{found.description} {trouble.what}", trouble.advice)
        return Availability(True, f"{found.description} Instances run from the image {image.name}.")

    async def instances(self, model: str | None = None) -> list[Instance]:
        """List own instances in any state, oldest first; raises EngineError."""
        instances, rows = await self._connection.run(
            "list its containers", lambda found: self._instances(found, model)
        )
        self._volume_sync.sync(rows)
        return self._volume_sync.with_failures(instances)

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance; raises EngineError, and leaves nothing behind then."""
        return await self._connection.run(
            "start an instance",
            lambda found: found.with_local_addresses(
                start(found, self._workspace, self.image_names, spec, fleet_size)
            ),
        )

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Give it as much of the processor as the others have.

        Until then it leaves the processor to those that serve, since loading a model
        takes all that it can get. Raises EngineError.
        """

        def give(found: FoundEngine) -> None:
            if not found.info.rootless:
                container = self._container(found.client, instance_id)
                found.client.update_container(container, cpu_shares=NORMAL_CPU_SHARES)

        try:
            await self._connection.run(f"let instance {instance_id} compute", give)
        except ContainerNotFound:
            return

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """End the instance and remove its container; nothing where there is none.

        It finishes what it accepted, for `grace` seconds at most. Every program
        sees it as DRAINING meanwhile. Raises EngineError where it cannot be ended.
        """
        try:
            await self._connection.run(
                f"stop instance {instance_id}",
                lambda found: stop(
                    found.client,
                    self._workspace,
                    self._container(found.client, instance_id),
                    instance_id,
                    grace,
                    self._failed_logs,
                ),
            )
        except ContainerNotFound:
            return

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines it printed; raises EngineError for no such instance.

        Those of an instance that failed are there after it is gone, too.
        """
        try:
            return await self._connection.run(
                f"read the log of instance {instance_id}",
                lambda found: tail(found.client, self._container(found.client, instance_id), lines),
            )
        except ContainerNotFound:
            kept = await asyncio.to_thread(self._failed_logs.read, instance_id, lines)
            if kept is None:
                raise
            return kept

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it ends or is closed.

        Podman tells all that it keeps. Raises EngineError for no such instance.
        """
        found, stream = await self._connection.run(
            f"follow the log of instance {instance_id}",
            lambda found: (
                found,
                found.client.logs(
                    self._container(found.client, instance_id),
                    stream=True,
                    follow=True,
                    # Podman 4.3 leaves the last lines of a short log out when asked for those.
                    tail="all" if found.info.podman else lines,
                ),
            ),
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

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses, the processor as a mean since the last time asked."""
        try:
            return await self._connection.run(
                f"measure instance {instance_id}",
                lambda found: self._stats(found.client, instance_id),
            )
        except ContainerNotFound:
            return None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield at once when a container of the workspace changes, and every 5 s besides.

        Raises EngineError where the engine goes away.
        """
        found, stream = await self._connection.run(
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
                    while events.has_items():
                        self._signals.record(await events.next())
                except TimeoutError:
                    pass
                except StreamEnded as error:
                    raise self._connection.unavailable(found) from error
                yield

    async def run_command(self, instance_id: str) -> str:
        """Return the `docker run` that makes such a container; raises EngineError."""

        def command(found: FoundEngine) -> str:
            container = self._container(found.client, instance_id)
            inspected = found.client.inspect_container(container)
            url = found.endpoint.url
            return run_command(
                names.container_name(instance_id),
                inspected["Config"],
                host_config(inspected),
                url if url != DEFAULT_SOCKET else "",
                "podman" if found.info.podman else "docker",
            )

        return await self._connection.run(f"describe instance {instance_id}", command)

    async def close(self) -> None:
        """Let go of the engine; instances run on."""
        await self._volume_sync.close()
        await self._connection.close()

    @property
    def _label(self) -> str:
        return f"{names.WORKSPACE}={names.workspace_id(self._workspace)}"

    def _instances(
        self, engine: FoundEngine, model: str | None
    ) -> tuple[list[Instance], list[dict[str, Any]]]:
        """Return the instances, and the rows of the engine's list that they were read from."""
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
            if model in (None, (row.get("Labels") or {}).get(names.MODEL)):
                try:
                    inspection = self._inspection(client, row)
                except docker.errors.NotFound:
                    continue
                seen = to_instance(
                    row,
                    inspection,
                    self._signals.last(row["Id"]),
                    stop_requested=self._signals.stop_requested(row["Id"]),
                )
                found.append(engine.with_local_addresses(seen))
        return sorted(found, key=lambda each: (each.started, each.id)), rows

    def _inspection(self, client: APIClient, row: dict[str, Any]) -> Inspection:
        """Inspect a container, or remember that nothing about it changed since the last time.

        A container that is started again gets other ports.
        """
        container = str(row["Id"])
        ports = sorted(str(port.get("PublicPort")) for port in row.get("Ports") or ())
        mark = (row.get("State"), ports)
        known = self._inspections.get(container)
        if known is not None and known[0] == mark:
            return known[1]
        last_line = tail(client, container, 1) if has_exited(row) else ""
        inspection = Inspection.read(client.inspect_container(container), last_line)
        self._inspections[container] = (mark, inspection)
        return inspection

    def _container(self, client: APIClient, instance_id: str) -> str:
        """Return the id of the container of an own instance; raises ContainerGone."""
        filters = {"label": [self._label, f"{names.INSTANCE}={instance_id}"]}
        rows: list[dict[str, Any]] = client.containers(all=True, filters=filters)
        if not rows:
            raise ContainerNotFound(
                f"There is no instance {instance_id}.", "Look at the list of instances."
            )
        return str(rows[0]["Id"])

    def _stats(self, client: APIClient, instance_id: str) -> InstanceStats | None:
        container = self._container(client, instance_id)
        recent = self._usage.recent(container)
        if recent is not None:
            return recent
        known = self._inspections.get(container)
        started = known[1].started if known is not None else 0.0
        return self._usage.add(container, _measured(client, container), started)


def _measured(client: APIClient, container: str) -> Any:
    """Ask for one reading; engines before API 1.41 take a second over it.

    An engine may say nothing at all of a container that ends meanwhile.
    """
    options = {"one_shot": True} if version_gte(client.api_version, "1.41") else {}
    try:
        return client.stats(container, stream=False, **options)
    except ValueError:
        return {}
