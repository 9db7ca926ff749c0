"""Which engine runs the instances on this machine."""

from __future__ import annotations

from collections.abc import Callable

from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine
from serving.errors import EngineError
from serving.workspace import Workspace

AUTO = "auto"

ENGINES: dict[str, Callable[[Workspace], Engine]] = {
    "process": lambda workspace: ProcessEngine(
        workspace,
        "Processes work on every machine, with nothing else to install.",
    ),
}
"""How each engine is made, by its name; `auto` takes the first one that is usable."""


async def choose_engine(name: str, workspace: Workspace) -> Engine:
    """Return the engine called `name`, or for `auto` the first that is usable here.

    `availability()` of what is returned says why it was chosen. Raises
    EngineError where there is no such engine or it is not usable.
    """
    if name != AUTO and name not in ENGINES:
        raise EngineError(
            f"There is no engine called {name}.",
            f"Choose one of {', '.join([AUTO, *ENGINES])}.",
        )
    reasons: list[str] = []
    for candidate in ENGINES if name == AUTO else [name]:
        engine = ENGINES[candidate](workspace)
        availability = await engine.availability()
        if availability.usable:
            return engine
        reasons.append(availability.reason)
    raise EngineError(
        " ".join(reasons), "Choose another engine in the settings, or mend what is missing."
    )
