"""`servery fleet nodes`: the nodes of the swarm that the container engine belongs to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from desktop.commands import options
from desktop.commands.terminal import (
    ask_secret,
    confirm_unless,
    print_json,
    print_line,
    print_message,
    print_table,
)
from desktop.fleet.wording import PORTS_SENTENCE
from serving.engines.engine_address import chosen_address
from serving.engines.swarm.membership import (
    Membership,
    Node,
    NodeAvailability,
    find_node,
)
from serving.errors import EngineError
from serving.units import format_bytes
from serving.workspace import Workspace

if TYPE_CHECKING:
    from serving.engines.swarm.nodes import SwarmNodes

T = TypeVar("T")

address_option = click.option(
    "--address",
    help="IP address of the engine's machine in the network that the nodes share."
    "  [default: that of its way to other networks]",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def nodes(context: click.Context, as_json: bool) -> None:
    """Show and change the nodes of a Docker swarm.

    Without a command, they are listed.
    """
    if context.invoked_subcommand is not None:
        return

    async def look(swarm: SwarmNodes) -> tuple[Membership, list[Node]]:
        membership = await swarm.membership()
        return membership, await swarm.nodes() if membership.manages else []

    membership, found = _with_nodes(context.obj, look)
    if as_json:
        print_json({"state": membership.state, "nodes": [_as_json(node) for node in found]})
        return
    print_line(membership.sentence)
    if membership.advice:
        print_message(membership.advice)
    if found:
        header = ("NODE", "ROLE", "STATE", "AVAILABILITY", "ADDRESS", "CORES", "MEMORY", "TASKS")
        print_table(header, [_row(node) for node in found])
    for node in found:
        for image in node.missing_images:
            print_message(f"{node.name} does not have the image {image}.")
        if node.message and not node.ready:
            print_message(f"{node.name}: {node.message}")


@nodes.command()
@address_option
@yes_option
@options.as_json
@click.pass_obj
def start(workspace: Workspace, address: str | None, yes: bool, as_json: bool) -> None:
    """Make a swarm of the engine alone, which others can join.

    It opens ports of the engine's machine, so it asks first.
    """

    async def look(swarm: SwarmNodes) -> str:
        return address or await _address(swarm)

    async def carry_out(swarm: SwarmNodes) -> Membership:
        await swarm.start(own)
        return await swarm.membership()

    own = _with_nodes(workspace, look)
    confirm_unless(
        yes,
        f"{PORTS_SENTENCE} Start a swarm at {own}?",
        f"A swarm opens ports of this machine. {PORTS_SENTENCE}",
    )

    membership = _with_nodes(workspace, carry_out)
    if as_json:
        print_json({"state": membership.state})
    else:
        print_message(f"{membership.sentence} {PORTS_SENTENCE}")


@nodes.command()
@click.option("--manager", is_flag=True, help="For a node that may manage the swarm, too.")
@options.as_json
@click.pass_obj
def add(workspace: Workspace, manager: bool, as_json: bool) -> None:
    """Print the command that makes another machine a node.

    Run it there, as a user who may use Docker. It has a secret in it: whoever knows that can
    join the swarm.
    """
    found = _with_nodes(workspace, lambda swarm: swarm.join_command(manager=manager))
    if as_json:
        print_json({"command": found})
    else:
        print_line(found)
    print_message(f"Run this on the other machine. {PORTS_SENTENCE}")


@nodes.command()
@click.argument("manager")
@address_option
@options.as_json
@click.pass_obj
def join(workspace: Workspace, manager: str, address: str | None, as_json: bool) -> None:
    """Have the engine join the swarm of MANAGER, its HOST:PORT.

    The token is asked for, or read from standard input: it would stay in the history of the
    shell otherwise.
    """
    token = ask_secret("Token") if sys.stdin.isatty() else sys.stdin.readline().strip()

    async def carry_out(swarm: SwarmNodes) -> Membership:
        return await swarm.join(manager, token, address or await _address(swarm))

    membership = _with_nodes(workspace, carry_out)
    if as_json:
        print_json({"state": membership.state})
    else:
        print_message(membership.sentence)


@nodes.command()
@click.argument("node")
@options.as_json
@click.pass_obj
def drain(workspace: Workspace, node: str, as_json: bool) -> None:
    """Have what runs on NODE run elsewhere, and nothing new on it."""
    changed = _with_nodes(workspace, lambda swarm: _change(swarm, node, NodeAvailability.DRAIN))
    if as_json:
        print_json(_as_json(changed))
    else:
        print_message(f"{changed.name} is drained: what ran there runs on other nodes.")


@nodes.command()
@click.argument("node")
@options.as_json
@click.pass_obj
def activate(workspace: Workspace, node: str, as_json: bool) -> None:
    """Let the swarm give NODE something to run again."""
    changed = _with_nodes(workspace, lambda swarm: _change(swarm, node, NodeAvailability.ACTIVE))
    if as_json:
        print_json(_as_json(changed))
    else:
        print_message(f"{changed.name} is active: the swarm runs instances on it again.")


@nodes.command()
@click.argument("node")
@yes_option
@options.as_json
@click.pass_obj
def remove(workspace: Workspace, node: str, yes: bool, as_json: bool) -> None:
    """Forget NODE: the swarm runs nothing on it any more."""
    confirm_unless(
        yes,
        f"Remove {node} from the swarm? What runs there stops.",
        f"What runs on {node} would stop.",
    )

    async def carry_out(swarm: SwarmNodes) -> Node:
        found = find_node(await swarm.nodes(), node)
        await swarm.remove(found.id)
        return found

    removed = _with_nodes(workspace, carry_out)
    if as_json:
        print_json(_as_json(removed))
    print_message(f"{removed.name} was removed. Run `docker swarm leave` there, too.")


@nodes.command()
@yes_option
@options.as_json
@click.pass_obj
def leave(workspace: Workspace, yes: bool, as_json: bool) -> None:
    """Have the engine leave its swarm."""

    async def look(swarm: SwarmNodes) -> str:
        if not (membership := await swarm.membership()).belongs:
            raise EngineError(membership.sentence, "There is nothing to leave.")
        return await swarm.losses()

    losses = _with_nodes(workspace, look)
    if yes:
        print_message(losses)
    confirm_unless(yes, f"{losses} Leave it?", losses)

    async def carry_out(swarm: SwarmNodes) -> Membership:
        await swarm.leave()
        return await swarm.membership()

    membership = _with_nodes(workspace, carry_out)
    if as_json:
        print_json({"state": membership.state})
    else:
        print_message("The engine belongs to no swarm any more.")


async def _change(swarm: SwarmNodes, name: str, availability: NodeAvailability) -> Node:
    node = find_node(await swarm.nodes(), name)
    await swarm.set_availability(node.id, availability)
    return replace(node, availability=availability)


async def _address(swarm: SwarmNodes) -> str:
    for address in await swarm.addresses():
        return address
    raise EngineError(
        "It is not known by which address other machines reach the engine's machine.",
        "Name it with --address.",
    )


def _with_nodes(workspace: Workspace, work: Callable[[SwarmNodes], Awaitable[T]]) -> T:
    # Imported late: Docker's package takes a while to load.
    from serving.engines.docker.connection import EngineConnection
    from serving.engines.swarm.nodes import SwarmNodes

    async def carry_out() -> T:
        connection = EngineConnection(address=chosen_address(workspace))
        try:
            return await work(SwarmNodes(connection))
        finally:
            await connection.close()

    return asyncio.run(carry_out())


def _row(node: Node) -> tuple[str, ...]:
    return (
        f"{node.name} (this engine)" if node.here else node.name,
        node.role,
        node.state,
        node.availability.value,
        node.address or "-",
        str(node.cores),
        format_bytes(node.memory),
        str(node.tasks),
    )


def _as_json(node: Node) -> dict[str, Any]:
    return {**asdict(node), "role": node.role}
