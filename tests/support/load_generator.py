"""Many callers at once, who remember every answer and every failure."""

from __future__ import annotations

import asyncio
from collections import Counter

from serving.errors import ServeryError
from serving.predict.client import PredictClient


class LoadGenerator:
    """Classifies one image again and again with `count` callers while it is entered.

    Each waits `pause` seconds after an answer: without, they take all of the machine.
    """

    def __init__(
        self, client: PredictClient, jpeg: bytes, count: int = 50, pause: float = 0.0
    ) -> None:
        self.answers: Counter[str] = Counter()
        """By instance."""
        self.versions: Counter[int] = Counter()
        self.models: Counter[str] = Counter()
        self.failures: list[ServeryError] = []
        self._client = client
        self._jpeg = jpeg
        self._count = count
        self._pause = pause
        self._stopping = asyncio.Event()
        self._answered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> LoadGenerator:
        self._tasks = [asyncio.create_task(self._call()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def wait_for_answers(self, instance_id: str, times: int = 5) -> None:
        """Return once this instance has answered that often."""
        async with asyncio.timeout(20):
            while self.answers[instance_id] < times:
                self._answered.clear()
                await self._answered.wait()

    async def _call(self) -> None:
        while not self._stopping.is_set():
            try:
                prediction = await self._client.classify(self._jpeg)
            except ServeryError as error:
                self.failures.append(error)
            else:
                self.answers[prediction.instance_id] += 1
                self.versions[prediction.version] += 1
                self.models[prediction.model] += 1
                self._answered.set()
            if self._pause:
                await asyncio.sleep(self._pause)
