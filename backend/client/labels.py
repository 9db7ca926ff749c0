"""Calls about labels and the photos that carry them."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import asdict
from typing import Any

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import model_path, query, quoted
from backend.contract import (
    BatchLabel,
    Conflict,
    Label,
    LabelAction,
    LabeledPhoto,
    LabelKind,
    LabelSummary,
    PoolPhoto,
    PoolSummary,
)


class LabelCalls(BackendConnection):
    """What people say photos show."""

    async def label(
        self,
        image: bytes | str,
        class_name: str = "",
        *,
        kind: LabelKind = LabelKind.CLASS,
        by: str = "",
        settles: bool = False,
        batch: str | None = None,
        model: str | None = None,
        key: str | None = None,
        said_at: str = "",
    ) -> Label:
        """Label `image`, a whole file or the hash of one that the backend has.

        It is on disk on return. `model` learns it; without one, the model that is current.
        `by` is who says so, if not the user of this program; with `settles`, it outweighs
        what others have said of the photo. Labels with the same `batch` are one action. With
        the same `key`, the same label may be sent again after a failure and is stored once.
        `said_at`, in UTC and ISO 8601, is when it was said, if not now.
        """
        said = {
            "kind": kind.value,
            **({"class": class_name} if kind is LabelKind.CLASS else {}),
            **({"by": by} if by else {}),
            **({"settles": "true"} if settles else {}),
            **({"batch": batch} if batch else {}),
            **({"said_at": said_at} if said_at else {}),
        }
        request: dict[str, Any] = {"params": query(model=model)}
        if isinstance(image, str):
            request["params"] = {**query(model=model, image=image), **said}
        else:
            request.update(files={"file": image}, data=said)
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return await self._request(Label, "POST", "/labels", headers=headers, **request)

    async def label_batch(self, batch: BatchLabel, *, key: str | None = None) -> LabelAction:
        """Say the same of many photos that the backend has: all of them, or none.

        `key` is as in `label`.
        """
        return await self._request(
            LabelAction,
            "POST",
            "/labels/batch",
            json=asdict(batch),
            headers={"Idempotency-Key": key or secrets.token_hex(16)},
            timeout=LONG_TIMEOUT,
        )

    async def undo_label(self, label_id: int) -> None:
        await self._send("DELETE", f"/labels/{label_id}")

    async def label_actions(self, model: str | None = None, count: int = 50) -> list[LabelAction]:
        """Return what people did last, newest first, undone actions too."""
        return await self._request(
            list[LabelAction], "GET", "/labels/actions", params=query(model=model, count=count)
        )

    async def undo_action(self, action: int) -> LabelAction:
        """Take all labels of an action back; those that they replaced count again."""
        return await self._request(LabelAction, "DELETE", f"/labels/actions/{action}")

    async def conflicts(self, model: str | None = None) -> list[Conflict]:
        """Return the photos that people label differently."""
        return await self._request(
            list[Conflict], "GET", "/labels/conflicts", params=query(model=model)
        )

    async def labels_of(self, image: str, model: str | None = None) -> list[Label]:
        """Return every label of one photo that was not undone, newest first."""
        return await self._request(
            list[Label], "GET", f"/images/{quoted(image)}/labels", params=query(model=model)
        )

    async def add_to_pool(
        self,
        image: bytes,
        *,
        model: str | None = None,
        version: int | None = None,
        embedding: bytes = b"",
    ) -> PoolPhoto:
        """Keep a photo (a whole file) that a version classified, without a label.

        `embedding` is what the version's output `embedding` was, float32 little-endian [D];
        without it training computes it. The oldest unlabelled photos go when there are too many.
        """
        return await self._request(
            PoolPhoto,
            "POST",
            "/pool",
            params=query(model=model, version=version),
            files={"file": image},
            data={"embedding": b64encode(embedding).decode()} if embedding else {},
        )

    async def pool(self, model: str | None = None) -> PoolSummary:
        return await self._request(PoolSummary, "GET", "/pool", params=query(model=model))

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
