"""Which engine runs the instances on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serving.engines.engine_address import EngineAddress, chosen_address
from serving.engines.names import AUTO, DOCKER, ENGINE_CHOICES, ENGINE_NAMES, PROCESS, SWARM
from serving.engines.process import ProcessEngine
from serving.engines.protocol import ENDED_STATES, Engine
from serving.errors import EngineError
from serving.workspace import Workspace


def _docker(workspace: Workspace) -> Engine:
    # Imported late: its package takes a while to load.
    from serving.engines.docker.engine import DockerEngine

    return DockerEngine(workspace)


def _swarm(workspace: Workspace) -> Engine:
    from serving.engines.swarm.engine import SwarmEngine

    return SwarmEngine(workspace)


ENGINES: dict[str, Callable[[Workspace], Engine]] = {
    DOCKER: _docker,
    PROCESS: ProcessEngine,
    SWARM: _swarm,
}
"""How each engine is made, by its name."""


async def choose_engine(name: str, workspace: Workspace) -> Engine:
    """Return the engine called `name`, or for `auto` the best one that is usable here.

    That is Docker if a person chose where its engine is, or if one answers and has an
    image to run, and processes otherwise; but while one of them, or a swarm, runs instances
    of this workspace and the others do not, it is that one, so that every program chooses
    alike.
    `availability()` of what is returned says why. Raises EngineError if there
    is no such engine or it is not usable.
    """
    if name == AUTO:
        if (swarm := await _swarm_if_running(workspace)) is not None:
            return swarm
        if chosen_address(workspace).automatic:
            docker, reason = await _docker_if_best(workspace)
            return docker or ProcessEngine(workspace, f"Running as processes. {reason}")
        name = DOCKER
    if name not in ENGINE_NAMES:
        raise EngineError(
            f"There is no engine called {name}.",
            f"Choose one of {', '.join(ENGINE_CHOICES)}.",
        )
    engine = ENGINES[name](workspace)
    availability = await engine.availability()
    if availability.usable:
        return engine
    await engine.close()
    raise EngineError(
        availability.reason,
        f"{availability.advice} Or choose another engine in the settings.".strip(),
    )


async def awaited_engine(name: str, workspace: Workspace) -> Engine:
    """Return what `choose_engine` does, but a named engine even if it is not usable yet.

    For programs that keep running, and use it as soon as it answers. Raises
    EngineError if there is no such engine.
    """
    if name == AUTO and not chosen_address(workspace).automatic:
        name = SWARM if await _is_swarm_running(workspace) else DOCKER
    if name in ENGINE_NAMES:
        return await asyncio.to_thread(ENGINES[name], workspace)
    return await choose_engine(name, workspace)


async def engine_with_instances(current: Engine, workspace: Workspace) -> Engine | None:
    """Return another engine if the instances run there now; None if `current` stays.

    If several run some, it is the first of ENGINE_NAMES. For programs that only
    watch a fleet, which somebody else may move. The caller uses or closes what
    is returned. Never raises.
    """
    for name in ENGINE_NAMES:
        if name == current.name and not _is_elsewhere(current, workspace):
            if await _runs_instances(current):
                return None
            continue
        # The engine of the same name that a person chose since.
        other = await asyncio.to_thread(ENGINES[name], workspace)
        if await _runs_instances(other):
            return other
        await other.close()
    return None


def _is_elsewhere(engine: Engine, workspace: Workspace) -> bool:
    """Whether a person chose another container engine since this one was made.

    Engines without containers have no address.
    """
    address: EngineAddress | None = getattr(engine, "address", None)
    return address is not None and address != chosen_address(workspace)


async def _docker_if_best(workspace: Workspace) -> tuple[Engine | None, str]:
    """Return Docker if it is better than processes, and otherwise why it is not."""
    # In a thread, since its package takes a while to load.
    docker = await asyncio.to_thread(ENGINES[DOCKER], workspace)
    availability = await docker.availability()
    reason = availability.reason
    if availability.usable:
        if not await _runs_instances(ProcessEngine(workspace)) or await _runs_instances(docker):
            return docker, reason
        reason = "They are running already, and Docker is used once they are stopped."
    await docker.close()
    return None, reason


async def _swarm_if_running(workspace: Workspace) -> Engine | None:
    """Return the swarm if the instances of the workspace are there; nothing begins to use one."""
    swarm = await asyncio.to_thread(ENGINES[SWARM], workspace)
    if await _runs_instances(swarm):
        return swarm
    await swarm.close()
    return None


async def _is_swarm_running(workspace: Workspace) -> bool:
    swarm = await _swarm_if_running(workspace)
    if swarm is not None:
        await swarm.close()
    return swarm is not None


async def _runs_instances(engine: Engine) -> bool:
    try:
        instances = await engine.instances()
    except EngineError:
        return False
    return any(instance.state not in ENDED_STATES for instance in instances)
