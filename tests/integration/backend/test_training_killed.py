"""The backend is killed with `kill -9` during a training run: nothing is lost or left over."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from backend.client import BackendClient
from backend.contract import Decision, Rule, RunState, TrainingRun, TrainingSettings
from backend.run_file import BackendRunFile
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.predict.prediction import Prediction
from serving.workspace import Workspace
from tests.integration.backend.conftest import ROOT, arguments
from tests.support.sample_images import drawing
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.training_killed import (
    ADDING_POINTS,
    PROMOTING_POINTS,
    RECORDING_POINTS,
    WORKER_POINTS,
)
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]

LABELS = 12
PROBE = drawing("stripes", 100)
BEFORE_LIVE = (*WORKER_POINTS, *ADDING_POINTS, "what was live before is written")
AFTER_LIVE = (
    *(point for point in PROMOTING_POINTS if point not in BEFORE_LIVE),
    *RECORDING_POINTS,
)

pytestmark = pytest.mark.slow


def every_second(points: Sequence[str]) -> list[Any]:
    """Return all points, of which those between two others are long: each takes ten seconds."""
    return [
        pytest.param(point, marks=pytest.mark.long) if at % 2 else point
        for at, point in enumerate(points)
    ]


class Served:
    """One instance of a workspace, which runs on whatever becomes of the backend."""

    def __init__(self, workspace: Workspace) -> None:
        self.repository = ModelRepository(workspace.models)
        self.requests = PredictClient(self.repository.served)
        self.fleet = Fleet(ProcessEngine(workspace), self.repository, workspace, self.requests)

    async def answer(self) -> Prediction:
        return await self.requests.classify(PROBE)

    async def answered_by(self, version: int) -> Prediction | None:
        answer = await self.answer()
        return answer if answer.version == version else None


@pytest.fixture
async def served(workspace: Workspace) -> AsyncIterator[Served]:
    install_tiny(ModelRepository(workspace.models))
    served = Served(workspace)
    try:
        await served.fleet.scale(1)
        yield served
    finally:
        await served.fleet.scale(0)
        await served.requests.close()


async def kill_at(point: str, workspace: Workspace) -> str:
    """Teach a new class to a backend that is killed at `point`; returns the run's id."""
    program = [sys.executable, "-m", "tests.support.training_killed", point]
    backend = await asyncio.create_subprocess_exec(
        *program, *arguments(workspace), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await wait_until(lambda: BackendRunFile.read(workspace) or backend.returncode is not None)
        client = await BackendClient.find(workspace)
        assert client is not None
        async with client:
            await client.change_training_settings(TINY_MODEL, TrainingSettings(automatic=False))
            for seed in range(LABELS):
                await client.label(drawing("stripes", seed), "stripes")
            run = await client.train()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await backend.wait() == -signal.SIGKILL
    finally:
        if backend.returncode is None:
            backend.kill()
            await backend.wait()
    return run.id


async def ended(client: BackendClient, run_id: str) -> TrainingRun:
    async def is_over() -> TrainingRun | None:
        run = await client.training_run(run_id)
        return run if run.state.finished else None

    run = await wait_until(is_over)
    assert run is not None
    return run


def folders(served: Served) -> set[str]:
    return {path.name for path in (served.repository.root / TINY_MODEL).iterdir() if path.is_dir()}


@pytest.mark.parametrize("point", every_second(BEFORE_LIVE))
async def test_killed_before_the_version_is_live(
    workspace: Workspace, served: Served, start: Start, point: str
) -> None:
    run_id = await kill_at(point, workspace)
    assert (await served.answer()).version == 1
    with start(workspace):
        # The run file of the killed one is there until then.
        client = await wait_until(lambda: BackendClient.find(workspace))
        assert client is not None
        async with client:
            run = await ended(client, run_id)
            assert (run.state, run.version, run.decision) == (
                RunState.FAILED,
                None,
                Decision.UNDECIDED,
            )
            assert run.step == "Servery ended before the training run did. Train again."
            assert (await client.health()).interrupted_runs == 1
            summary = await client.labels(TINY_MODEL)
            assert (summary.total, summary.since_last_run) == (LABELS, LABELS)
            assert folders(served) == {"1"}
            assert (await served.answer()).version == 1
            run = await ended(client, (await client.train()).id)
            assert (run.state, run.decision, run.version) == (
                RunState.SUCCEEDED,
                Decision.PROMOTED,
                2,
            )
            answer = await wait_until(lambda: served.answered_by(2))
            assert answer is not None
            assert answer.scores[0].name == "stripes"
            assert folders(served) == {"1", "2"}
            assert served.repository.version(TINY_MODEL, 2).changed_files() == []


@pytest.mark.parametrize("point", every_second(AFTER_LIVE))
async def test_killed_after_the_version_is_live(
    workspace: Workspace, served: Served, start: Start, point: str
) -> None:
    """What was decided stands: it is live everywhere, and its run and the decision say so."""
    run_id = await kill_at(point, workspace)
    assert (await served.answer()).version in (1, 2)
    with start(workspace):
        # The run file of the killed one is there until then.
        client = await wait_until(lambda: BackendClient.find(workspace))
        assert client is not None
        async with client:
            run = await ended(client, run_id)
            assert (run.state, run.version, run.step) == (
                RunState.SUCCEEDED,
                2,
                "Version 2 is live.",
            )
            assert (run.decision, run.rule, run.decided_by) == (
                Decision.PROMOTED,
                Rule.PASSED,
                "gate",
            )
            assert run.accuracy is not None
            assert (await client.health()).interrupted_runs == 0
            decisions = await client.audit(TINY_MODEL)
            assert [each.version for each in decisions if each.version == 2] == [2]
            summary = await client.labels(TINY_MODEL)
            assert (summary.total, summary.since_last_run) == (LABELS, 0)
            assert await wait_until(lambda: served.answered_by(2))
            await client.label(drawing("stripes", LABELS), "stripes")
            run = await ended(client, (await client.train()).id)
            assert (run.state, run.version) == (RunState.SUCCEEDED, 3)
            assert await wait_until(lambda: served.answered_by(3))
