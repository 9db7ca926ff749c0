"""Calls about the classes of a model."""

from __future__ import annotations

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import model_path, query, quoted
from backend.contract import ClassChange, ClassCount, ModelSummary


class ClassCalls(BackendConnection):
    """Classes are renamed, merged and deleted, at once and live."""

    async def classes(self, model: str) -> list[ClassCount]:
        """Return the classes that the live version or a label knows, by name."""
        return await self._request(list[ClassCount], "GET", model_path(model, "classes"))

    async def rename_class(
        self, model: str, name: str, new_name: str, *, by: str = ""
    ) -> ModelSummary:
        """Rename a class, or merge it into the one that is called `new_name`.

        What is live has it when this returns. `by` is who does it, if not the user of this
        program.
        """
        return await self._request(
            ModelSummary,
            "PATCH",
            model_path(model, f"classes/{quoted(name)}"),
            params=query(by=by or None),
            json={"name": new_name},
            timeout=LONG_TIMEOUT,
        )

    async def delete_class(self, model: str, name: str, *, by: str = "") -> ModelSummary:
        """Delete a class; its photos stay, without a label. As `rename_class`."""
        return await self._request(
            ModelSummary,
            "DELETE",
            model_path(model, f"classes/{quoted(name)}"),
            params=query(by=by or None),
            timeout=LONG_TIMEOUT,
        )

    async def class_changes(self, model: str) -> list[ClassChange]:
        """Return what people did to classes, newest first."""
        return await self._request(list[ClassChange], "GET", model_path(model, "class-changes"))

    async def undo_class_change(self, model: str, change: int, *, by: str = "") -> ModelSummary:
        """Take a change of a class back, in the labels and in what is live."""
        return await self._request(
            ModelSummary,
            "DELETE",
            model_path(model, f"class-changes/{change}"),
            params=query(by=by or None),
            timeout=LONG_TIMEOUT,
        )
