"""`servery fleet nodes`: what opens ports or stops something asks first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from desktop.cli import main
from desktop.commands import nodes
from serving.engines.swarm.membership import Membership, SwarmState
from serving.workspace import Workspace


class FakeSwarm:
    """An engine that belongs to no swarm until it is asked to start one."""

    def __init__(self) -> None:
        self.started: list[str] = []

    async def addresses(self) -> list[str]:
        return ["192.0.2.7"]

    async def start(self, address: str) -> None:
        self.started.append(address)

    async def membership(self) -> Membership:
        state = SwarmState.MANAGER if self.started else SwarmState.NONE
        return Membership(state, nodes=len(self.started))


@pytest.fixture
def swarm(monkeypatch: pytest.MonkeyPatch) -> FakeSwarm:
    made = FakeSwarm()

    def with_nodes(_: Workspace, work: Callable[[Any], Awaitable[object]]) -> object:
        async def carry_out() -> object:
            return await work(made)

        return asyncio.run(carry_out())

    monkeypatch.setattr(nodes, "_with_nodes", with_nodes)
    return made


def start(workspace: Workspace, *options: str, typed: str = "") -> Result:
    words = ["--workspace", str(workspace.root), "fleet", "nodes", "start", *options]
    return CliRunner().invoke(main, words, input=typed)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)


def test_starting_a_swarm_is_refused_where_nobody_can_be_asked(
    workspace: Workspace, swarm: FakeSwarm
) -> None:
    refused = start(workspace, typed="y\n")
    assert refused.exit_code == 1
    assert "A swarm opens ports of this machine." in refused.stderr
    assert "TCP ports 2377 and 7946" in refused.stderr
    assert "Add --yes" in refused.stderr
    assert swarm.started == []


@pytest.mark.parametrize(("typed", "started"), [("n\n", []), ("y\n", ["192.0.2.7"])])
def test_starting_a_swarm_asks_on_a_terminal(
    workspace: Workspace,
    swarm: FakeSwarm,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    started: list[str],
) -> None:
    on_a_terminal(monkeypatch)
    asked = start(workspace, typed=typed)
    assert "Start a swarm at 192.0.2.7? [y/N]" in asked.stderr
    assert swarm.started == started


def test_yes_starts_a_swarm_without_asking(workspace: Workspace, swarm: FakeSwarm) -> None:
    done = start(workspace, "--yes", "--address", "192.0.2.9")
    assert done.exit_code == 0
    assert "manages a swarm of 1 node" in done.stderr
    assert swarm.started == ["192.0.2.9"]
