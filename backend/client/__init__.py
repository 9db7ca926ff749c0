"""The client of the backend's HTTP service, one method a route; light to import."""

from __future__ import annotations

import asyncio

from backend.client.canary import CanaryCalls
from backend.client.classes import ClassCalls
from backend.client.connection import LONG_TIMEOUT, REQUEST_TIMEOUT, BackendRefused
from backend.client.label_files import LabelFileCalls
from backend.client.labels import LabelCalls
from backend.client.model_exports import ModelExportCalls
from backend.client.model_files import ModelFileCalls
from backend.client.model_images import ModelImageCalls
from backend.client.models import ModelCalls
from backend.client.paths import query
from backend.client.teaching import TeachingCalls
from backend.client.training import TrainingCalls
from backend.client.versions import VersionCalls
from backend.client.webhooks import WebhookCalls
from backend.contract import Classification, Health
from backend.run_file import BackendRunFile, backend_lock_file
from serving.access_token import AccessToken
from serving.errors import BackendError
from serving.workspace import Workspace

__all__ = [
    "LONG_TIMEOUT",
    "BackendClient",
    "BackendRefused",
    "BackendRunFile",
    "backend_lock_file",
]


class BackendClient(
    ClassCalls,
    LabelCalls,
    LabelFileCalls,
    TeachingCalls,
    TrainingCalls,
    ModelCalls,
    ModelImageCalls,
    ModelExportCalls,
    VersionCalls,
    CanaryCalls,
    ModelFileCalls,
    WebhookCalls,
):
    """Calls the backend. Every failure is a BackendError with a sentence.

    It is a BackendRefused if the backend answered with an error, and another
    BackendError if it could not be reached, in which case a retry may help.
    """

    @classmethod
    async def find(cls, workspace: Workspace) -> BackendClient | None:
        """Return a client of the workspace's running backend, or None without one."""
        running = BackendRunFile.read(workspace)
        if running is None or not await asyncio.to_thread(running.is_ours):
            return None
        client = cls(running.url, token=AccessToken(workspace.token))
        try:
            health = await client.health(timeout_seconds=3.0)
        except BackendError:
            health = None
        # Another program may have the port of a backend that crashed.
        if health is None or health.process != running.pid:
            await client.close()
            return None
        return client

    async def health(self, *, timeout_seconds: float = REQUEST_TIMEOUT) -> Health:
        return await self._request(Health, "GET", "/health", timeout=timeout_seconds)

    async def is_alive(self, *, timeout_seconds: float) -> bool:
        """Whether the backend answers at all, be it to say that it is overloaded."""
        try:
            await self._send("GET", "/healthz", timeout=timeout_seconds)
        except BackendRefused:
            return True
        except BackendError:
            return False
        return True

    async def classify(self, image: bytes, model: str | None = None) -> Classification:
        """Classify an image file that Servery reads; by default with the current model."""
        return await self._request(
            Classification,
            "POST",
            "/classify",
            params=query(model=model),
            files={"file": image},
        )

    async def explain(
        self, image: bytes, class_name: str | None = None, model: str | None = None
    ) -> Classification:
        """Classify an image file, and find out what in it speaks for a class, or for the best one.

        This takes as long as about 40 photos.
        """
        return await self._request(
            Classification,
            "POST",
            "/classify",
            params=query(model=model, explain=class_name or "true"),
            files={"file": image},
            timeout=LONG_TIMEOUT,
        )
