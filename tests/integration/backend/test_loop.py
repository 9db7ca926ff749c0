"""The whole loop without a window: labels become a version that the fleet answers with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    MIN_QUIET_SECONDS,
    Classification,
    Decision,
    Rule,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.sample_images import drawing
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

SECONDS_TO_LIVE = 30.0
"""Generous: the machine may be busy with other tests. Alone it takes about three."""


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


@pytest.fixture
async def fleet(workspace: Workspace, client: BackendClient) -> AsyncIterator[Fleet]:
    """One instance that serves the tiny model, in the backend's workspace."""
    repository = ModelRepository(workspace.models)
    requests = PredictClient(repository.served)
    fleet = Fleet(ProcessEngine(workspace), repository, workspace, requests)
    try:
        await fleet.scale(1)
        yield fleet
    finally:
        await fleet.scale(0)
        await requests.close()


async def classified(client: BackendClient, image: bytes) -> Classification:
    """Classify, waiting for the backend to notice the instance."""

    async def answer() -> Classification | None:
        try:
            return await client.classify(image)
        except BackendRefused as refused:
            if refused.status != 503:
                raise
            return None

    found = await wait_until(answer)
    assert found is not None
    return found


async def answered_by(client: BackendClient, image: bytes, version: int) -> Classification | None:
    """Return the answer if this version gave it."""
    answer = await client.classify(image)
    return answer if answer.version == version else None


@pytest.mark.slow
async def test_a_dozen_labels_go_live_and_no_request_fails(
    client: BackendClient, fleet: Fleet
) -> None:
    probe = drawing("stripes", 100)
    before = await classified(client, probe)
    assert before.version == 1
    assert (await client.health()).status == "ok"
    for seed in range(12):
        await client.label(drawing("stripes", seed), "stripes")
    run = await client.train()
    answer = await wait_until(lambda: answered_by(client, probe, 2), SECONDS_TO_LIVE)
    assert answer is not None
    assert answer.scores[0].name == "stripes"

    async def finished() -> bool:
        await client.classify(probe)
        return (await client.training_run(run.id)).finished is not None

    await wait_until(finished, SECONDS_TO_LIVE)
    assert (await client.training_run(run.id)).state is RunState.SUCCEEDED
    assert (await client.labels()).since_last_run == 0

    await client.promote(TINY_MODEL, 1)
    await wait_until(lambda: answered_by(client, probe, 1), SECONDS_TO_LIVE)


async def trained(client: BackendClient) -> TrainingRun:
    run = await client.train()

    async def finished() -> bool:
        return (await client.training_run(run.id)).finished is not None

    await wait_until(finished, SECONDS_TO_LIVE)
    return await client.training_run(run.id)


@pytest.mark.slow
async def test_labels_given_at_random_are_held_back_and_a_person_may_know_better(
    client: BackendClient, fleet: Fleet
) -> None:
    await client.change_training_settings(TINY_MODEL, TrainingSettings(automatic=False))
    await classified(client, drawing("stripes", 100))
    # Every photo shows the same, so that neither class can be told from the other.
    for seed in range(20):
        name = "spam" if seed % 2 else "eggs"
        await client.label(drawing("stripes", seed), name)
    run = await trained(client)
    assert (run.state, run.decision) == (RunState.SUCCEEDED, Decision.HELD_BACK), run
    assert (run.rule, run.decided_by) == (Rule.NEW_NOT_LEARNED, "gate")
    (pair,) = [each for each in run.confused if {each.first, each.second} == {"spam", "eggs"}]
    assert pair.images
    assert "“eggs” and “spam”" in run.not_promoted_because
    assert (await client.health()).live_version == 1

    await client.promote(TINY_MODEL, 2, by="Anna")
    run = await client.training_run(run.id)
    assert (run.decision, run.rule, run.decided_by) == (Decision.PROMOTED, Rule.PERSON, "Anna")
    assert (await client.health()).live_version == 2


@pytest.mark.slow
async def test_two_classes_that_differ_pass_the_gate_after_a_quiet_time(
    client: BackendClient, fleet: Fleet
) -> None:
    settings = TrainingSettings(quiet_seconds=MIN_QUIET_SECONDS)
    await client.change_training_settings(TINY_MODEL, settings)
    await classified(client, drawing("stripes", 100))
    for seed in range(8):
        for kind in ("stripes", "smiley"):
            await client.label(drawing(kind, seed), kind)

    async def run_of_its_own() -> TrainingRun | None:
        runs = await client.training_runs(TINY_MODEL)
        return next((run for run in runs if run.finished), None)

    run = await wait_until(run_of_its_own, SECONDS_TO_LIVE)
    assert run is not None
    assert (run.decision, run.rule) == (Decision.PROMOTED, Rule.PASSED), run
    assert run.started_by is StartedBy.QUIET
    assert (await client.health()).live_version == 2
