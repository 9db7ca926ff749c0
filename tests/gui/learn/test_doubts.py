"""Labels that may be wrong: one key mends each, one keeps it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from backend.contract import Conflict, IssueKind, Label, LabelIssue
from desktop.learn.page import LearnView
from tests.gui.learn.labelling_env import LabellingEnv, PlainBackend, RunLabelling

pytestmark = pytest.mark.parametrize("run_labelling", [LearnView.DOUBTS], indirect=True)

CONTRADICTED = LabelIssue("a", "can", "bottle", 0.9, IssueKind.CONTRADICTED)
DUPLICATE = LabelIssue("b", "can", "bottle", 0.8, IssueKind.DUPLICATE, "c")
DARK = LabelIssue("d", "can", "", 0.7, IssueKind.DARK)
DISPUTED = Conflict(
    "e",
    [
        Label(2, "e", "paper", "2026-05-02", by="anna"),
        Label(1, "e", "card", "2026-05-01", by="ben"),
    ],
)


def shown(env: LabellingEnv) -> str:
    doubt = env.page.doubts_view.doubt
    return "" if doubt is None else doubt.image


def tab(env: LabellingEnv) -> str:
    return env.page.tabs.tabText(env.page.tabs.indexOf(env.page.doubts_view))


def test_one_key_mends_and_one_keeps(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        assert [tile.lines[0].text for tile in env.page.doubts_view.list.tiles] == ["can"] * 3
        assert tab(env) == "Doubtful labels (3)"
        env.press(Qt.Key.Key_Return)
        assert shown(env) == "b"
        env.press("-")
        env.press("0")
        assert await env.said() == [
            (("a",), "bottle"),
            (("b",), "can"),
            (("c",), "bottle"),
            (("d",), "none of these"),
        ]
        assert env.page.doubts_view.empty.heading.text() == "No label is in doubt"
        assert tab(env) == "Doubtful labels"

    run_labelling(PlainBackend(issues=[CONTRADICTED, DUPLICATE, DARK]), scenario)


def test_what_was_answered_does_not_come_back_before_the_backend_knows(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("-")
        await env.doubts.refresh()
        assert shown(env) == "d"
        assert tab(env) == "Doubtful labels (1)"

    run_labelling(PlainBackend(issues=[CONTRADICTED, DARK]), scenario)


def test_nearly_equal_photos_are_side_by_side_and_get_one_label(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        view = env.page.doubts_view
        assert (view.stage.image, view.other.image) == ("b", "c")
        assert view.other.isVisible()
        assert (view.caption.text(), view.other_caption.text()) == ("can", "bottle")
        env.press("2")
        assert await env.said() == [(("b", "c"), "bottle")]

    run_labelling(PlainBackend(issues=[DUPLICATE]), scenario)


def test_people_who_disagree_are_named_and_one_key_settles_it(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        view = env.page.doubts_view
        assert shown(env) == "e"
        assert view.sentence.text().startswith("anna says paper and ben says card.")
        assert not view.keep.isVisible()
        env.press("-")  # nobody is right so
        assert await env.said() == []
        env.press("2")
        assert await env.said() == [(("e",), "card")]
        assert shown(env) == "a"

    run_labelling(PlainBackend(issues=[CONTRADICTED], disputed=[DISPUTED]), scenario)


def test_down_goes_to_the_next_and_undo_comes_back(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(Qt.Key.Key_Down)
        assert shown(env) == "b"
        env.press("-")
        assert shown(env) == "d"
        env.press(Qt.Key.Key_Z, hold=Qt.KeyboardModifier.ControlModifier)
        assert shown(env) == "b"
        assert [images for images, _ in await env.said() if images] == []

    run_labelling(PlainBackend(issues=[CONTRADICTED, DUPLICATE, DARK]), scenario)


def test_typing_another_class_mends_too(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(*"jar", Qt.Key.Key_Return)
        assert await env.said() == [(("a",), "jar")]

    run_labelling(PlainBackend(issues=[CONTRADICTED]), scenario)
