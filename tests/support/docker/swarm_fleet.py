"""A workspace whose fleet is a service of a swarm."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from serving.background import in_background
from serving.engines.docker import names
from serving.engines.docker.image.base_python import PYTHON
from serving.engines.docker.model_image.base import ENTRYPOINT
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.fleet.fleet import Fleet, FleetView
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.docker.second_engine import answers
from tests.support.docker.swarm import Swarm, SwarmNode
from tests.support.waiting import wait_for_view, wait_until

MODEL, OTHER_MODEL = "pets", "birds"
SECONDS = 120.0
"""For what takes a swarm some seconds on an idle machine."""


def install_two_models(repository: ModelRepository) -> None:
    """Make two models of two versions that only the fake server can load; the first ones live."""
    for model in (MODEL, OTHER_MODEL):
        for number in (1, 2):
            folder = repository.root / model / str(number)
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").touch()
        repository.promote(model, 1)
    repository.change_served(lambda served: replace(served, current=MODEL, also=(OTHER_MODEL,)))


class SwarmFleet:
    """A workspace with the models that `install` puts there, and a fleet on a swarm.

    The nodes see the folder of the models, since they share this machine's file system.
    """

    def __init__(
        self,
        workspace: Workspace,
        swarm: Swarm,
        image: str,
        install: Callable[[ModelRepository], object],
    ) -> None:
        self.workspace = workspace
        self.swarm = swarm
        self.engine = SwarmEngine(workspace, [image], [swarm.manager.endpoint])
        self.switch = EngineSwitch(self.engine)
        self.repository = ModelRepository(workspace.models)
        self.client = PredictClient(self.repository.served, timeout=60)
        self.fleet = Fleet(
            self.switch, self.repository, workspace, self.client, trial=_accept_version
        )
        install(self.repository)

    def services(self) -> list[dict[str, Any]]:
        """The services of the workspace, as the swarm lists them."""
        label = f"{names.WORKSPACE}={names.workspace_id(self.workspace)}"
        find: Callable[..., list[dict[str, Any]]] = self.swarm.manager.api.services
        return find({"label": [label]})

    async def wait_for_nodes(self, *nodes: str) -> FleetView:
        """Return once as many instances are ready, and no others run, on these nodes."""

        def reached(view: FleetView) -> bool:
            found = sorted(each.instance.node for each in view.answering)
            return found == sorted(nodes) and len(view.instances) == len(nodes)

        return await wait_for_view(self.fleet, reached, SECONDS)

    async def close(self) -> None:
        for row in await asyncio.to_thread(self.services):
            await asyncio.to_thread(self.swarm.manager.api.remove_service, row["ID"])
        await self.client.close()
        await self.engine.close()
        await wait_until(lambda: not _containers(self.swarm), SECONDS)


def _containers(swarm: Swarm) -> list[Any]:
    return [
        row
        for node in swarm.nodes
        if answers(node.endpoint)
        for row in node.api.containers(all=True)
    ]


@asynccontextmanager
async def swarm_fleet(
    workspace: Workspace,
    swarm: Swarm,
    image: str,
    install: Callable[[ModelRepository], object] = install_two_models,
) -> AsyncIterator[SwarmFleet]:
    """A SwarmFleet that runs; its service is gone at the end."""
    made = SwarmFleet(workspace, swarm, image, install)
    try:
        async with in_background(made.fleet.run()):
            yield made
    finally:
        await made.close()


def build_broken_image(swarm: Swarm, image: str, tag: str) -> None:
    """Give every node an image whose container ends at once."""
    recipe = f'FROM {image}\nENTRYPOINT ["sh", "-c", "echo the model is broken; exit 3"]\n'
    for node in swarm.nodes:
        context = io.BytesIO(recipe.encode())
        _check(node.api.build(fileobj=context, tag=tag, rm=True, decode=True))


def build_model_base(node: SwarmNode, image: str, tag: str) -> None:
    """Give a node a base for images of models: the fake server, begun as the official one is.

    A version with a file `assets/broken` ends it.
    """
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text, mode in (
            ("Dockerfile", _BASE_RECIPE.format(image=image), 0o644),
            (ENTRYPOINT, _BASE_ENTRYPOINT, 0o755),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    _check(node.api.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True))


def _check(answers: Iterable[dict[str, Any]]) -> None:
    for answer in answers:
        assert "error" not in answer, answer


_BASE_RECIPE = f"""\
FROM {{image}}
COPY {ENTRYPOINT} /usr/bin/
ENTRYPOINT ["/usr/bin/{ENTRYPOINT}"]
"""
_BASE_ENTRYPOINT = f"""\
#!/bin/bash
version=$(ls "$MODEL_BASE_PATH/$MODEL_NAME")
if [[ -e "$MODEL_BASE_PATH/$MODEL_NAME/$version/assets/broken" ]]; then
    echo "the model is broken"
    exit 3
fi
cat >/tmp/serving.config <<END
model_config_list {{ config {{
    name: "$MODEL_NAME" base_path: "$MODEL_BASE_PATH/$MODEL_NAME"
    model_version_policy {{ specific {{ versions: $version }} }}
}} }}
END
{PYTHON} -c '
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\nAVAILABLE")

HTTPServer(("0.0.0.0", 8501), Handler).serve_forever()' &
exec {PYTHON} -m tests.support.fake_server --address=0.0.0.0:8500 \\
    --model_config_file=/tmp/serving.config
"""


async def _accept_version(version: Version, memory_limit: int) -> None:
    """Versions here have no graph; the fake server serves them all."""
