"""Nodes of a real swarm of the test's own: joined, drained, removed, and left."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.engines.docker.connection import EngineConnection
from serving.engines.engine_address import EngineAddress, save_address
from serving.engines.swarm.membership import NodeAvailability, SwarmState, find_node
from serving.engines.swarm.nodes import SwarmNodes
from serving.errors import EngineError
from serving.workspace import Workspace
from tests.integration.swarm.test_own_swarm import start_service
from tests.support.docker.swarm import Swarm, SwarmNode, engines
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.swarm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pair(storage_driver: str) -> Iterator[Swarm]:
    """Two engines, without images, that belong to no swarm between the tests."""
    with engines(2, storage_driver) as made:
        yield made


@pytest.fixture
def alone(pair: Swarm) -> Iterator[Swarm]:
    yield pair
    for node in reversed(pair.nodes):
        if node.api.info()["Swarm"]["LocalNodeState"] != "inactive":
            node.api.leave_swarm(force=True)


@pytest.fixture
async def first(alone: Swarm) -> AsyncIterator[SwarmNodes]:
    """The nodes as the first engine sees them."""
    connection = EngineConnection([alone.nodes[0].endpoint])
    yield SwarmNodes(connection)
    await connection.close()


@pytest.fixture
async def second(alone: Swarm) -> AsyncIterator[SwarmNodes]:
    connection = EngineConnection([alone.nodes[1].endpoint])
    yield SwarmNodes(connection)
    await connection.close()


async def run_there(node: SwarmNode, command: str) -> None:
    """Run a command on a node's machine, as a person would."""
    words = shlex.split(command)
    assert words[0] == "docker"
    there = node.member.namespace.command("docker", "--host", node.endpoint.url, *words[1:])
    await asyncio.to_thread(subprocess.run, there, check=True, capture_output=True)


async def test_a_swarm_is_started_joined_drained_and_left(
    alone: Swarm, first: SwarmNodes, second: SwarmNodes
) -> None:
    one, two = alone.nodes
    assert (await first.membership()).state is SwarmState.NONE
    with pytest.raises(EngineError, match="belongs to no swarm"):
        await first.nodes()
    await first.start(one.address)
    (node,) = await first.nodes()
    assert (node.name, node.role, node.here, node.address) == ("node1", "leader", True, one.address)
    assert node.usable
    assert node.cores >= 1
    assert node.memory > 2**20
    with pytest.raises(EngineError, match="belongs to a swarm already"):
        await first.start(one.address)

    await run_there(two, await first.join_command())
    assert (await second.membership()).state is SwarmState.WORKER
    with pytest.raises(EngineError, match="docker node promote"):
        await second.nodes()
    await wait_until(lambda: both_usable(first))
    worker = find_node(await first.nodes(), "node2")
    assert (worker.role, worker.address, worker.here) == ("worker", two.address, False)

    await first.set_availability(worker.id, NodeAvailability.DRAIN)
    drained = find_node(await first.nodes(), two.address)
    assert drained.ready
    assert not drained.usable
    await first.set_availability(worker.id, NodeAvailability.ACTIVE)
    assert find_node(await first.nodes(), worker.id[:8]).usable

    assert "other nodes" in await second.losses()
    await second.leave()
    assert (await second.membership()).state is SwarmState.NONE
    await wait_until(lambda: is_down(first, worker.id))
    await first.remove(worker.id)
    assert [node.name for node in await first.nodes()] == ["node1"]
    assert "It is the only manager, so the swarm ends" in await first.losses()
    await first.leave()
    assert (await first.membership()).state is SwarmState.NONE
    with pytest.raises(EngineError, match="belongs to no swarm"):
        await first.leave()


async def test_a_manager_that_leaves_hands_over_first(
    alone: Swarm, first: SwarmNodes, second: SwarmNodes
) -> None:
    one, two = alone.nodes
    await first.start(one.address)
    command = await first.join_command(manager=True)
    token = command.split()[command.split().index("--token") + 1]
    joined = await second.join(f"{one.address}:2377", token, two.address)
    assert joined.manages
    await wait_until(lambda: both_usable(first))
    assert "1 manager is left" in await first.losses()
    await first.leave()
    assert (await first.membership()).state is SwarmState.NONE
    await wait_until(lambda: leads_alone(second))
    with pytest.raises(EngineError, match="no token of a swarm"):
        await first.join(f"{two.address}:2377", "secret", one.address)
    with pytest.raises(EngineError, match="no address by which"):
        await first.join(f"{two.address}:2377", token, "0.0.0.0")


async def test_a_manager_is_removed_like_any_node(
    alone: Swarm, first: SwarmNodes, second: SwarmNodes
) -> None:
    one, two = alone.nodes
    await first.start(one.address)
    await run_there(two, await first.join_command(manager=True))
    await wait_until(lambda: both_usable(first))
    own, other = find_node(await first.nodes(), "node1"), find_node(await first.nodes(), "node2")
    assert other.manager
    with pytest.raises(EngineError, match="Leave the swarm instead"):
        await first.remove(own.id)
    await first.remove(other.id)
    assert [node.id for node in await first.nodes()] == [own.id]
    assert await leads_alone(first)
    with pytest.raises(EngineError, match="has no node called"):
        await first.set_availability(other.id, NodeAvailability.DRAIN)


async def test_an_image_that_a_node_lacks_is_named(alone: Swarm, first: SwarmNodes) -> None:
    await first.start(alone.nodes[0].address)
    start_service(alone, "nobody/nothing:1", 1)
    await wait_until(lambda: lacks(first, "nobody/nothing:1"))


def test_the_shell_lists_and_changes_nodes(alone: Swarm, workspace: Workspace) -> None:
    one = alone.nodes[0]
    save_address(workspace.create(), EngineAddress(url=one.endpoint.url))

    def servery(*arguments: str) -> str:
        words = ["--workspace", str(workspace.root), "fleet", "nodes", *arguments]
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "belongs to no swarm. Start" in " ".join(servery().split())
    assert "manages a swarm of 1 node" in servery("start", "--yes", "--address", one.address)
    assert "docker swarm join --token SWMTKN-" in servery("add")
    table = servery()
    assert "node1 (this engine)" in table
    assert "SWMTKN" not in table
    assert "node1 is drained" in servery("drain", "node1")
    assert "drain" in servery()
    assert "node1 is active" in servery("activate", one.address)
    refused = CliRunner().invoke(
        main, ["--workspace", str(workspace.root), "fleet", "nodes", "drain", "nobody"]
    )
    assert refused.exit_code == 1
    assert "has no node called nobody" in refused.output
    assert "the swarm ends" in servery("leave", "--yes")


async def both_usable(swarm: SwarmNodes) -> bool:
    return sum(node.usable for node in await swarm.nodes()) == 2


async def is_down(swarm: SwarmNodes, node_id: str) -> bool:
    return not find_node(await swarm.nodes(), node_id).ready


async def leads_alone(swarm: SwarmNodes) -> bool:
    membership = await swarm.membership()
    return membership.manages and membership.managers == 1


async def lacks(swarm: SwarmNodes, image: str) -> bool:
    (node,) = await swarm.nodes()
    return node.missing_images == (image,)
