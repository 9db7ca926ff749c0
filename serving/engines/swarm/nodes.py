"""The nodes of a swarm: start one or join one, add nodes, drain and remove them, leave."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil
from docker import APIClient

from serving.background import finish
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.image.lookup import first_present
from serving.engines.swarm.membership import (
    MANAGER_PORT,
    Membership,
    Node,
    NodeAvailability,
    SwarmState,
    find_node,
    read_nodes,
)
from serving.errors import EngineError

T = TypeVar("T")

JOIN_SECONDS = 120
"""How long the engine may try to reach a manager."""
DEMOTION_SECONDS = 30.0
_POLL_SECONDS = 0.2


class SwarmNodes:
    """The swarm of one engine, by its API alone: any program sees what another one changed.

    Every method raises EngineError if the engine does not answer, or refuses.
    """

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection

    async def membership(self) -> Membership:
        """Return what the engine is to a swarm."""
        return await self._connection.run("say whether it belongs to a swarm", _membership)

    async def nodes(self) -> list[Node]:
        """Return the nodes, managers first; raises EngineError also if it manages no swarm."""
        return await self._manage("list the nodes", lambda found, here: _nodes(found, here.node_id))

    async def addresses(self) -> list[str]:
        """Return addresses of the engine's machine by which other ones may reach it, best first.

        Empty if they are not known, for an engine on another machine without one in its address.
        """

        def addresses(found: FoundEngine) -> list[str]:
            if found.endpoint.socket is not None:
                return _own_addresses()
            host = urlsplit(found.endpoint.url).hostname or ""
            return [host] if _is_address(host) else []

        return await self._connection.run("say where it is", addresses)

    async def start(self, address: str) -> None:
        """Make a swarm of this engine alone, which other nodes reach by `address` and can join."""
        own = _checked_address(address)

        def start(found: FoundEngine) -> None:
            _refuse_second(_membership(found))
            found.client.init_swarm(advertise_addr=own, listen_addr=_with_port(own))

        await finish(self._connection.run("start a swarm", start))

    async def join(self, manager: str, token: str, address: str) -> Membership:
        """Have this engine join the swarm of a manager; returns what it is to it then.

        `address` is that of this engine's machine, for the other nodes.
        """
        own, there = _checked_address(address), _manager_address(manager)
        if not token.startswith("SWMTKN-"):
            raise EngineError(
                "That is no token of a swarm.",
                "`servery fleet nodes add` on a manager prints one; it begins with SWMTKN-.",
            )

        def join(found: FoundEngine) -> Membership:
            _refuse_second(_membership(found))
            client = found.connect()  # another one, since joining takes longer than other calls
            client.timeout = JOIN_SECONDS
            try:
                client.join_swarm([there], token, listen_addr=_with_port(own), advertise_addr=own)
            finally:
                client.close()
            return _membership(found)

        return await finish(self._connection.run("join the swarm", join))

    async def join_command(self, *, manager: bool = False) -> str:
        """Return the command that makes another machine's engine a node, with the secret token.

        Whoever has it can join: show it only when asked, and write it nowhere.
        """

        def command(found: FoundEngine, here: Membership) -> str:
            tokens = found.client.inspect_swarm()["JoinTokens"]
            token = tokens["Manager" if manager else "Worker"]
            address = next(node for node in _nodes(found, here.node_id) if node.here).address
            return f"docker swarm join --token {token} {_with_port(address)}"

        return await self._manage("say how to join the swarm", command)

    async def set_availability(self, node_id: str, availability: NodeAvailability) -> None:
        """Have a node run what the swarm gives it, or drain it: what ran there runs elsewhere."""

        def change(found: FoundEngine, here: Membership) -> None:
            find_node(_nodes(found, here.node_id), node_id)
            _update(found.client, node_id, Availability=availability.value)

        await finish(self._manage("change the node", change))

    async def remove(self, node_id: str) -> None:
        """Forget a node, also one that is ready: it is not in the swarm any more."""

        def remove(found: FoundEngine, here: Membership) -> None:
            if node_id == here.node_id:
                raise EngineError(
                    "The engine cannot remove its own node.", "Leave the swarm instead."
                )
            node = find_node(_nodes(found, here.node_id), node_id)
            if node.manager:
                _update(found.client, node_id, Role="worker")
                _wait(lambda: "ManagerStatus" not in found.client.inspect_node(node_id))
            found.client.remove_node(node_id, force=True)

        await finish(self._manage("remove the node", remove))

    async def losses(self) -> str:
        """Say what is lost if this engine leaves its swarm, as sentences."""

        def losses(found: FoundEngine) -> str:
            here = _membership(found)
            if not here.manages:
                return "What the swarm runs on this engine stops here, and runs on other nodes."
            if here.managers > 1:
                left = "1 manager is" if here.managers == 2 else f"{here.managers - 1} managers are"
                return f"What runs on this engine runs on other nodes, and {left} left."
            services = len(_listed(found.client.services))
            counted = "its service" if services == 1 else f"its {services:,} services"
            text = (
                f"It is the only manager, so the swarm ends, with {counted}"
                if services
                else ("It is the only manager, so the swarm ends")
            )
            others = here.nodes - 1
            text = (
                f"{text} and all secrets, configs and networks of the swarm. This cannot be undone."
            )
            if others:
                which = "The other node goes" if others == 1 else f"The other {others:,} nodes go"
                text = f"{text} {which} on alone until `docker swarm leave` is run there."
            return text

        return await self._connection.run("say what it would lose", losses)

    async def leave(self) -> None:
        """Have this engine leave its swarm; `losses` says what that means."""

        def leave(found: FoundEngine) -> None:
            here = _membership(found)
            if not here.belongs:
                raise EngineError("The engine belongs to no swarm.", "There is nothing to leave.")
            if here.manages and here.managers > 1:
                # One that leaves as a manager counts on for the majority that they need.
                _update(found.client, here.node_id, Role="worker")
                _wait(lambda: not _membership(found).manages)
                here = _membership(found)
            found.client.leave_swarm(force=here.state is not SwarmState.WORKER)

        await finish(self._connection.run("leave the swarm", leave))

    async def _manage(self, doing: str, work: Callable[[FoundEngine, Membership], T]) -> T:
        def carry_out(found: FoundEngine) -> T:
            here = _membership(found)
            if not here.manages:
                raise EngineError(here.sentence, here.advice)
            return work(found, here)

        return await self._connection.run(doing, carry_out)


def _membership(found: FoundEngine) -> Membership:
    if found.info.podman:
        return Membership(SwarmState.UNSUPPORTED)
    return Membership.read(found.client.info())


def _nodes(found: FoundEngine, here: str) -> list[Node]:
    nodes = read_nodes(found.client.nodes(), _listed(found.client.tasks), here)
    return [_without_present_images(found.client, node) if node.here else node for node in nodes]


def _without_present_images(client: APIClient, node: Node) -> Node:
    """Ask the engine itself about the images that its node lacked."""
    lacks = [image for image in node.missing_images if first_present(client, [image]) is None]
    return replace(node, missing_images=tuple(lacks))


def _update(client: APIClient, node_id: str, **changes: str) -> None:
    row = client.inspect_node(node_id)
    spec: Any = {**row["Spec"], **changes}
    client.update_node(node_id, row["Version"]["Index"], spec)


def _listed(call: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Call what the package has no types for."""
    return call()


