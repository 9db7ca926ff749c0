"""Files of the golden set, through every way in: the same bytes, the same scores.

The window, the backend with its worker, the command line and the instances are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.store.images import ImageFolder
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph, softmax
from desktop.app import App, Options, run
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.normalize_image import normalize_image
from serving.predict.prediction import Score
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.drag_and_drop import drop_files
from tests.support.golden_images import GoldenImage, golden_files
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(600)]

TOLERANCE = 1e-5
"""Of a score, 0 to 1."""
ANSWERING = 240.0
"""Seconds; on a machine that does nothing else it takes a few."""

Scores = dict[str, float]


@dataclass
class Answers:
    """What each way made of each file."""

    files: dict[Path, GoldenImage]
    scores: dict[str, dict[Path, Scores]] = field(default_factory=dict)
    """By way."""
    stored: dict[Path, str] = field(default_factory=dict)
    """Hash of the image that a label of the file is kept with."""
    embeddings: dict[Path, Any] = field(default_factory=dict)
    """From an instance, over gRPC."""


@pytest.mark.parametrize(
    "part",
    [
        # A third, with the rarest: lossless, progressive CMYK.
        pytest.param(slice(1, None, 3), id="a third"),
        pytest.param(slice(None), marks=pytest.mark.long, id="all"),
    ],
)
def test_every_way_in_gives_each_file_the_same_scores(
    workspace: Workspace, tmp_path: Path, part: slice
) -> None:
    repository = ModelRepository(workspace.models)
    install_first_model(repository)
    version = repository.live(repository.served().current)
    folder = tmp_path / "golden"
    folder.mkdir()
    files = golden_files(folder)
    answers = Answers(dict(list(files.items())[part]))

    async def person(app: App) -> None:
        fleet = await app.fleet
        await wait_until(lambda: fleet.view.ready >= 1)
        answers.scores["window"] = await drop_on_window(app, list(answers.files))
        await post_to_backend(app, answers)
        answers.scores["command line"] = await asyncio.to_thread(run_command, tmp_path, answers)
        await embed_by_instance(app, answers)
        await train(app, answers)

    run(Options(workspace, engine="process"), person)

    assert set(answers.scores) == {"window", "HTTP", "command line"}
    for way, scores in answers.scores.items():
        for path, golden in answers.files.items():
            assert_close(scores[path], answers.scores["window"][path], f"{way}: {golden.name}")
    images = ImageFolder(workspace.images)
    for path, golden in answers.files.items():
        kept = images.path(answers.stored[path]).read_bytes()
        assert kept == normalize_image(golden.data), golden.name
    graph = ServableGraph(version.path)
    head = graph.head()
    learned = EmbeddingCache(workspace.training_runs / "embeddings", graph.backbone_hash())
    for path, golden in answers.files.items():
        by_worker, by_instance = learned.get(answers.stored[path]), answers.embeddings[path]
        assert by_worker is not None, golden.name
        scale = np.abs(by_instance).max()
        assert np.abs(by_worker - by_instance).max() <= TOLERANCE * scale, golden.name
        all_scores = softmax(head.logits(by_worker[None]))[0].tolist()
        by_name = dict(zip(head.classes, all_scores, strict=True))
        window = answers.scores["window"][path]
        assert_close({name: by_name[name] for name in window}, window, f"worker: {golden.name}")


async def drop_on_window(app: App, files: Sequence[Path]) -> dict[Path, Scores]:
    assert drop_files(app.classify_page, files)

    def predictions() -> dict[Path, Scores] | None:
        found = {path: app.classify_page.gallery.photo(str(path)) for path in files}
        if any(photo is None or photo.waiting for photo in found.values()):
            return None
        failures = [photo.failure for photo in found.values() if photo and photo.failure]
        assert not failures
        return {
            path: as_dict(photo.prediction.scores)
            for path, photo in found.items()
            if photo is not None and photo.prediction is not None
        }

    found = await wait_until(predictions, ANSWERING)
    assert found is not None
    return found


async def post_to_backend(app: App, answers: Answers) -> None:
    """Classify each file over HTTP, and label it."""
    backend = await app.backend
    scores = answers.scores.setdefault("HTTP", {})
    for number, (path, golden) in enumerate(answers.files.items()):
        scores[path] = as_dict((await backend.classify(golden.data)).scores)
        label = await backend.label(golden.data, f"golden {number % 3}")
        answers.stored[path] = label.image


def run_command(folder: Path, answers: Answers) -> dict[Path, Scores]:
    """Classify the files by `servery classify --json`, in the workspace of the window."""
    printed = CommandLine(folder).json_lines("classify", *map(str, answers.files))
    return {
        Path(one["file"]): {score["name"]: score["score"] for score in one["scores"]}
        for one in printed
    }


async def embed_by_instance(app: App, answers: Answers) -> None:
    client = await app.client
    for path, golden in answers.files.items():
        _, embedding = await client.embed(normalize_image(golden.data))
        answers.embeddings[path] = np.array(embedding)


async def train(app: App, answers: Answers) -> None:
    """Have the worker embed all labelled images."""
    backend = await app.backend
    queued = await backend.train()

    async def finished() -> bool:
        return (await backend.training_run(queued.id)).finished is not None

    await wait_until(finished, ANSWERING)


def as_dict(scores: Sequence[Score]) -> Scores:
    return {score.name: score.score for score in scores}


def assert_close(actual: Scores, expected: Scores, what: str) -> None:
    # Classes whose scores are nearly the same may change places at the end of the list.
    assert len(actual) == len(expected), what
    for name in actual.keys() & expected.keys():
        assert abs(actual[name] - expected[name]) <= TOLERANCE, f"{what}: {name}"
    others = actual.keys() ^ expected.keys()
    floor = min(expected.values()) + TOLERANCE
    assert all(scores.get(name, 0) <= floor for name in others for scores in (actual, expected))
