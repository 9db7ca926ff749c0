"""Photos like one, and near-duplicates as stacks: by mouse, by keys, and after a restart."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.classify.gallery_model import STACK
from desktop.classify.gallery_query import Facet, Query, Sort
from desktop.classify.gallery_view import GalleryLayout
from tests.gui.classify.likeness_env import LikenessEnv, photos_of, with_likeness_env
from tests.gui.conftest import Run
from tests.support.waiting import wait_until

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton


def test_photos_like_the_selected_one_are_shown_and_left_again(run: Run, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "album", "red", "blue", "orange", "lime")
    red, blue, orange, lime = photos

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos)
        env.page.select(str(orange))
        await env.press(Key.Key_L)
        await wait_until(env.page.among_bar.isVisible)
        assert env.names == [orange.name, red.name, lime.name, blue.name]
        assert env.page.among_bar.words.text() == "Most like orange-2.jpg"
        assert env.page.selected_keys() == [str(orange)]
        assert env.page.view_menu.sorts[Sort.LIKENESS].isChecked()
        await env.press(Key.Key_Escape)
        assert not env.page.among_bar.isVisible()
        assert env.names == [photo.name for photo in photos]
        assert env.page.selected_keys() == [str(orange)]

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_photos_that_cannot_be_compared_are_counted_and_classified_again(
    run: Run, tmp_path: Path
) -> None:
    photos = photos_of(tmp_path / "album", "red", "blue")

    async def scenario(env: LikenessEnv) -> None:
        embed = env.classify.model.embed
        env.classify.model.embed = lambda jpeg: b""
        await env.classify_photos(photos)
        env.page.select(str(photos[0]))
        await env.press(Key.Key_L)
        await wait_until(lambda: bool(env.classify.notices))
        assert "red-0.jpg cannot be compared yet" in env.classify.notices[0].what
        env.classify.model.embed = embed
        await env.press(Key.Key_R, Qt.KeyboardModifier.ControlModifier)
        await wait_until(lambda: not env.classify.jobs.running)
        await env.press(Key.Key_L)
        await wait_until(env.page.among_bar.compare.isVisible)
        assert env.page.among_bar.compare.text() == "Compare 1 more"
        QTest.mouseClick(env.page.among_bar.compare, LEFT)
        await wait_until(lambda: not env.classify.jobs.running)
        env.grid.setFocus()
        await env.press(Key.Key_L)
        await wait_until(lambda: len(env.names) == 2)
        await wait_until(lambda: not env.page.among_bar.compare.isVisible())

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_near_duplicates_are_a_stack_that_opens_by_mouse_and_key(run: Run, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "album", "red", "blue", "red", "red")

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos)
        await wait_until(lambda: env.names == ["red-0.jpg", "blue-1.jpg"])
        assert env.page.header.sentence.text() == "4 photos"
        assert env.page.shown_keys() == list(map(str, photos)), "all are exported"
        cover = env.grid.photo_model.index(0)
        described = cover.data(Qt.ItemDataRole.AccessibleTextRole)
        assert described.endswith(", in a stack of 3 near-duplicates, closed")
        middle = env.grid.badge_rect(0).center().toPoint()
        QTest.mouseClick(env.grid.viewport(), LEFT, pos=middle)
        assert env.names == ["red-0.jpg", "red-2.jpg", "red-3.jpg", "blue-1.jpg"]
        assert len(env.page.selected_keys()) == 3
        await env.press(Key.Key_S)
        assert env.names == ["red-0.jpg", "blue-1.jpg"]
        assert env.page.selected_keys() == [str(photos[0])]
        env.grid.set_layout(GalleryLayout.LIST)
        middle = env.grid.badge_rect(0).center().toPoint()
        QTest.mouseClick(env.grid.viewport(), LEFT, pos=middle)
        assert len(env.names) == 4
        env.page.view_menu.stacking.trigger()
        assert env.names == ["red-0.jpg", "blue-1.jpg", "red-2.jpg", "red-3.jpg"]
        assert cover.data(STACK) is None

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_stacks_are_there_after_a_restart_and_only_of_photos_that_pass(
    run: Run, tmp_path: Path
) -> None:
    photos = photos_of(tmp_path / "album", "red", "red", "blue")

    async def first(env: LikenessEnv) -> None:
        await env.classify_photos(photos)

    async def second(env: LikenessEnv) -> None:
        assert env.names == ["red-0.jpg", "blue-2.jpg"]
        await env.classify.presenter.label([str(photos[0])], "tiger").result()
        env.page.set_query(Query().with_values(Facet.LABEL, [""]))
        assert env.names == ["red-1.jpg", "blue-2.jpg"]
        assert env.grid.photo_model.index(0).data(STACK) is None
        env.page.set_query(Query())
        env.classify.gallery.remove([str(photos[0])])
        assert env.names == ["red-1.jpg", "blue-2.jpg"]

    run(lambda: with_likeness_env(tmp_path, first))
    run(lambda: with_likeness_env(tmp_path, second))


def test_the_photo_that_a_person_looks_at_stays_in_sight(run: Run, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "album", "red", "blue", "red")

    async def scenario(env: LikenessEnv) -> None:
        env.page.set_query(Query(sort=Sort.NAME))
        await env.classify_photos(photos[:2])
        await env.classify_photos(photos[2:])
        assert env.page.selected_keys() == [str(photos[2])]
        assert env.names == ["blue-1.jpg", "red-0.jpg", "red-2.jpg"]
        assert env.grid.photo_model.index(2).data(STACK).is_open

    run(lambda: with_likeness_env(tmp_path, scenario))
