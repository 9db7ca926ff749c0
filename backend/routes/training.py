"""/training: learning from the labels."""

from __future__ import annotations

from fastapi import APIRouter

from backend.contract import TrainingRun
from backend.models.names import ModelNames
from backend.training.trainer import Trainer


def routes(trainer: Trainer, names: ModelNames) -> APIRouter:
    router = APIRouter()

    @router.post("/training", status_code=202)
    async def start(model: str | None = None) -> TrainingRun:
        """Queue a training run; returns the model's that is queued already, if there is one."""
        return await trainer.queue(await names.find(model))

    @router.get("/training")
    async def runs(model: str | None = None) -> list[TrainingRun]:
        """Return every run, or every run of one model, newest first."""
        return await trainer.runs(await names.find(model) if model else None)

    @router.get("/training/{run_id}")
    async def run(run_id: str) -> TrainingRun:
        return await trainer.run(run_id)

    @router.delete("/training/{run_id}")
    async def cancel(run_id: str) -> TrainingRun:
        """Stop a run that is queued or running; returns it once it has stopped."""
        return await trainer.cancel(run_id)

    return router
