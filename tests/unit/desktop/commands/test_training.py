"""Training on the terminal: a run that ends, one that fails, and Ctrl+C."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.contract import RunState
from desktop.commands.training import run_to_its_end
from serving.errors import ServeryError
from tests.support.backend_env import Service, write_worker
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

MADE = """
staged = Path(spec.staging_folder)
shutil.copytree(spec.base_folder, staged, dirs_exist_ok=True)
send(TrainingResult(Evaluation(50, 0.85, 0.8, 50, 0.85, 0.8), 1, 0))
"""


async def test_a_run_that_succeeds_is_returned(service: Service, worker_script: Path) -> None:
    write_worker(worker_script, MADE)
    await service.client.label(image_bytes(), "zebra")
    run = await run_to_its_end(service.client, await service.client.train(), "")
    assert (run.state, run.version) == (RunState.SUCCEEDED, 2)


async def test_a_run_that_fails_says_why(service: Service, worker_script: Path) -> None:
    write_worker(worker_script, "send(TrainingFailure('There are too few photos.', ''))")
    await service.client.label(image_bytes(), "zebra")
    with pytest.raises(ServeryError, match=r"There are too few photos\."):
        await run_to_its_end(service.client, await service.client.train(), "")


async def test_being_stopped_cancels_the_run_and_says_what_stays(
    service: Service, worker_script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_worker(worker_script, "send(TrainingProgress(0.1, 'Busy.'))\ntime.sleep(60)\n")
    await service.client.label(image_bytes("red"), "zebra")
    await service.client.label(image_bytes("blue"), "zebra")
    run = await service.client.train()
    following = asyncio.create_task(run_to_its_end(service.client, run, "To go on: retry."))

    async def busy() -> bool:
        return (await service.client.training_run(run.id)).step == "Busy."

    await wait_until(busy)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert (await service.client.training_run(run.id)).state is RunState.CANCELLED
    assert capsys.readouterr().err == (
        f"Training run {run.id} was cancelled. "
        f"2 labels of {run.model} stay, and so does its version. To go on: retry.\n"
    )
