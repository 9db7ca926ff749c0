"""Which engine runs the instances on this machine."""

from __future__ import annotations

from collections.abc import Callable

from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine, InstanceState
from serving.errors import EngineError
from serving.workspace import Workspace

AUTO = "auto"
PROCESS_REASON = "Processes work on every machine, with nothing else to install."


def _docker(workspace: Workspace) -> Engine:
    # Only who looks for Docker waits for its package to load.
    from serving.engines.docker.engine import DockerEngine

    return DockerEngine(workspace)


def _process(workspace: Workspace) -> Engine:
    return ProcessEngine(workspace, PROCESS_REASON)


ENGINES: dict[str, Callable[[Workspace], Engine]] = {"docker": _docker, "process": _process}
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
    if name not in ENGINES:
        raise EngineError(
            f"There is no engine called {name}.",
            f"Choose one of {', '.join([AUTO, *ENGINES])}.",
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


async def _best(workspace: Workspace) -> Engine:
    docker = ENGINES["docker"](workspace)
    availability = await docker.availability()
    reason = availability.reason
    if availability.usable:
        running = await _runs_instances(ENGINES["process"](workspace))
        if not running or await _runs_instances(docker):
            return docker
        reason = "They are running already, and Docker is used once they are stopped."
    await docker.close()
    return ProcessEngine(workspace, f"Instances run as processes of this machine. {reason}")


async def _runs_instances(engine: Engine) -> bool:
    try:
        instances = await engine.instances()
    except EngineError:
        return False
    ended = (InstanceState.FAILED, InstanceState.STOPPED)
    return any(instance.state not in ended for instance in instances)
