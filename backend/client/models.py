"""Calls about models."""

from __future__ import annotations

from dataclasses import asdict

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import model_path, quoted
from backend.contract import BuiltInSummary, DeletedModel, ModelChange, ModelSummary, NewModel


class ModelCalls(BackendConnection):
    """The models of the workspace, and those that come with Servery."""

    async def models(self) -> list[ModelSummary]:
        """Return every model, the current one first."""
        return await self._request(list[ModelSummary], "GET", "/models")

    async def model(self, name: str) -> ModelSummary:
        return await self._request(ModelSummary, "GET", model_path(name))

    async def create_model(self, new: NewModel) -> ModelSummary:
        """Make a model with a version 1, which has the classes of its backbone or none."""
        return await self._request(ModelSummary, "POST", "/models", json=asdict(new))

    async def rename_model(self, name: str, new_name: str) -> ModelSummary:
        """Rename a model, which may be served meanwhile."""
        return await self._change(name, ModelChange(name=new_name))

    async def keep_versions(self, name: str, count: int) -> ModelSummary:
        """Keep the newest `count` versions; the live one, pinned ones and version 1 stay too."""
        return await self._change(name, ModelChange(keep_versions=count))

    async def duplicate_model(self, name: str, new_name: str) -> ModelSummary:
        return await self._request(
            ModelSummary, "POST", model_path(name, "duplicate"), json={"name": new_name}
        )

    async def delete_model(self, name: str) -> DeletedModel:
        """Delete a model with its labels; `restore_model` undoes it until the backend ends."""
        return await self._request(DeletedModel, "DELETE", model_path(name))

    async def deleted_models(self) -> list[DeletedModel]:
        """Return what can be restored, the last one deleted first."""
        return await self._request(list[DeletedModel], "GET", "/deleted")

    async def restore_model(self, token: str) -> ModelSummary:
        return await self._request(ModelSummary, "POST", f"/deleted/{quoted(token)}/restore")

    async def use_model(self, name: str) -> ModelSummary:
        """Make a model the current one; returns once it is, loaded by every instance."""
        return await self._request(
            ModelSummary, "POST", model_path(name, "use"), timeout=LONG_TIMEOUT
        )

    async def serve_model(self, name: str) -> ModelSummary:
        """Serve a model beside the current one; returns once every instance has loaded it."""
        return await self._request(
            ModelSummary, "PUT", model_path(name, "served"), timeout=LONG_TIMEOUT
        )

    async def unserve_model(self, name: str) -> ModelSummary:
        return await self._request(
            ModelSummary, "DELETE", model_path(name, "served"), timeout=LONG_TIMEOUT
        )

    async def built_in_models(self) -> list[BuiltInSummary]:
        return await self._request(list[BuiltInSummary], "GET", "/built-in")

    async def add_built_in(self, name: str) -> ModelSummary:
        """Install a built-in model, or return it if it is there."""
        return await self._request(
            ModelSummary, "POST", f"/built-in/{quoted(name)}", timeout=LONG_TIMEOUT
        )

    async def _change(self, name: str, change: ModelChange) -> ModelSummary:
        return await self._request(ModelSummary, "PATCH", model_path(name), json=asdict(change))