def _wait(condition: Callable[[], Any]) -> None:
    """Return once it holds; raises EngineError after DEMOTION_SECONDS."""
    deadline = time.monotonic() + DEMOTION_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise EngineError(
                "The other managers do not take over.", "Check that most of them are ready."
            )
        time.sleep(_POLL_SECONDS)


def _refuse_second(here: Membership) -> None:
    if here.state is SwarmState.UNSUPPORTED:
        raise EngineError(here.sentence, here.advice)
    if here.belongs:
        raise EngineError(
            "The engine belongs to a swarm already.", "Leave that one first; see what it loses."
        )


def _checked_address(text: str) -> str:
    """Return an IP address as the engine takes it; raises EngineError."""
    text = text.strip()
    if not _is_address(text) or ipaddress.ip_address(text).is_unspecified:
        raise EngineError(
            f"{text or 'An empty line'} is no address by which other machines reach this one.",
            "Give its IP address in the network that the nodes share, such as 192.168.1.20.",
        )
    return text


def _manager_address(text: str) -> str:
    """Return host and port of a manager; raises EngineError."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.path or parts.username:
        raise EngineError(
            f"{text or 'An empty line'} is no address of a manager.",
            f"Give it as HOST:{MANAGER_PORT}, as `servery fleet nodes add` prints it there.",
        )
    return _with_port(host, port or MANAGER_PORT)


def _with_port(host: str, port: int = MANAGER_PORT) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _own_addresses() -> list[str]:
    """Return the addresses of this machine, that of its way to other networks first."""
    found = [
        each.address
        for name, addresses in sorted(psutil.net_if_addrs().items())
        for each in addresses
        if each.family is socket.AF_INET and not ipaddress.ip_address(each.address).is_loopback
        if not name.startswith(("docker", "br-", "veth"))
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: UDP, to a network of documentation
            first = str(probe.getsockname()[0])
        except OSError:
            return found
    return [first, *(address for address in found if address != first)]
