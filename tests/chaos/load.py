"""What people and programs do all the while: classify, label, train."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun
from serving.errors import BackendError, ServeryError
from serving.predict.client import PredictClient
from tests.chaos.report import Report
from tests.chaos.system import System
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS

ANSWER_SECONDS = 90.0
"""A photo that has neither an answer nor an error after this long hangs."""
_PAUSE_SECONDS = 0.1
_RETRY_SECONDS = 0.5
_TRAIN_SECONDS = 3.0
KINDS = ("smiley", "stripes", "rings")
"""Classes that the model learns from labels."""


@dataclass(frozen=True)
class SentLabel:
    """One label as it was sent."""

    key: str
    class_name: str
    image: str
    """SHA-256 of the photo, in hex."""


class Load:
    """Callers that go on until `stop`; every request ends in one answer or one error."""

    def __init__(self, system: System, client: PredictClient, report: Report) -> None:
        self._system = system
        self._client = client
        self._report = report
        self._rng = random.Random(report.seed)
        self._stopping = False
        self.sent: dict[str, SentLabel] = {}
        self.acknowledged: dict[str, int] = {}
        """The id of each label that was acknowledged, by its key."""

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        """Return once `stop` was called and every caller has its last answer."""
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(self._classify_over_grpc(number))
                group.create_task(self._classify_over_http(number))
            group.create_task(self._label())
            group.create_task(self._train())

    async def _classify_over_grpc(self, number: int) -> None:
        """Classify as the window does, which spreads photos over the instances itself."""
        for image in self._photos(f"grpc {number}"):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    prediction = await self._client.classify(image)
            except TimeoutError:
                self._report.violate("A photo had no answer and no error over gRPC.")
            except ServeryError as error:
                self._report.photos[f"gRPC: {error.what}"] += 1
            else:
                self._check(prediction.version, [score.score for score in prediction.scores])
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _classify_over_http(self, number: int) -> None:
        for image in self._photos(f"http {number}"):
            try:
                async with asyncio.timeout(ANSWER_SECONDS), _http(self._system) as http:
                    response = await http.post("/classify", files={"file": image})
            except TimeoutError:
                self._report.violate("A photo had no answer and no error over HTTP.")
            except httpx.HTTPError as error:
                self._report.photos[f"HTTP: {type(error).__name__}"] += 1
            else:
                self._check_response(response)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _check_response(self, response: httpx.Response) -> None:
        try:
            body = response.json()
            if response.is_success:
                scores = [float(each["score"]) for each in body["scores"]]
                self._check(int(body["version"]), scores)
            else:
                self._report.photos[f"HTTP {response.status_code}: {body['detail']}"] += 1
                assert body["advice"]
        except (ValueError, KeyError, TypeError, AssertionError):
            self._report.violate(f"Not an answer and not an error: {response.text[:200]!r}")

    def _check(self, version: int, scores: list[float]) -> None:
        self._report.photos["answered"] += 1
        if version < 1 or not scores or scores != sorted(scores, reverse=True):
            self._report.violate(f"Version {version} answered {scores}.")

    def _photos(self, name: str) -> Iterator[bytes]:
        images = [painting(color, name) for color in COLORS.values()]
        for image in itertools.cycle(images):
            if self._stopping:
                return
            yield image

    async def _label(self) -> None:
        """Send labels, each again and again until it is acknowledged, as the outbox does."""
        for number in itertools.count():
            if self._stopping:
                return
            kind = self._rng.choice(KINDS)
            image = drawing(kind, f"{self._report.seed} {number}")
            label = SentLabel(f"label-{number}", kind, hashlib.sha256(image).hexdigest())
            self.sent[label.key] = label
            while not self._stopping:
                self._report.label_attempts += 1
                if await self._send(label, image):
                    break
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(5 * _PAUSE_SECONDS)

    async def _send(self, label: SentLabel, image: bytes) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), _http(self._system) as http:
                response = await http.post(
                    "/labels",
                    files={"file": image},
                    data={"class": label.class_name},
                    headers={"Idempotency-Key": label.key},
                )
        except (httpx.HTTPError, TimeoutError):
            return False
        if not response.is_success:
            if response.status_code in (400, 401, 403, 404, 413, 415, 422):
                self._report.violate(f"A good label was refused: {response.text[:200]}")
            return False
        with contextlib.suppress(ValueError, KeyError):
            self.acknowledged[label.key] = int(response.json()["id"])
            self._report.labels_acknowledged += 1
            return True
        self._report.violate(f"A label was acknowledged with {response.text[:200]!r}")
        return False

    async def _train(self) -> None:
        """Start a training run whenever the last one has ended."""
        while not self._stopping:
            await asyncio.sleep(_TRAIN_SECONDS)
            with contextlib.suppress(BackendError, TimeoutError):
                async with BackendClient(self._system.url) as backend, asyncio.timeout(60):
                    run = await _finished(backend, await backend.train())
                    how = "promoted" if run.promoted else str(run.state)
                    self._report.training_runs[how] += 1
                    if run.state is RunState.FAILED:
                        self._report.note(f"training run failed: {run.step}")


async def _finished(backend: BackendClient, run: TrainingRun) -> TrainingRun:
    while True:
        run = await backend.training_run(run.id)
        if run.state.finished:
            return run
        await asyncio.sleep(_RETRY_SECONDS)


def _http(system: System) -> httpx.AsyncClient:
    # A connection of its own for each request: one that was kept may be to a backend that is gone.
    return httpx.AsyncClient(base_url=system.url, timeout=ANSWER_SECONDS, trust_env=False)
