"""Which engine runs the instances on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serving.engines.names import AUTO, DOCKER, ENGINE_CHOICES, ENGINE_NAMES, PROCESS
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine, InstanceState
from serving.errors import EngineError
from serving.workspace import Workspace

PROCESS_REASON = "Processes work on every machine, with nothing else to install."


def _docker(workspace: Workspace) -> Engine:
    # Only who looks for Docker waits for its package to load.
    from serving.engines.docker.engine import DockerEngine

    return DockerEngine(workspace)


def process_engine(workspace: Workspace) -> ProcessEngine:
    """Return the engine that everybody has."""
    return ProcessEngine(workspace, PROCESS_REASON)


ENGINES: dict[str, Callable[[Workspace], Engine]] = {DOCKER: _docker, PROCESS: process_engine}
"""How each engine is made, by its name."""


async def choose_engine(name: str, workspace: Workspace) -> Engine:
    """Return the engine called `name`, or for `auto` the best one that is usable here.

    That is Docker where its engine answers and has an image to run, and
    processes otherwise; but while one of them runs instances of this workspace
    and the other does not, it is that one, so that every program chooses alike.
    `availability()` of what is returned says why. Raises EngineError where
    there is no such engine or it is not usable.
    """
    if name == AUTO:
        return await _best(workspace)
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
    """Return what `choose_engine` does, but one that was named whether it is usable yet or not.

    For programs that run on, and use it as soon as it answers. Raises
    EngineError where there is no such engine.
    """
    if name in ENGINE_NAMES:
        return await asyncio.to_thread(ENGINES[name], workspace)
    return await choose_engine(name, workspace)


async def engine_with_instances(current: Engine, workspace: Workspace) -> Engine | None:
    """Return the other engine where the instances run by now; None where it is `current`.

    For programs that only watch a fleet, which somebody else may move. The
    caller uses or closes what is returned.
    """
    if await _runs_instances(current):
        return await better_engine(current, workspace)
    for name in ENGINE_NAMES:
        if name != current.name:
            other = await asyncio.to_thread(ENGINES[name], workspace)
            if await _runs_instances(other):
                return other
            await other.close()
    return None


async def better_engine(
    current: Engine, workspace: Workspace, *, leaving: bool = False
) -> Engine | None:
    """Return the engine that `auto` would choose now instead of `current`; None where it stays.

    That is Docker which came up, or got an image, after processes were chosen.
    While processes run instances `auto` stays with them; `leaving` disregards
    that, for whoever would stop them and move on. Docker that does not answer
    is never left: its instances may still run, and it is used again as soon as
    it answers. The caller uses or closes what is returned. Never raises.
    """
    if current.name != ProcessEngine.name:
        return None
    docker, _ = await _docker_where_best(workspace, leaving=leaving)
    return docker


async def _best(workspace: Workspace) -> Engine:
    docker, reason = await _docker_where_best(workspace)
    if docker is not None:
        return docker
    return ProcessEngine(workspace, f"Instances run as processes of this machine. {reason}")


async def _docker_where_best(
    workspace: Workspace, *, leaving: bool = False
) -> tuple[Engine | None, str]:
    """Return Docker where it is better than processes, and otherwise why it is not."""
    # Its package takes a while to load.
    docker = await asyncio.to_thread(ENGINES[DOCKER], workspace)
    availability = await docker.availability()
    reason = availability.reason
    if availability.usable:
        running = not leaving and await _runs_instances(ENGINES[PROCESS](workspace))
        if not running or await _runs_instances(docker):
            return docker, reason
        reason = "They are running already, and Docker is used once they are stopped."
    await docker.close()
    return None, reason


async def _runs_instances(engine: Engine) -> bool:
    try:
        instances = await engine.instances()
    except EngineError:
        return False
    ended = (InstanceState.FAILED, InstanceState.STOPPED)
    return any(instance.state not in ended for instance in instances)
