"""The queue, groups and label issues over HTTP, computed by the real program."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from backend.contract import BatchLabel, IssueKind, LabelKind, QueueReason
from backend.labelling.labelling_protocol import LabellingAnswer
from backend.labelling.suggestions import Suggestions, run_program
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from tests.support.backend_env import Service
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

MODEL = "paints"


@pytest.fixture(autouse=True)
def model(service: Service) -> None:
    install_tiny(service.repository, MODEL, {})


async def _pool(service: Service, jpegs: list[bytes]) -> list[str]:
    return [(await service.client.add_to_pool(each, model=MODEL)).image for each in jpegs]


async def test_photos_of_the_pool_are_suggested_each_kind_first(service: Service) -> None:
    kinds = {
        image: color
        for color in ("red", "blue", "yellow")
        for image in await _pool(service, [painting(color, seed) for seed in range(5)])
    }
    queue = await service.client.queue(MODEL, 20)
    assert {item.image for item in queue} == set(kinds)
    assert {kinds[item.image] for item in queue[:3]} == {"red", "blue", "yellow"}
    assert queue[0].reason is QueueReason.TYPICAL
    assert queue[0].scores == []
    # It has been embedded for that, and need not be again.
    version = service.repository.live(MODEL)
    cache = EmbeddingCache(
        service.workspace.embeddings, ServableGraph(version.path).backbone_hash()
    )
    assert all(cache.get(image) is not None for image in kinds)


async def test_what_is_labelled_skipped_or_excluded_makes_place(service: Service) -> None:
    reds = await _pool(service, [painting("red", seed) for seed in range(4)])
    blues = await _pool(service, [painting("blue", seed) for seed in range(4)])
    for images, name in ((reds[:2], "red"), (blues[:2], "blue")):
        await service.client.label_batch(BatchLabel(images, name, model=MODEL))
    await service.client.label_batch(BatchLabel([reds[2]], kind=LabelKind.SKIP, model=MODEL))
    queue = await service.client.queue(MODEL, 20)
    assert [item.image for item in queue][-1] == reds[2]
    assert queue[-1].reason is QueueReason.SKIPPED
    assert {item.image for item in queue} == {*reds[2:], *blues[2:]}
    by_image = {item.image: item for item in queue}
    assert by_image[reds[3]].scores[0].name == "red"
    assert by_image[blues[3]].scores[0].name == "blue"
    left = await service.client.queue(MODEL, 20, exclude=[blues[2]])
    assert {item.image for item in left} == {*reds[2:], blues[3]}


async def test_look_alikes_are_a_group(service: Service) -> None:
    kinds = {
        image: color
        for color in ("red", "blue", "yellow")
        for image in await _pool(service, [painting(color, seed) for seed in range(5)])
    }
    groups = await service.client.clusters(MODEL, 10)
    assert [group.id for group in groups] == list(range(1, len(groups) + 1))
    assert {kinds[group.images[0]] for group in groups} == {"red", "blue", "yellow"}
    for group in groups:
        assert len({kinds[image] for image in group.images}) == 1


async def test_wrong_labels_and_bad_photos_are_issues(service: Service) -> None:
    for color in ("red", "blue"):
        for seed in range(8):
            await service.client.label(painting(color, seed), color, model=MODEL)
    wrong = await service.client.label(painting("red", 99), "blue", model=MODEL)
    dark = await service.client.label(painting("black", 1), "black", model=MODEL)
    issues = await service.client.label_issues(MODEL)
    contradicted = [each for each in issues if each.kind is IssueKind.CONTRADICTED]
    by_image = {each.image: each for each in contradicted}
    assert (by_image[wrong.image].class_name, by_image[wrong.image].suggested) == ("blue", "red")
    assert [each.score for each in issues] == sorted((each.score for each in issues), reverse=True)
    assert dark.image in {each.image for each in issues if each.kind is not IssueKind.DUPLICATE}


async def test_without_photos_there_is_nothing_to_suggest(service: Service) -> None:
    assert await service.client.queue(MODEL) == []
    assert await service.client.clusters(MODEL) == []
    assert await service.client.label_issues(MODEL) == []


async def test_an_answer_is_computed_once_until_something_changes(service: Service) -> None:
    runs = 0

    async def counted(spec: str) -> LabellingAnswer:
        nonlocal runs
        runs += 1
        return await run_program(spec)

    suggestions = Suggestions(service.repository, service.store, service.workspace, counted)
    first, *_ = await _pool(service, [drawing("rings", seed) for seed in range(4)])
    answers = await asyncio.gather(*(suggestions.queue(MODEL, 4) for _ in range(5)))
    assert runs == 1
    assert all(answer == answers[0] for answer in answers)
    assert await suggestions.queue(MODEL, 2) == answers[0][:2]
    assert runs == 1
    await service.client.label(first, "ring", model=MODEL)
    assert first not in {item.image for item in await suggestions.queue(MODEL, 4)}
    assert runs == 2


async def test_the_program_ends_when_nobody_waits(service: Service) -> None:
    await _pool(service, [drawing("rings", 1)])
    started, ended = asyncio.Event(), asyncio.Event()

    async def endless(spec: str) -> LabellingAnswer:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    suggestions = Suggestions(service.repository, service.store, service.workspace, endless)
    callers = [asyncio.create_task(suggestions.queue(MODEL, 4)) for _ in range(2)]
    await wait_until(lambda: [each.waiting for each in suggestions._running.values()] == [2])
    await started.wait()
    callers[0].cancel()
    await asyncio.wait(callers[:1])
    assert not ended.is_set()
    callers[1].cancel()
    await asyncio.wait(callers)
    assert ended.is_set()
    assert not suggestions._running


async def test_too_many_exclusions_are_refused(service: Service) -> None:
    parameters = httpx.QueryParams([("exclude", "0")] * 600)
    response = await service.http.get("/queue", params=parameters)
    assert response.status_code == 400
    assert response.json()["advice"]
