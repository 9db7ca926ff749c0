"""/training: learning from the labels."""

from __future__ import annotations

from fastapi import APIRouter

from backend.contract import Event, FineTuningOffer, TrainingRun, TrainingSettings
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.names import ModelNames
from backend.store.store import Store
from backend.training.trainer import Trainer


def routes(trainer: Trainer, names: ModelNames, store: Store, broker: EventBroker) -> APIRouter:
    router = APIRouter()

    @router.post("/training", status_code=202)
    async def start(model: str | None = None, fine_tune: bool = False) -> TrainingRun:
        """Queue a training run; returns the model's that is queued already, if there is one.

        With `fine_tune`, one that trains the last blocks of the network too.
        """
        name = await names.find(model)
        return await (trainer.fine_tune(name) if fine_tune else trainer.queue(name))

    @router.get("/models/{model}/fine-tuning")
    async def fine_tuning(model: str) -> FineTuningOffer:
        """Say whether the network of a model can be fine-tuned now, and how long it takes."""
        return await trainer.fine_tuning_offer(await names.find(model))

    @router.get("/training")
    async def runs(model: str | None = None) -> list[TrainingRun]:
        """Return every run, or every run of one model, newest first."""
        return await trainer.runs(await names.find(model) if model else None)

    @router.get("/training/{run_id}")
    async def run(run_id: str) -> TrainingRun:
        """Return a run, with its progress."""
        return await trainer.run(run_id)

    @router.delete("/training/{run_id}")
    async def cancel(run_id: str) -> TrainingRun:
        """Stop a run that is queued or running; returns it once it has stopped."""
        return await trainer.cancel(run_id)

    @router.get("/models/{model}/training-settings")
    async def settings(model: str) -> TrainingSettings:
        """Return when a model is trained by itself."""
        return await store.runs.settings(await names.find(model))

    @router.put("/models/{model}/training-settings")
    async def change_settings(model: str, changed: TrainingSettings) -> TrainingSettings:
        """Say when a model is trained by itself, and whether what passes goes live by itself."""
        name = await names.find(model)
        if error := changed.fault:
            raise HttpError(400, error, "Send a number within those limits.")
        await store.runs.change_settings(name, changed)
        broker.publish(Event("training"))
        return changed

    return router
