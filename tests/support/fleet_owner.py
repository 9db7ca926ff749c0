"""A program that keeps changing a fleet until it is killed.

python -m tests.support.fleet_owner SEED process PROGRAM...
python -m tests.support.fleet_owner SEED docker IMAGE
"""

import asyncio
import random
import sys

from serving.engines.docker.engine import DockerEngine
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace

MAX_COUNT = 4


async def change_fleet(seed: str, engine_name: str, *words: str) -> None:
    workspace = Workspace.default()
    engine = (
        DockerEngine(workspace, words)
        if engine_name == "docker"
        else ProcessEngine(workspace, program=words)
    )
    repository = ModelRepository(workspace.models)
    fleet = Fleet(engine, repository, workspace, PredictClient(repository.served))
    rng = random.Random(seed)
    running = asyncio.create_task(fleet.run())
    print("started", flush=True)
    while not running.done():
        view = await fleet.scale(rng.randint(0, MAX_COUNT))
        if view.instances:
            await fleet.restart(rng.choice(view.instances).instance.id)


if __name__ == "__main__":
    asyncio.run(change_fleet(*sys.argv[1:]))
