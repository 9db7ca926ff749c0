"""How long changing the current model takes under load, and whether a request fails.

    python -m tests.benchmarks.switch_model [--engine process] [--rounds 3] [--callers 32]

Two instances serve one built-in model and then the other, in turn, on a new workspace, while
callers classify a photo without a pause. A switch is counted from the request until every
instance has loaded the model and it is the current one.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
import time
from pathlib import Path

from PIL import Image

from serving.background import in_background
from serving.engines.choose import choose_engine
from serving.engines.names import ENGINE_NAMES, PROCESS
from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import use_model
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from serving.models.builtin.install import install_built_in, install_first_model
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.units import format_bytes
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.support.load_generator import LoadGenerator

UNLOAD_SECONDS = 5.0


def photo() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


async def switch(workspace: Workspace, engine_name: str, rounds: int, callers: int) -> None:
    repository = ModelRepository(workspace.models)
    install_first_model(repository)
    names = sorted((each.name for each in built_in_models()), key=DEFAULT_BUILT_IN.__eq__)
    for name in names:
        install_built_in(repository, name)
    engine = await choose_engine(engine_name, workspace)
    client = PredictClient(repository.served, timeout=60)
    fleet = Fleet(engine, repository, workspace, client)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    try:
        async with in_background(fleet.run()):
            await fleet.scale(2)
            async with LoadGenerator(client, photo(), callers) as load:
                for name in names * rounds:
                    started = time.monotonic()
                    await use_model(fleet, repository, name)
                    seconds[name].append(time.monotonic() - started)
                    # The former one is unloaded meanwhile.
                    await asyncio.sleep(UNLOAD_SECONDS)
            await fleet.scale(0)
    finally:
        await client.close()
        await engine.close()
    for name in names:
        print(Figure(f"switch to {name}", seconds[name], "s"))
        memory = repository.settings(name).memory_bytes
        print(f"memory of {name} in an instance: {format_bytes(memory) if memory else 'unknown'}")
    print(f"{load.answers.total()} requests answered, {len(load.failures)} failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINE_NAMES, default=PROCESS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-switch-") as folder:
        workspace = Workspace(Path(folder)).create()
        asyncio.run(switch(workspace, arguments.engine, arguments.rounds, arguments.callers))


if __name__ == "__main__":
    main()
