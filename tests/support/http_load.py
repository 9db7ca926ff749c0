"""Many callers of the backend at once, who remember every answer and every failure."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from tests.support.waiting import wait_until

TIMEOUT_SECONDS = 60.0


class HttpLoad:
    """Posts one image to `/classify` again and again with `count` callers while it is entered.

    Each waits `pause` seconds after an answer.
    """

    def __init__(self, address: str, image: bytes, count: int, pause: float) -> None:
        self.models: Counter[str] = Counter()
        """Answers of each model."""
        self.failures: list[str] = []
        self._address = address
        self._image = image
        self._count = count
        self._pause = pause
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> HttpLoad:
        limits = httpx.Limits(max_connections=self._count)
        self._http = httpx.AsyncClient(
            base_url=self._address, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
        )
        self._tasks = [asyncio.create_task(self._call()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)
        await self._http.aclose()

    async def wait_for_answers_of(self, model: str, times: int = 5) -> None:
        """Return once `model` has answered `times` more requests."""
        goal = self.models[model] + times
        await wait_until(lambda: self.models[model] >= goal, details=lambda: self.models)

    async def _call(self) -> None:
        while not self._stopping:
            try:
                response = await self._http.post("/classify", files={"file": self._image})
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                continue
            if response.is_success:
                self.models[response.json()["model"]] += 1
            else:
                self.failures.append(response.text)
            await asyncio.sleep(self._pause)
