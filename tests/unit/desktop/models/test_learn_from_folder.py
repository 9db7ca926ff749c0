"""A model, new or not, learns from a folder or a zip file, and says why if it cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from backend.client import BackendClient
from backend.contract import ModelSummary, NewModel, RunState, TrainingRun
from desktop.models.learn_from_folder import learn_from_folder
from desktop.training_runs import TrainingRunFailed
from serving.progress import no_report

RUN = TrainingRun("r", "birds", RunState.QUEUED, "2026", imported_from="/birds")


class Backend:
    """Takes one import, which ends as it is told."""

    def __init__(self, end: RunState = RunState.SUCCEEDED) -> None:
        self.calls: list[str] = []
        self.end = end
        self.asked = asyncio.Event()
        """Set once it was asked how far the run is."""

    async def create_model(self, new: NewModel) -> ModelSummary:
        self.calls.append(f"create {new.name}")
        return ModelSummary(new.name, 1)

    async def import_folder(self, model: str, folder: Path) -> TrainingRun:
        self.calls.append(f"folder into {model}")
        return RUN

    async def import_zip(self, model: str, archive: Path) -> TrainingRun:
        self.calls.append(f"zip into {model}")
        return RUN

    async def training_run(self, run_id: str) -> TrainingRun:
        self.asked.set()
        return replace(RUN, state=self.end, step="There is one class.")

    async def cancel_training(self, run_id: str) -> TrainingRun:
        self.calls.append("cancel")
        return RUN


async def learn(backend: Backend, model: str | NewModel, folder: str = "/birds") -> TrainingRun:
    return await learn_from_folder(cast(BackendClient, backend), model, Path(folder), no_report)


async def test_a_new_model_is_made_first() -> None:
    backend = Backend()
    run = await learn(backend, NewModel("birds", "big"))
    assert run.state is RunState.SUCCEEDED
    assert backend.calls == ["create birds", "folder into birds"]


async def test_a_zip_file_is_sent() -> None:
    backend = Backend()
    await learn(backend, "birds", "/birds.ZIP")
    assert backend.calls == ["zip into birds"]


async def test_a_run_that_failed_says_why() -> None:
    with pytest.raises(TrainingRunFailed, match="There is one class"):
        await learn(Backend(RunState.FAILED), "birds")


async def test_cancelling_cancels_the_run() -> None:
    backend = Backend(RunState.RUNNING)
    task = asyncio.ensure_future(learn(backend, "birds"))
    await backend.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.calls[-1] == "cancel"
