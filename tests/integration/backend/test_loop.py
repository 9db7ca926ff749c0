"""The whole loop without a window: labels become a version that the fleet answers with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import Classification, RunState
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
