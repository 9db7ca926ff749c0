"""What tests of instances as processes share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from serving.engines.process import ProcessEngine
from serving.engines.protocol import Instance, InstanceSpec, InstanceState
from serving.workspace import Workspace
from tests.support.waiting import wait_until

SPEC = InstanceSpec(Path("/models/serving.config"))


async def wait_for_instance(
    engine: ProcessEngine, instance_id: str, condition: Callable[[Instance], bool]
) -> Instance:
    async def found() -> list[Instance]:
        return [
            instance
            for instance in await engine.instances()
            if instance.id == instance_id and condition(instance)
        ]

    return (await wait_until(found))[0]


def listens(instance: Instance) -> bool:
    return instance.grpc_address is not None


def failed(instance: Instance) -> bool:
    return instance.state is InstanceState.FAILED


def draining(instance: Instance) -> bool:
    return instance.state is InstanceState.DRAINING


def configure(workspace: Workspace, **settings: int) -> None:
    (workspace.root / "fake_server.json").write_text(json.dumps(settings))


def files_left(workspace: Workspace) -> list[str]:
    return [
        path.name for folder in (workspace.instances, workspace.logs) for path in folder.iterdir()
    ]
