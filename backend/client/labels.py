"""Calls about labels and the photos that carry them."""

from __future__ import annotations

import secrets

from backend.client.connection import BackendConnection
from backend.client.paths import model_path, query, quoted
from backend.contract import Label, LabeledPhoto, LabelSummary


class LabelCalls(BackendConnection):
    """What people say photos show."""

    async def label(
        self, image: bytes, class_name: str, *, model: str | None = None, key: str | None = None
    ) -> Label:
        """Label `image` (a whole file) with `class_name`; it is on disk on return.

        `model` learns it; without one, the model that is current.
        With the same `key`, the same label may be sent again after a failure and is
        stored once.
        """
        return await self._request(
            Label,
            "POST",
            "/labels",
            params=query(model=model),
            files={"file": image},
            data={"class": class_name},
            headers={"Idempotency-Key": key or secrets.token_hex(16)},
        )

    async def undo_label(self, label_id: int) -> None:
        await self._send("DELETE", f"/labels/{label_id}")

    async def labels(self, model: str | None = None) -> LabelSummary:
        return await self._request(LabelSummary, "GET", "/labels", params=query(model=model))

    async def photos(self, model: str, count: int = 9) -> list[LabeledPhoto]:
        """Return labelled photos of `model`, the newest of different classes first."""
        return await self._request(
            list[LabeledPhoto], "GET", model_path(model, "photos"), params={"count": count}
        )

    async def image(self, sha256: str, *, side: int | None = None) -> bytes:
        """Return a labelled photo as a JPEG file, its shorter side `side` pixels if given."""
        response = await self._send("GET", f"/images/{quoted(sha256)}", params=query(side=side))
        return response.content
