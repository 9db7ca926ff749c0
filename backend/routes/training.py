"""/training: learning from the labels."""

from __future__ import annotations

from fastapi import APIRouter

from backend.contract import TrainingRun
from backend.training.trainer import Trainer


def routes(trainer: Trainer) -> APIRouter:
    router = APIRouter()

    @router.post("/training", status_code=202)
    async def start() -> TrainingRun:
        """Queue a training run; returns the one that is queued already, if there is one."""
        return await trainer.queue()

    @router.get("/training")
    async def runs() -> list[TrainingRun]:
        """Return every run, newest first."""
        return await trainer.runs()

    @router.get("/training/{run_id}")
    async def run(run_id: str) -> TrainingRun:
        return await trainer.run(run_id)

    @router.delete("/training/{run_id}")
    async def cancel(run_id: str) -> TrainingRun:
        """Stop a run that is queued or running; returns it once it has stopped."""
        return await trainer.cancel(run_id)

    return router
