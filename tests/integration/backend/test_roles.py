"""Two APIs, one trainer and one PostgreSQL, each a program, with an instance that classifies."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator

import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    Event,
    LabelSummary,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.integration.backend.conftest import ROOT, command
from tests.support.backend_program import BackendProgram, running
from tests.support.postgresql import PostgreSqlServer
from tests.support.sample_images import drawing
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.slow

LABELS = 12


@pytest.fixture
async def instance(workspace: Workspace) -> AsyncIterator[None]:
    """One instance that serves the workspace's model, whatever becomes of the backends."""
    repository = ModelRepository(workspace.models)
    install_tiny(repository)
    requests = PredictClient(repository.served)
    fleet = Fleet(ProcessEngine(workspace), repository, workspace, requests)
    try:
        await fleet.scale(1)
        yield
    finally:
        await fleet.scale(0)
        await requests.close()


async def learned(client: BackendClient, labels: int) -> TrainingRun:
    """Wait for a run that learned from so many photos, and return it."""

    async def find() -> TrainingRun | None:
        return next(
            (
                run
                for run in await client.training_runs(TINY_MODEL)
                if run.state.finished and run.labels == labels
            ),
            None,
        )

    run = await wait_until(find, 2 * TIMEOUT_SECONDS)
    assert run is not None
    return run


async def test_apis_go_on_without_the_trainer_which_learns_what_they_kept(
    workspace: Workspace, instance: None, postgresql: PostgreSqlServer
) -> None:
    database = ("--database", postgresql.new_database())
    trainer = BackendProgram(workspace, *database, "--role", "trainer")
    with contextlib.ExitStack() as programs:
        programs.enter_context(running(trainer))
        api_options = (*database, "--role", "api", "--trainer", trainer.url)
        apis = [
            programs.enter_context(running(BackendProgram(workspace, *api_options))) for _ in "ab"
        ]
        one, other = (BackendClient(api.url) for api in apis)
        async with one, other:
            # As soon as half of what is labelled here is there: the trainer hears of it.
            settings = TrainingSettings(after_labels=LABELS, quiet_seconds=3600)
            await one.change_training_settings(TINY_MODEL, settings)
            heard: list[Event] = []

            async def listen() -> None:
                async for event in other.events():
                    heard.append(event)

            async with in_background(listen()):
                await wait_until(lambda: len(heard) >= 3)  # it is connected
                heard.clear()
                for seed in range(LABELS):
                    client = (one, other)[seed % 2]
                    await client.label(drawing("stripes", seed), "stripes")
                run = await learned(other, LABELS)
                assert (run.state, run.started_by) == (RunState.SUCCEEDED, StartedBy.COUNT)
                assert run.version == 2, run.step
                await wait_until(lambda: Event("models", TINY_MODEL) in heard)
                assert Event("training", run.id) in heard
            for client in (one, other):
                assert [each.number for each in await client.versions(TINY_MODEL)] == [2, 1]

            trainer.kill()
            for seed in range(LABELS, 2 * LABELS):
                client = (one, other)[seed % 2]
                await client.label(drawing("stripes", seed), "stripes")
                assert (await client.classify(drawing("stripes", 100))).model == TINY_MODEL
            with pytest.raises(BackendRefused, match="The trainer") as raised:
                await one.train()
            assert raised.value.status == 503
            assert [each.id for each in await one.training_runs(TINY_MODEL)] == [run.id]
            summary = await other.labels(TINY_MODEL)
            assert (summary.total, summary.since_last_run) == (2 * LABELS, LABELS)

            trainer.start()
            again = await learned(one, 2 * LABELS)
            assert again.state is RunState.SUCCEEDED

            async def nothing_is_new() -> bool:
                summary: LabelSummary = await other.labels(TINY_MODEL)
                return summary.since_last_run == 0

            await wait_until(nothing_is_new)


def test_what_has_no_place_beside_others_ends_with_a_sentence(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    install_tiny(ModelRepository(workspace.models))
    database = ("--database", postgresql.new_database())
    with running(BackendProgram(workspace, *database, "--role", "trainer")):
        for options, said in (
            ((*database, "--role", "trainer"), "is running already"),
            (("--role", "api"), "SERVERY_DATABASE"),
            ((*database, "--role", "boss"), "cannot have the role boss"),
            ((*database, "--role", "api", "--trainer", "trainer"), "is no address"),
            (("--database", "mysql://h/n"), "none of PostgreSQL"),
        ):
            ended = subprocess.run(
                command(workspace, *options), cwd=ROOT, capture_output=True, text=True
            )
            assert ended.returncode in (1, 2, 3)
            assert said in ended.stderr, ended.stderr
            assert "Traceback" not in ended.stderr
