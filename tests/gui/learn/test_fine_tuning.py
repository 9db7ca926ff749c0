"""Fine-tuning as the Learn page offers it, against a real backend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import FineTuningOffer, RunState
from desktop.jobs import JobState
from desktop.learn.fine_tuning_panel import FineTuningPanel
from serving.models.repository import ModelRepository
from tests.gui.learn.test_learn_presenter import (
    LearnEnv,
    RunWithBackend,
    run_with_backend,
)
from tests.support.backend_env import FINE_TUNING_SCRIPT, MODEL, write_worker
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

__all__ = ["run_with_backend"]

TITLE = "Fine-tune the network"
RELEASED = "released"
PROGRAM = (
    "from backend.contract import NetworkComparison\n"
    "send(TrainingProgress(0.25, 'Fine-tuning on all photos. About 9 min left.'))\n"
    "while not Path(sys.argv[0]).with_name('released').exists(): time.sleep(0.01)\n"
    "send(FineTuned(NetworkComparison(100, 0.8, 0.81, 0.4), False, 0))\n"
)


@pytest.fixture
def own_model(repository: ModelRepository) -> ModelRepository:
    """The live model, as one of its owner's classes alone."""
    repository.change_settings(
        MODEL, lambda settings: replace(settings, backbone="other", keeps_backbone_classes=False)
    )
    return repository


async def open_panel(env: LearnEnv, labels: int) -> FineTuningPanel:
    for number in range(labels):
        jpeg = image_bytes(size=(64, 48 + number))
        await env.client.label(jpeg, ("cat", "dog")[number % 2], model=MODEL)
    await wait_until(lambda: env.page.models.text() == MODEL)
    env.page.when.click()
    panel = env.page.fine_tuning
    assert panel.isVisible()
    await wait_until(lambda: bool(panel.sentence.text()))
    return panel


def test_it_says_why_it_is_not_offered(
    run_with_backend: RunWithBackend, own_model: ModelRepository
) -> None:
    async def scenario(env: LearnEnv) -> None:
        panel = await open_panel(env, 2)
        assert "needs 100 labels" in panel.sentence.text()
        assert not panel.button.isEnabled()

    run_with_backend(scenario)


def test_it_goes_on_beside_everything_else_and_says_what_came_of_it(
    run_with_backend: RunWithBackend, own_model: ModelRepository, worker_script: Path
) -> None:
    write_worker(worker_script.with_name(FINE_TUNING_SCRIPT), PROGRAM)

    async def scenario(env: LearnEnv) -> None:
        panel = await open_panel(env, 100)
        await wait_until(panel.button.isEnabled)
        assert "on 100 photos, in the background, in about" in panel.sentence.text()
        panel.button.click()
        await wait_until(lambda: env.page.strip.share.text() == "25%")
        assert env.page.strip.step.text() == "Fine-tuning on all photos. About 9 min left."
        await wait_until(lambda: not panel.button.isEnabled())
        assert "Labels are learned meanwhile" in panel.sentence.text()
        assert env.page.learn.isEnabled()
        worker_script.with_name(RELEASED).touch()
        await wait_until(lambda: bool(env.notices))
        assert env.notices[0].what.startswith("Fine-tuning brought nothing")
        await wait_until(panel.button.isEnabled)

    run_with_backend(scenario)


def test_it_can_be_cancelled(
    run_with_backend: RunWithBackend, own_model: ModelRepository, worker_script: Path
) -> None:
    write_worker(worker_script.with_name(FINE_TUNING_SCRIPT), PROGRAM)

    async def scenario(env: LearnEnv) -> None:
        panel = await open_panel(env, 100)
        await wait_until(panel.button.isEnabled)
        panel.button.click()
        await wait_until(lambda: env.page.strip.share.text() == "25%")
        env.page.strip.cancel.click()
        await wait_until(lambda: any(job.title == TITLE for job in env.finished))
        (job,) = (job for job in env.finished if job.title == TITLE)
        assert job.state is JobState.CANCELLED
        (run,) = await env.client.training_runs()
        assert run.state is RunState.CANCELLED

    run_with_backend(scenario)


def test_the_offer_is_a_sentence(run: object) -> None:
    panel = FineTuningPanel()
    panel.show_offer(FineTuningOffer("", "", 618, 400.0))
    assert panel.button.isEnabled()
    assert "on 618 photos, in the background, in about 7 min" in panel.sentence.text()
    panel.show_offer(FineTuningOffer("Fine-tuning needs more.", "Label.", 3, None))
    assert not panel.button.isEnabled()
    assert panel.sentence.text() == "Fine-tuning needs more. Label."
