"""A fleet that moves to an engine on another machine, once a person has chosen that, and back."""

from __future__ import annotations

import pytest

from desktop.fleet.engines import FleetEngines
from serving.background import in_background
from serving.engines.choose import engine_with_instances
from serving.engines.docker.chosen_engine import choose, parse_address
from serving.engines.docker.engine import DockerEngine
from serving.engines.process import ProcessEngine
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.fleet.fleet import Fleet
from tests.integration.docker.test_tls import FarEngine, far
from tests.support.docker.docker_env import DockerEnv, _accept_version
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_for_view

__all__ = ["far"]

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_the_instances_move_to_the_engine_that_is_chosen(
    docker_env: DockerEnv,
    far: FarEngine,
    sample_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    workspace, images = docker_env.workspace, [docker_env.image]
    here = DockerEngine(workspace, images)
    switch = EngineSwitch(here)
    fleet = Fleet(
        switch, docker_env.repository, workspace, docker_env.client, trial=_accept_version
    )
    engines = FleetEngines(
        fleet,
        switch,
        here,
        ProcessEngine(workspace),
        SwarmEngine(workspace, images),
        lambda: "docker",
    )
    watcher = DockerEngine(workspace, images)
    try:
        async with in_background(fleet.run()):
            await fleet.scale(2)
            await wait_for_view(fleet, lambda view: view.ready == 2)
            assert await engines.suggest() is None
            await choose(workspace, parse_address(far.url, str(far.certificates)))
            suggestion = await engines.suggest()
            assert suggestion is not None
            assert suggestion.heading == "Instances still run on another engine"
            assert far.url in suggestion.sentence
            assert engines.in_containers
            async with LoadGenerator(docker_env.client, sample_jpeg, 4) as load:
                await engines.move(lambda *_: None)
                view = await wait_for_view(
                    fleet, lambda view: view.ready == 2 and far.url in view.engine_reason
                )
                for each in view.instances:
                    await load.wait_for_answers(each.instance.id, 5)
            assert load.failures == []
            assert docker_env.containers() == []
            assert len(far.node.api.containers()) == 2
            assert await engines.suggest() is None
            # A program that watches the fleet finds it there.
            found = await engine_with_instances(watcher, workspace)
            assert found is not None
            assert len(await found.instances()) == 2
            await found.close()
            # Without an instance there is nothing to move.
            await fleet.scale(0)
            await wait_for_view(fleet, lambda view: not view.instances)
            await choose(workspace, parse_address("auto"))
            assert await engines.suggest() is None
            await fleet.scale(1)
            assert len(docker_env.containers()) == 1
            await fleet.scale(0)
    finally:
        for row in far.node.api.containers(all=True):
            far.node.api.remove_container(row["Id"], v=True, force=True)
        await watcher.close()
        await engines.close()


@pytest.mark.parametrize(
    ("text", "context", "url"),
    [
        ("auto", "", ""),
        ("context:auto", "auto", ""),
        ("context:context", "context", ""),
        ("workshop", "workshop", ""),
        ("ssh://context:2", "", "ssh://context:2"),
    ],
)
def test_a_context_that_is_called_like_another_choice_can_be_named(
    text: str, context: str, url: str
) -> None:
    address = parse_address(text)
    assert (address.context, address.url) == (context, url)
