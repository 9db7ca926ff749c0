"""While a live version cannot be served, the last good one answers in its place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.fleet.view import FleetView
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.tf.names import SAVED_MODEL_FILE
from serving.workspace import Workspace
from tests.support.fleet_env import MODEL, FleetEnv, TinyFleet
from tests.support.load_generator import LoadGenerator
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL, install_tiny, write_tiny
from tests.support.waiting import wait_until

JPEG = b"x"


def falls_back(view: FleetView) -> bool:
    return MODEL in view.faults and all(each.version == 1 for each in view.instances)


async def test_a_damaged_live_version_costs_no_request_and_no_instance(tiny: TinyFleet) -> None:
    await tiny.fleet.scale(1)
    bad = tiny.next_version().number
    (tiny.repository.version(TINY_MODEL, bad).path / SAVED_MODEL_FILE).write_bytes(b"garbage")
    async with LoadGenerator(tiny.client, painting("red", 1), 4) as load:
        # As by a program that tries nothing before.
        tiny.repository.promote(TINY_MODEL, bad)
        await tiny.wait_for_fault(1)
        # One that starts meanwhile has no older version loaded.
        view = await tiny.fleet.scale(2)
        assert [each.version for each in view.instances] == [1, 1]
        assert "TensorFlow says" in view.fault_sentence(TINY_MODEL)
        assert "Version 1 answers." in view.fault_sentence(TINY_MODEL)
        # Which version is live is a matter of people alone.
        assert tiny.repository.live(TINY_MODEL).number == bad
        tiny.repository.promote(TINY_MODEL, 1)
        await tiny.wait_for_fault(None)
        good = tiny.next_version().number
        tiny.repository.promote(TINY_MODEL, good)
        await tiny.wait_for_loaded({TINY_MODEL: good})
    assert load.failures == []
    assert tiny.repository.fault(TINY_MODEL, bad) is not None


async def test_a_version_whose_files_are_mended_is_served_by_itself(tiny: TinyFleet) -> None:
    await tiny.fleet.scale(1)
    bad = tiny.next_version()
    graph = bad.path / SAVED_MODEL_FILE
    good_bytes = graph.read_bytes()
    graph.write_bytes(b"garbage")
    tiny.repository.promote(TINY_MODEL, bad.number)
    await tiny.wait_for_fault(1)
    graph.write_bytes(good_bytes)
    await tiny.wait_for_loaded({TINY_MODEL: bad.number})
    await tiny.wait_for_fault(None)


async def test_a_version_that_ends_every_server_is_replaced_by_the_last_good_one(
    fleet_env: FleetEnv,
) -> None:
    async with fleet_env.running():
        await fleet_env.fleet.scale(2)
        fleet_env.configure(deadly=[f"{MODEL}/3"], unusable=[f"{MODEL}/3"])
        fleet_env.repository.promote(MODEL, 3)
        await fleet_env.wait_for_view(lambda view: falls_back(view) and view.ready == 2)
        assert (await fleet_env.client.classify(JPEG)).version == 1


async def test_what_instances_cannot_load_although_it_loads_here_falls_back_too(
    fleet_env: FleetEnv,
) -> None:
    async with fleet_env.running():
        await fleet_env.fleet.scale(2)
        fleet_env.configure(broken=[2])
        fleet_env.repository.promote(MODEL, 2)
        view = await fleet_env.wait_for_view(falls_back)
        assert view.fault_sentence(MODEL).startswith(f"Version 2 of {MODEL} cannot be served. ")
        # A version that was live before goes before an older one that never was.
        fleet_env.configure(broken=[2, 3])
        fleet_env.repository.promote(MODEL, 3)
        await wait_until(lambda: fleet_env.repository.fallback(MODEL) == 1)


async def test_a_fallback_that_is_bad_too_is_passed_over(fleet_env: FleetEnv) -> None:
    fleet_env.repository.promote(MODEL, 2)
    fleet_env.repository.promote(MODEL, 3)
    bad = [f"{MODEL}/3", f"{MODEL}/2"]
    fleet_env.configure(broken=bad, unusable=bad)
    async with fleet_env.running():
        # It has no fault until an instance has tried to load it.
        await fleet_env.fleet.scale(1)
        assert falls_back(fleet_env.fleet.view)


async def test_without_any_good_version_the_reason_is_shown(fleet_env: FleetEnv) -> None:
    bad = [f"{MODEL}/{number}" for number in (1, 2, 3)]
    fleet_env.configure(broken=bad, unusable=bad)
    async with fleet_env.running(), in_background(fleet_env.fleet.scale(1)):
        view = await fleet_env.wait_for_view(lambda view: MODEL in view.faults)
        assert view.fault_sentence(MODEL).endswith("No version answers.")
        # Mended: it comes back without anybody's doing.
        fleet_env.configure()
        (fleet_env.workspace.models / MODEL / "1" / SAVED_MODEL_FILE).write_bytes(b"mended")
        await fleet_env.wait_for_view(lambda view: view.ready == 1 and not view.faults)


@pytest.mark.parametrize("name", [SAVED_MODEL_FILE, "variables/variables.index"])
async def test_a_live_version_that_is_loaded_for_ever_costs_nothing(
    tiny: TinyFleet, name: str
) -> None:
    """The first one is not even listed as a version."""
    await tiny.fleet.scale(1)
    bad = tiny.next_version()
    tiny.repository.promote(TINY_MODEL, bad.number)
    await tiny.wait_for_loaded({TINY_MODEL: bad.number})
    path = bad.path / name
    await asyncio.to_thread(_make_pipe, path)
    # It answers as long as the instance lives that has loaded it.
    assert (await tiny.client.classify(painting("red", 1))).version == bad.number
    await tiny.fleet.restart(tiny.fleet.view.instances[0].instance.id)
    await tiny.wait_for_fault(1)
    assert f"{path.name} is not a file" in tiny.fleet.view.fault_sentence(TINY_MODEL)
    assert (await tiny.client.classify(painting("red", 1))).version == 1


def _make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)


async def test_a_version_that_was_live_before_is_tried_only_if_it_changed(
    workspace: Workspace,
) -> None:
    repository = ModelRepository(workspace.models)
    former, live = install_tiny(repository), install_tiny(repository)
    with staged_version(repository, TINY_MODEL) as staged:
        write_tiny(staged)
        new = commit_version(repository, TINY_MODEL, staged)
    tried: list[int] = []

    async def trial(version: Version, memory_limit: int) -> None:
        tried.append(version.number)

    client = PredictClient(repository.served)
    fleet = Fleet(ProcessEngine(workspace), repository, workspace, client, trial=trial)
    await fleet.try_version(former)
    assert tried == []
    await fleet.try_version(new)
    assert tried == [new.number]
    repository.promote(TINY_MODEL, new.number)
    repository.record_fault(TINY_MODEL, live.number, VersionFault("It is bad.", "Use another."))
    await fleet.try_version(live)
    (former.path / SAVED_MODEL_FILE).write_bytes(b"changed")
    await fleet.try_version(former)
    assert tried == [new.number, live.number, former.number]
    await client.close()
