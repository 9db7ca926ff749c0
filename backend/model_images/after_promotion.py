"""Makes the image of a version when it was promoted, for models that ask for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from backend.contract import ImageSettings, NewImage
from backend.events import EventBroker
from backend.model_images.builds import ImageBuilds
from serving.errors import ServeryError
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository
from serving.models.version import Version

POLL_SECONDS = 30.0
"""How long a promotion by another program may stay unseen."""

_log = logging.getLogger(__name__)


class ImagesAfterPromotion:
    """Watches which versions are live.

    What promotes a version, a person, the gate or a canary, is not kept waiting. Which version
    was seen last stands in the model's settings: a promotion is neither missed nor followed twice
    if the backend is killed.
    """

    def __init__(
        self, repository: ModelRepository, builds: ImageBuilds, broker: EventBroker
    ) -> None:
        self._repository = repository
        self._builds = builds
        self._broker = broker

    async def run(self) -> None:
        """Look after each change of a model, until cancelled."""
        await self.look()
        async for event in self._broker.listen(POLL_SECONDS):
            if event is None or event.topic == "models":
                await self.look()

    async def look(self) -> None:
        """Begin the image of each version that was promoted since the last look."""
        try:
            promoted = await asyncio.to_thread(self._promoted)
        except (ServeryError, OSError) as error:
            _log.warning("Whether a version was promoted could not be seen: %s", error)
            return
        for version, settings in promoted:
            new = NewImage(settings.tag, settings.base, push=settings.push)
            try:
                await self._builds.start(version, new, after_promotion=True)
            except ServeryError as error:
                _log.warning(
                    "The image of version %s of %s, which was promoted, could not be made: %s",
                    *(version.number, version.model, error),
                )

    def _promoted(self) -> list[tuple[Version, ImageSettings]]:
        """Return the versions that were promoted since, and remember them as seen."""
        found = []
        for model in self._repository.models():
            image = self._repository.settings(model).image
            live = self._repository.live_number(model)
            if not image.after_promotion or live is None or live == image.seen_live:
                continue
            self._repository.change_settings(model, partial(_with_seen, live=live))
            found.append((self._repository.version(model, live), image))
        return found


def _with_seen(settings: ModelSettings, live: int) -> ModelSettings:
    return replace(settings, image=replace(settings.image, seen_live=live))
