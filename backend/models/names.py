"""Which model a request means."""

from __future__ import annotations

import asyncio

from backend.store.store import Store
from serving.errors import BackendError
from serving.models.model_names import same_name
from serving.models.repository import ModelRepository


class UnknownModel(BackendError):
    """There is no model of this name."""


class NoModel(BackendError):
    """The workspace has no model yet, so none can be the current one."""


class ModelNames:
    """Finds models by the names that people and programs give."""

    def __init__(self, repository: ModelRepository, store: Store) -> None:
        self._repository = repository
        self._store = store

    async def find(self, name: str | None) -> str:
        """Return the model called `name`, or the current one if no name is given.

        Capitals make no difference, and a model that was renamed is found by its former
        names until another one takes them: a label that waited to be sent names it so.
        Raises UnknownModel, and NoModel in a workspace without any.
        """
        if not name:
            current = self._repository.served().current
            if not current:
                raise NoModel(
                    "There is no model yet.", "Add a built-in model, or make one of your own."
                )
            return current
        models = await asyncio.to_thread(self._repository.models)
        if name in models:
            return name
        for model in models:
            if same_name(model, name):
                return model
        renamed = await self._store.models.renamed_to(name)
        if renamed in models:
            return renamed
        raise UnknownModel(f"There is no model {name}.", "Choose one from the list of models.")
