"""Models as a whole: made, renamed, duplicated, deleted and restored."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from backend.contract import DeletedModel, Event, NewModel
from backend.events import EventBroker
from backend.models.names import ModelNames, UnknownModel
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.errors import BackendError, ModelError
from serving.models.builtin.catalog import built_in_models
from serving.models.canary import CanaryPhase
from serving.models.model_folders import (
    delete_model,
    deleted_models,
    duplicate_model,
    purge_deleted,
    restore_model,
)
from serving.models.model_names import checked_model_name, same_name
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.version import Version

MAX_DELETED = 20
MAX_DELETED_BYTES = 10 * 2**30
"""Deleted models that can be restored; the oldest beyond either are gone for good."""

_log = logging.getLogger(__name__)


class ModelConflict(BackendError):
    """The model cannot be changed so, as things are."""


class ModelSwitch(Protocol):
    """Changes which models the instances load, without a failed request."""

    async def try_version(self, version: Version) -> None:
        """Raise UnusableVersion, with the reason, if no instance could serve a version."""
        ...

    async def use(self, model: str) -> None:
        """Make a model the current one, once every instance has loaded it."""
        ...

    async def serve(self, model: str) -> None:
        """Keep a model loaded beside the current one; returns once it is."""
        ...

    async def unserve(self, model: str) -> None:
        """Let the instances unload a model that is not the current one."""
        ...


class ModelLifecycle:
    """Changes models in the repository and what the store knows of them together."""

    def __init__(
        self,
        *,
        repository: ModelRepository,
        store: Store,
        trainer: Trainer,
        names: ModelNames,
        switch: ModelSwitch,
        broker: EventBroker,
    ) -> None:
        self._repository = repository
        self._store = store
        self._trainer = trainer
        self._names = names
        self._switch = switch
        self._broker = broker
        self._deleted: dict[str, DeletedModel] = {}
        self._deleted_bytes: dict[str, int] = {}
        self._changing = asyncio.Lock()

    async def create(self, new: NewModel) -> str:
        """Make a model with a live version 1, and return its name.

        Raises ModelNameError, UnknownModel for the backbone, and ModelConflict if the
        name is taken.
        """
        name = checked_model_name(new.name)
        async with self._changing:
            backbone = new.backbone
            if backbone not in [model.name for model in built_in_models()]:
                backbone = await self._names.find(backbone)
            await self._check_free(name)
            await asyncio.to_thread(
                create_from_backbone, self._repository, name, backbone, new.keep_classes
            )
            await self._store.models.begin(name)
        self._broker.publish(Event("models", name))
        return name

    @asynccontextmanager
    async def adding(self, name: str) -> AsyncIterator[None]:
        """Let no other model become `name` during the block, which may add it.

        Raises ModelConflict if the name is taken.
        """
        async with self._changing:
            await self._check_free(name)
            await self._store.models.begin(name)
            yield

    async def duplicate(self, model: str, new: str) -> str:
        """Make a model `new` with the versions, labels and history of `model`."""
        model, name = await self._names.find(model), checked_model_name(new)
        async with self._changing:
            await self._check_free(name)
            await self._store.models.begin(name)
            await asyncio.to_thread(duplicate_model, self._repository, model, name)
            await self._store.models.copy(model, name)
        self._broker.publish(Event("models", name))
        self._broker.publish(Event("labels", name))
        return name

    async def rename(self, model: str, new: str) -> str:
        """Rename a model; one that is served stays so, and answers all the while.

        It is loaded under its new name before it goes under its old one. Raises
        ModelBusy while it learns, and ModelConflict while a canary goes on.
        """
        model, name = await self._names.find(model), checked_model_name(new)
        if name == model:
            return name
        self._check_no_canary(model)
        async with self._changing, self._trainer.held(model):
            if not same_name(name, model):
                await self._check_free(name)
                await self._move(model, name)
            else:
                # Names that differ in capitals only cannot exist side by side.
                between = await self._free_name(model)
                await self._move(model, between)
                await self._move(between, name)
        for topic in ("models", "labels", "training"):
            self._broker.publish(Event(topic, "" if topic == "training" else name))
        return name

    async def delete(self, model: str) -> DeletedModel:
        """Delete a model with its labels and its history; `restore` undoes it.

        Raises ModelConflict for the current one or while a canary goes on, and ModelBusy while it
        learns.
        """
        model = await self._names.find(model)
        self._check_no_canary(model)
        async with self._changing, self._trainer.held(model):
            served = self._repository.served()
            if model == served.current:
                raise ModelConflict(
                    f"{model} is the current model, which answers.",
                    "Use another model first, then delete this one.",
                )
            if model in served.names():
                await self._switch.unserve(model)
            labels = (await self._store.labels.totals()).get(model, 0)
            versions, size = await asyncio.to_thread(self._size, model)
            token = await asyncio.to_thread(delete_model, self._repository, model)
            await self._store.models.set_aside(model, token)
            deleted = DeletedModel(model, token, versions, labels)
            self._deleted[token], self._deleted_bytes[token] = deleted, size
            await self._forget_oldest()
        self._broker.publish(Event("models", model))
        self._broker.publish(Event("labels", model))
        return deleted

    async def restore(self, token: str) -> str:
        """Bring a deleted model back and return its name.

        Raises UnknownModel if it is gone for good, and ModelConflict if its name is taken.
        """
        async with self._changing:
            deleted = self._deleted.get(token)
            if deleted is None:
                raise UnknownModel(
                    "The deleted model is gone.",
                    "A model can be restored until Servery is closed.",
                )
            await self._check_free(deleted.name)
            await self._store.models.begin(deleted.name)
            await asyncio.to_thread(restore_model, self._repository, token)
            await self._store.models.bring_back(token, deleted.name)
            del self._deleted[token], self._deleted_bytes[token]
        self._broker.publish(Event("models", deleted.name))
        self._broker.publish(Event("labels", deleted.name))
        return deleted.name

    def deleted(self) -> list[DeletedModel]:
        """Return what can be restored, the last one deleted first."""
        return list(reversed(self._deleted.values()))

    async def open(self) -> None:
        """Finish what an earlier backend began: deleted models go for good."""
        for token, model in (await asyncio.to_thread(deleted_models, self._repository)).items():
            # It may have ended between deleting the files and hiding the labels.
            if model not in await asyncio.to_thread(self._repository.models):
                await self._store.models.set_aside(model, token)
        await self._purge()
        await self._store.models.begin(*await asyncio.to_thread(self._repository.models))

    async def close(self) -> None:
        """Remove deleted models for good."""
        try:
            await self._purge()
        except BackendError as error:  # The next backend does.
            _log.error("Deleted models could not be removed: %s", error)

    async def _purge(self) -> None:
        await self._store.models.purge()
        await asyncio.to_thread(purge_deleted, self._repository)
        self._deleted.clear()
        self._deleted_bytes.clear()

    async def _forget_oldest(self) -> None:
        """Remove the files of the oldest deleted models beyond the limits for good.

        Their labels follow when the backend closes: to find photos that nothing else refers
        to, nothing may be added meanwhile.
        """
        while len(self._deleted) > 1 and (
            len(self._deleted) > MAX_DELETED
            or sum(self._deleted_bytes.values()) > MAX_DELETED_BYTES
        ):
            token = next(iter(self._deleted))
            await asyncio.to_thread(purge_deleted, self._repository, token)
            del self._deleted[token], self._deleted_bytes[token]

    def _size(self, model: str) -> tuple[int, int]:
        """Return how many versions a model has, and their bytes."""
        versions = self._repository.versions(model)
        return len(versions), sum(each.size() for each in versions)

    async def _move(self, model: str, new: str) -> None:
        await asyncio.to_thread(duplicate_model, self._repository, model, new)
        try:
            served = self._repository.served()
            if model == served.current:
                await self._switch.use(new)
            if model in served.also:
                await self._switch.serve(new)
                await self._switch.unserve(model)
        except BaseException:
            with contextlib.suppress(ModelError):  # It may be served by now: then both stay.
                await self._discard(new)
            raise
        await self._store.models.rename(model, new)
        await self._discard(model)

    async def _discard(self, model: str) -> None:
        """Remove the files of a model that is there under another name."""
        token = await asyncio.to_thread(delete_model, self._repository, model)
        await asyncio.to_thread(purge_deleted, self._repository, token)

    def _check_no_canary(self, model: str) -> None:
        canary = self._repository.canaries.of(model)
        if canary is not None and canary.phase is not CanaryPhase.ENDING:
            raise ModelConflict(
                f"Version {canary.version} of {model} is a canary, which goes by the name of the"
                " model.",
                "End the canary first.",
            )

    async def _check_free(self, name: str) -> None:
        for model in await asyncio.to_thread(self._repository.models):
            if same_name(model, name):
                raise ModelConflict(
                    f"There is a model called {model} already.", "Choose another name."
                )

    async def _free_name(self, model: str) -> str:
        taken = {name.casefold() for name in await asyncio.to_thread(self._repository.models)}
        number = 2
        while f"{model[:60]}-{number}".casefold() in taken:
            number += 1
        return f"{model[:60]}-{number}"
