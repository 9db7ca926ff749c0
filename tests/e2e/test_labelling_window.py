"""Labelling in a real window with a real backend: fast keys, and groups of look-alikes."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from PySide6.QtTest import QTest

from backend.client import BackendClient
from desktop.app import App, Options, run
from desktop.learn.page import LearnPage
from desktop.main_window import PageName
from serving.workspace import Workspace
from tests.support.labelling_walk import Walker
from tests.support.sample_images import drawing, painting
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(300)]

COMPUTING = 90.0
"""Seconds that finding out what to label may take on a busy machine."""
COLORS = ("red", "blue", "green", "yellow", "purple", "black", "white")
DRAWINGS = ("smiley", "stripes", "rings")


async def learn_page(app: App) -> LearnPage:
    await app.backend
    app.window.show_page(PageName.LEARN)
    page = app.window.page(PageName.LEARN)
    assert isinstance(page, LearnPage)
    return page


async def pool_of(backend: BackendClient, photos: dict[bytes, str]) -> dict[str, str]:
    """Put photos into the pool; returns the class of each by its hash."""
    added = [await backend.add_to_pool(photo) for photo in photos]
    return {each.image: name for each, name in zip(added, photos.values(), strict=True)}


async def wait_for_labels(backend: BackendClient, count: int) -> None:
    async def arrived() -> bool:
        return (await backend.labels()).total == count

    await wait_until(arrived, COMPUTING)


async def current_labels(backend: BackendClient, images: list[str]) -> dict[str, str]:
    found = {}
    for image in images:
        labels = await backend.labels_of(image)
        assert len(labels) == 1
        found[image] = labels[0].class_name
    return found


@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.long)])
def test_fast_keys_put_as_many_labels_on_the_right_photos(workspace: Workspace, count: int) -> None:
    photos = {painting(COLORS[n % 5], n): COLORS[n % 5] for n in range(count)}

    async def person(app: App) -> None:
        backend = await app.backend
        truth = await pool_of(backend, photos)
        page = await learn_page(app)
        view = page.label_view
        await wait_until(lambda: view.item is not None, COMPUTING)
        said: dict[str, str] = {}
        teach = Walker(page, truth, COMPUTING)
        while len(said) < count:
            item = view.item
            if item is None or item.image in said:
                await asyncio.sleep(0)  # the rest of the queue is on its way
                continue
            name = truth[item.image]
            offered = [choice.name for choice in view.picker.choices]
            said[item.image] = name
            if name in offered:
                QTest.keyClicks(app.window.focusWidget(), str(offered.index(name) + 1))
            else:
                teach.name(view, view.picker, name)
        await wait_for_labels(backend, len(truth))
        assert await current_labels(backend, list(truth)) == said == truth
        counts = {each.name: each.labels for each in (await backend.labels()).classes}
        assert counts == Counter(truth.values())

    run(Options(workspace, engine="process"), person)


@pytest.mark.long
def test_a_hundred_photos_of_ten_new_classes_take_forty_actions(workspace: Workspace) -> None:
    kinds = [(kind, drawing) for kind in DRAWINGS] + [(color, painting) for color in COLORS]
    photos = {draw(kind, n): f"my {kind}" for kind, draw in kinds for n in range(20)}

    async def person(app: App) -> None:
        backend = await app.backend
        truth = await pool_of(backend, photos)
        page = await learn_page(app)
        walker = Walker(page, truth, COMPUTING)
        await walker.name_groups(until=100)
        said = walker.labelled
        assert len(said) >= 100
        assert len(set(said.values())) == 10
        await wait_for_labels(backend, len(said))
        assert await current_labels(backend, list(said)) == said
        assert all(truth[image] == name for image, name in said.items())
        assert walker.effort.actions <= 40, walker.effort

    run(Options(workspace, engine="process"), person)


@pytest.mark.long  # tests/unit/backend/store/test_label_actions.py keeps it over a restart
def test_undo_outlives_the_window(workspace: Workspace) -> None:
    photos = {painting("red", n): "red" for n in range(4)}

    async def labels_two(app: App) -> None:
        await pool_of(await app.backend, photos)
        page = await learn_page(app)
        view = page.label_view
        await wait_until(lambda: view.item is not None, COMPUTING)
        for _ in range(2):
            QTest.keyClicks(app.window.focusWidget(), "/")
            QTest.keyClicks(view.picker.field, "my red\r")
        await wait_for_labels(await app.backend, 2)

    async def takes_them_back(app: App) -> None:
        page = await learn_page(app)
        backend = await app.backend
        await wait_until(lambda: page.label_view.item is not None, COMPUTING)
        for left in (1, 0):
            page.undo_action.trigger()
            await wait_until(
                lambda: page.label_view.why.text() == "Its label my red was taken back.",
                COMPUTING,
            )
            await wait_for_labels(backend, left)

    run(Options(workspace, engine="process"), labels_two)
    run(Options(workspace, engine="process"), takes_them_back)
