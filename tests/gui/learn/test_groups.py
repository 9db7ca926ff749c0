"""Naming photos that look alike, a group at a time."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from backend.contract import Cluster, PoolSummary
from desktop.learn.page import LearnView
from tests.gui.learn.labelling_env import LabellingEnv, PlainBackend, RunLabelling, item

pytestmark = pytest.mark.parametrize("run_labelling", [LearnView.GROUPS], indirect=True)

ALT, CONTROL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier


def groups(*letters: str, suggestion: str = "") -> list[Cluster]:
    """Each letter is a photo."""
    return [Cluster(number, list(each), suggestion) for number, each in enumerate(letters, 1)]


def shown(env: LabellingEnv) -> str:
    group = env.page.groups_view.group
    return "" if group is None else "".join(group.images)


def click(env: LabellingEnv, number: int) -> None:
    grid = env.page.groups_view.grid
    at = grid.visualRect(grid.model().index(number, 0)).center()
    QTest.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_group_is_named_with_one_key_and_exceptions_are_clicked_away(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        assert env.page.groups_view.heading.text() == "5 photos that look alike"
        click(env, 1)
        click(env, 3)
        assert env.page.groups_view.heading.text() == "3 of 5 photos that look alike"
        click(env, 3)  # back again
        env.press(Qt.Key.Key_Return)
        assert shown(env) == "fg"
        env.press("2")
        assert await env.said() == [(("a", "c", "d", "e"), "cow"), (("f", "g"), "cat")]
        heading = env.page.groups_view.empty.heading
        assert heading.text() == "Looking for more photos that look alike"
        env.backend.groups = groups("b")
        await env.groups.refresh()
        assert shown(env) == "b"
        env.press("-")
        assert heading.text() == "Every group has been looked at"
        await env.groups.refresh()
        assert shown(env) == ""

    run_labelling(PlainBackend(groups=groups("abcde", "fg", suggestion="cow")), scenario)


def test_a_group_without_photos_cannot_be_named_and_says_so(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        click(env, 0)
        assert env.page.groups_view.hint.text().startswith("Click what does not belong")
        click(env, 1)
        assert env.page.groups_view.hint.text().startswith("Every photo is taken out")
        env.press(Qt.Key.Key_Return)
        assert (shown(env), await env.said()) == ("ab", [])
        click(env, 1)
        env.press(Qt.Key.Key_Return)
        assert await env.said() == [(("b",), "cow")]

    run_labelling(PlainBackend(groups=groups("ab", suggestion="cow")), scenario)


def test_what_was_clicked_away_is_there_when_the_view_is_shown_again(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        click(env, 0)
        env.press(Qt.Key.Key_Right, hold=ALT)
        click(env, 3)
        env.press(Qt.Key.Key_Left, hold=ALT)
        env.page.show_view(LearnView.LABEL)
        env.backend.groups = groups("defgx")  # made again, as the backend does
        env.page.show_view(LearnView.GROUPS)
        await env.groups.refresh()
        assert env.page.groups_view.heading.text() == "2 of 3 photos that look alike"
        env.press(Qt.Key.Key_Right, hold=ALT)
        assert shown(env) == "defgx"
        assert env.page.groups_view.heading.text() == "4 of 5 photos that look alike"

    run_labelling(PlainBackend(groups=groups("abc", "defg")), scenario)


def test_the_keyboard_alone_takes_photos_out(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(Qt.Key.Key_Right, Qt.Key.Key_Space, *"snail", Qt.Key.Key_Return)
        assert await env.said() == [(("a", "c"), "snail")]
        env.press(Qt.Key.Key_Return)  # what was made up last is offered, but not first
        assert (await env.said())[-1] == (("d", "e"), "cat")

    run_labelling(PlainBackend(groups=groups("abc", "de")), scenario)


def test_the_keys_work_again_once_there_are_new_groups(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("1")
        env.backend.groups = groups("cd")
        await env.groups.refresh()
        env.press(Qt.Key.Key_Right, Qt.Key.Key_Space, "2")
        assert await env.said() == [(("a", "b"), "cat"), (("c",), "dog")]

    run_labelling(PlainBackend(groups=groups("ab")), scenario)


def test_none_of_these_and_skip(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("-", "0")
        env.backend.groups = groups("ab", "cd")
        await env.groups.refresh()
        assert shown(env) == "d"
        assert await env.said() == [(("c",), "none of these")]

    run_labelling(PlainBackend(groups=groups("ab", "c")), scenario)


def test_undo_shows_the_group_with_what_was_taken_out(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        click(env, 0)
        env.press("1", "1")
        env.press(Qt.Key.Key_Z, Qt.Key.Key_Z, hold=CONTROL)
        assert shown(env) == "abc"
        assert env.page.groups_view.heading.text() == "2 of 3 photos that look alike"
        assert [images for images, _ in await env.said() if images] == []

    run_labelling(PlainBackend(groups=groups("abc", "de")), scenario)


def test_going_back_and_forth_names_nothing(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(Qt.Key.Key_Right, Qt.Key.Key_Left, hold=ALT)
        assert shown(env) == "ab"
        env.press(Qt.Key.Key_Right, hold=ALT)
        assert shown(env) == "c"
        assert await env.said() == []

    run_labelling(PlainBackend(groups=groups("ab", "c")), scenario)


def test_what_is_named_here_is_not_asked_one_by_one_and_the_reverse(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        await env.queue.refresh()
        env.press("1")
        env.page.show_view(LearnView.LABEL)
        photo = env.page.label_view.item
        assert photo is not None
        assert photo.image == "photo 3"
        env.press("2")
        assert env.page.label_view.item is None
        env.page.show_view(LearnView.GROUPS)
        assert shown(env) == "x"
        env.press(Qt.Key.Key_Z, hold=CONTROL)
        assert env.page.label_view.item is photo

    backend = PlainBackend(
        [item(number) for number in range(4)],
        groups=[
            Cluster(1, [f"photo {number}" for number in range(3)]),
            Cluster(2, ["photo 3", "x"]),
        ],
    )
    run_labelling(backend, scenario)


def test_without_groups_it_leads_on(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        empty = env.page.groups_view.empty
        assert empty.heading.text() == "No photos that look alike"
        empty.button.click()
        assert env.page.view is LearnView.LABEL

    run_labelling(PlainBackend(photos=PoolSummary(9, 3)), scenario)
