"""A program that keeps changing a fleet in containers until it is killed."""

import asyncio
import random
import sys

from serving.engines.docker.engine import DockerEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace


async def change(model: str, seed: int, image: str) -> None:
    workspace = Workspace.default()
    fleet = Fleet(
        model,
        DockerEngine(workspace, [image]),
        ModelRepository(workspace.models),
        workspace,
        PredictClient(model),
    )
    choice = random.Random(seed)
    running = asyncio.create_task(fleet.run())
    print("begun", flush=True)
    while not running.done():
        view = await fleet.scale(choice.randint(0, 4))
        if view.instances:
            await fleet.restart(choice.choice(view.instances).instance.id)


asyncio.run(change(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
