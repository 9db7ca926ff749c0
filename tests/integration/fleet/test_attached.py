"""Servers that somebody else runs, attached to a fleet: real ones, started by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from serving.engines.protocol import InstanceState
from serving.errors import EngineError, FleetUnavailable
from serving.fleet.view import FleetView, InstanceView
from serving.tf.names import CLASSIFY_SIGNATURE
from tests.support.fleet_env import FleetEnv, TinyFleet
from tests.support.graphs import harmless_model, write_version
from tests.support.load_generator import LoadGenerator
from tests.support.model_server_by_hand import ModelServerByHand
from tests.support.tiny_model import TINY_MODEL, write_tiny
from tests.support.waiting import wait_for_view

READY, FAILED = InstanceState.READY, InstanceState.FAILED
Start = Callable[..., ModelServerByHand]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("elsewhere")
    servers: list[ModelServerByHand] = []

    def start(
        name: str = TINY_MODEL, version: int = 1, saved: Callable[[], Any] | None = None
    ) -> ModelServerByHand:
        path = folder / "models" / name / str(version)
        if saved is not None:
            write_version(path, saved())
        else:
            path.mkdir(parents=True)
            write_tiny(path, name)
        servers.append(ModelServerByHand(folder, name))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def without_scores() -> Any:
    """Return a model with the signature of ours, and other answers."""
    saved = harmless_model()
    signatures = saved.meta_graphs[0].signature_def
    signatures[CLASSIFY_SIGNATURE].CopyFrom(signatures["serving_default"])
    return saved


def only(view: FleetView) -> InstanceView:
    (found,) = view.attached
    return found


async def test_a_server_is_used_without_any_instance_and_never_stopped(
    tiny: TinyFleet, start: Start, sample_jpeg: bytes
) -> None:
    server = start()
    view = await tiny.fleet.attach(server.address)
    assert (only(view).state, only(view).versions) == (READY, {TINY_MODEL: 1})
    assert (view.instances, view.ready, view.can_answer) == ((), 0, 1)
    answer = await tiny.client.classify(sample_jpeg)
    assert (answer.instance_id, answer.version) == (server.address, 1)
    await tiny.fleet.scale(1)
    await tiny.fleet.rolling_restart()
    await tiny.fleet.scale(0)
    await tiny.fleet.stop_and_remember()
    assert (await tiny.client.classify(sample_jpeg)).instance_id == server.address
    tiny.client.balancer.timeout = 0.1
    assert (await tiny.fleet.detach(server.address)).attached == ()
    with pytest.raises(FleetUnavailable):
        await tiny.client.classify(sample_jpeg)
    assert server.runs
    with pytest.raises(EngineError, match="not attached"):
        await tiny.fleet.detach(server.address)


async def test_one_that_ends_costs_no_request_and_is_used_again_when_it_is_back(
    tiny: TinyFleet, start: Start, sample_jpeg: bytes
) -> None:
    await tiny.fleet.scale(1)
    server = start()
    await tiny.fleet.attach(server.address)
    async with LoadGenerator(tiny.client, sample_jpeg, 16) as load:
        await load.wait_for_answers(server.address)
        server.stop()
        view = await wait_for_view(tiny.fleet, lambda view: only(view).state is FAILED)
        assert only(view).instance.failure == f"Nothing answers at {server.address}."
        assert view.ready == len(view.instances) == view.desired_count == 1
    assert load.failures == []
    server.start(server.port)
    await wait_for_view(tiny.fleet, lambda view: only(view).state is READY)
    async with LoadGenerator(tiny.client, sample_jpeg, 16) as load:
        await load.wait_for_answers(server.address)
    assert load.failures == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"saved": harmless_model},
            f"It does not answer for {TINY_MODEL} as a model of Servery does: Serving signature",
        ),
        (
            {"saved": without_scores},
            f"It does not answer for {TINY_MODEL} as a model of Servery does: The model",
        ),
        (
            {"version": 7},
            f"It answers for {TINY_MODEL} with version 7, and version 1 is live here.",
        ),
        ({"name": "others"}, f"It does not serve a model called {TINY_MODEL}."),
    ],
)
async def test_one_that_would_answer_differently_gets_no_photos(
    tiny: TinyFleet, start: Start, sample_jpeg: bytes, options: dict[str, object], sentence: str
) -> None:
    server = start(**options)
    view = await tiny.fleet.attach(server.address)
    assert only(view).state is FAILED
    assert only(view).instance.failure.startswith(sentence)
    assert view.can_answer == 0
    tiny.client.balancer.timeout = 0.1
    with pytest.raises(FleetUnavailable):
        await tiny.client.classify(sample_jpeg)
    assert server.runs


async def test_it_leaves_when_another_version_goes_live_here(
    tiny: TinyFleet, start: Start, sample_jpeg: bytes
) -> None:
    server = start()
    await tiny.fleet.attach(server.address)
    tiny.repository.promote(TINY_MODEL, tiny.next_version().number)
    view = await wait_for_view(tiny.fleet, lambda view: only(view).state is FAILED)
    assert only(view).instance.failure.endswith("version 2 is live here.")
    tiny.repository.promote(TINY_MODEL, 1)
    await wait_for_view(tiny.fleet, lambda view: only(view).state is READY)


async def test_what_listens_there_and_is_no_such_server_gets_no_photos(tiny: TinyFleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        view = await tiny.fleet.attach(address)
        assert only(view).state is not READY
        await tiny.fleet.detach(address)


async def test_every_program_knows_what_is_attached(fleet_env: FleetEnv) -> None:
    await fleet_env.fleet.attach(" LOCALHOST:09 ")
    other = fleet_env.new_fleet()
    assert [each.instance.id for each in (await other.observe()).attached] == ["localhost:9"]
    await other.scale(0)
    await other.detach("localhost:9")
    assert (await fleet_env.fleet.observe()).attached == ()


@pytest.mark.parametrize(
    "text",
    [
        *("", "8500", "host:", "host:0", "host:65536", "http://host:1", "a b:1", "unix:/x:1"),
        *("dns:host:1", "a:1,b:1"),
    ],
)
async def test_what_is_no_address_is_refused(fleet_env: FleetEnv, text: str) -> None:
    with pytest.raises(EngineError, match="is not the address of a server"):
        await fleet_env.fleet.attach(text)


async def test_an_instance_of_the_fleet_is_not_attached_to_it(tiny: TinyFleet) -> None:
    await tiny.fleet.set_limits(replace(tiny.fleet.limits, tcp=True, sleep_after=0))
    view = await tiny.fleet.scale(1)
    address = view.instances[0].instance.grpc_tcp_address
    assert address is not None
    with pytest.raises(EngineError, match="of this fleet"):
        await tiny.fleet.attach(address)
