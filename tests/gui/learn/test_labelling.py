"""Labelling by keyboard: one photo after the other."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from backend.contract import PoolSummary, QueueItem, QueueReason
from desktop.learn.labelling.queue_presenter import QUEUE
from tests.gui.learn.labelling_env import CLASSES, LabellingEnv, PlainBackend, RunLabelling, item
from tests.support.sample_summaries import model
from tests.support.waiting import wait_until


def shown(env: LabellingEnv) -> str:
    photo = env.page.label_view.item
    return "" if photo is None else photo.image


def rows(env: LabellingEnv) -> list[str]:
    return [choice.name for choice in env.page.label_view.picker.choices]


def test_each_answer_takes_one_key(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        assert env.page.label_view.why.text() == "Reason 0."
        assert rows(env) == ["cat", "dog", "cow"]
        env.press(Qt.Key.Key_Return, Qt.Key.Key_Space, "2", "0", "-", "3")
        assert await env.said() == [
            (("photo 0",), "cat"),
            (("photo 1",), "cat"),
            (("photo 2",), "dog"),
            (("photo 3",), "none of these"),
            (("photo 4",), "skipped"),
            (("photo 5",), "cow"),
        ]
        assert shown(env) == "photo 6"

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_two_hundred_fast_keys_put_two_hundred_labels_on_the_right_photos(
    run_labelling: RunLabelling,
) -> None:
    """Without a moment for the window to do anything between two of them."""
    keys = [str(1 + number % 3) for number in range(QUEUE)]

    async def scenario(env: LabellingEnv) -> None:
        seen = []
        for key in keys:
            seen.append((shown(env), rows(env)[int(key) - 1]))
            env.press(key)
        assert seen == [
            (f"photo {number}", ("cat", "dog", "cow")[(number + int(key) - 1) % 3])
            for number, key in enumerate(keys)
        ]
        assert await env.said() == [((image,), name) for image, name in seen]

    names = ("cat", "dog", "cow")
    items = [
        item(number, *(names[(number + rank) % 3] for rank in range(3))) for number in range(QUEUE)
    ]
    run_labelling(PlainBackend(items), scenario)


def test_typing_finds_a_class_and_makes_a_new_one(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("c", "o")
        assert rows(env) == ["cow", "co"]
        env.press(Qt.Key.Key_Return)
        env.press(*"snail", Qt.Key.Key_Return)
        env.press("d", "o", Qt.Key.Key_Down, Qt.Key.Key_Return)
        env.press(*"none", Qt.Key.Key_Escape, "1")
        assert await env.said() == [
            (("photo 0",), "cow"),
            (("photo 1",), "snail"),
            (("photo 2",), "do"),
            (("photo 3",), "cat"),
        ]
        # A class that was just made up has a key from now on.
        assert rows(env) == ["cat", "dog", "cow", "snail", "do"]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_after_the_arrow_keys_the_next_photo_begins_at_its_first_class(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("/", Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Return)
        assert await env.said() == [(("photo 0",), "dog"), (("photo 1",), "cat")]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_a_low_window_offers_fewer_classes_and_still_the_new_one(
    run_labelling: RunLabelling,
) -> None:
    answered = [f"class {number}" for number in range(9)]
    names = [*answered[:4], *CLASSES, *answered[4:6]]

    async def scenario(env: LabellingEnv) -> None:
        assert rows(env) == names
        env.page.resize(1000, 360)
        await wait_until(lambda: len(rows(env)) < 9)
        fewer = rows(env)
        assert fewer == names[: len(fewer)]
        env.press("c")
        assert rows(env)[-1] == "c"

    run_labelling(PlainBackend([item(number, *answered) for number in range(9)]), scenario)


def test_the_arrow_keys_move_the_mark_also_while_nothing_is_typed(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Up, Qt.Key.Key_Return)
        env.press(Qt.Key.Key_Return)
        assert [name for _, name in await env.said()] == ["dog", "cow", "cat"]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_who_deletes_what_they_typed_answers_with_keys_again(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("d", Qt.Key.Key_Backspace, "1")
        assert await env.said() == [(("photo 0",), "cat")]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_a_photo_that_was_labelled_on_another_page_is_not_asked_about(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.desk.answered_elsewhere(["photo 0", "photo 2"], "pets", True)
        env.desk.answered_elsewhere(["photo 1"], "another model", True)
        env.press("1", "1")
        assert [images for images, _ in await env.said()] == [("photo 1",), ("photo 3",)]
        env.desk.answered_elsewhere(["photo 2"], "pets", False)
        await env.queue.refresh()
        while env.page.label_view.item is not None:
            env.press("1")
        assert (("photo 2",), "cat") in await env.said()
        assert (("photo 0",), "cat") not in await env.said()

    run_labelling(PlainBackend([item(number) for number in range(5)]), scenario)


def test_a_key_that_is_held_down_answers_once(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        for repeats in (False, True, True, True):
            pressed = QKeyEvent(
                QEvent.Type.KeyPress,
                Qt.Key.Key_Return,
                Qt.KeyboardModifier.NoModifier,
                "\r",
                repeats,
            )
            QApplication.sendEvent(env.page.label_view, pressed)
        assert await env.said() == [(("photo 0",), "cat")]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_enter_begins_to_type_where_no_class_is_offered(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.desk.show_model(model("new", classes=()), None)
        env.queue.start_again()
        await env.queue.refresh()
        assert rows(env) == []
        env.press(Qt.Key.Key_Return, *"otter", Qt.Key.Key_Return, Qt.Key.Key_Return)
        assert await env.said() == [(("photo 0",), "otter"), (("photo 1",), "otter")]

    items = [QueueItem(f"photo {number}", QueueReason.TYPICAL, "") for number in range(3)]
    run_labelling(PlainBackend(items), scenario)


def test_enter_on_a_button_is_that_button(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.page.label_view.skip.setFocus()
        env.press(Qt.Key.Key_Return)
        env.page.label_view.picker.rows[2].setFocus()
        env.press(Qt.Key.Key_Return)
        assert await env.said() == [(("photo 0",), "skipped"), (("photo 1",), "cow")]

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_undo_goes_back_photo_by_photo_fifty_times(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press(*["1"] * 60)
        for number in range(59, 9, -1):
            env.press(Qt.Key.Key_Z, hold=Qt.KeyboardModifier.ControlModifier)
            assert shown(env) == f"photo {number}"
            assert env.page.label_view.badge.isHidden()
        assert [images for images, _ in await env.said() if images] == [
            (f"photo {number}",) for number in range(10)
        ]

    run_labelling(PlainBackend([item(number) for number in range(80)]), scenario)


def test_left_shows_what_was_said_and_a_new_answer_takes_its_place(
    run_labelling: RunLabelling,
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("1", "2", Qt.Key.Key_Left, Qt.Key.Key_Left)
        assert shown(env) == "photo 0"
        assert env.page.label_view.badge.text == "Cat"
        env.press("3")
        assert shown(env) == "photo 1"
        env.press(Qt.Key.Key_Right)
        assert shown(env) == "photo 2"
        assert (await env.said())[-1] == (("photo 0",), "cow")

    run_labelling(PlainBackend([item(number) for number in range(9)]), scenario)


def test_a_new_queue_leaves_what_is_shown_and_typed(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("1", "c", "o")
        env.backend.items = [item(number) for number in (30, 1, 31)]
        await env.queue.refresh()
        assert shown(env) == "photo 1"
        assert env.page.label_view.picker.field.text() == "co"
        env.press(Qt.Key.Key_Return)
        assert (await env.said())[-1] == (("photo 1",), "cow")

    run_labelling(PlainBackend([item(number) for number in range(3)]), scenario)


def test_what_the_disk_refuses_is_shown_again(run_labelling: RunLabelling) -> None:
    async def scenario(env: LabellingEnv) -> None:
        env.press("1")
        await env.said()
        env.backend.full = True
        env.press("2")
        await env.said()
        assert env.errors == ["The disk is full. Make room."]
        assert shown(env) == "photo 1"
        assert env.page.label_view.badge.isHidden()

    run_labelling(PlainBackend([item(number) for number in range(3)]), scenario)


@pytest.mark.parametrize(
    ("photos", "heading"),
    [
        (PoolSummary(0, 0), "No photos to label yet"),
        (PoolSummary(12, 0), "Every photo is labelled"),
        (PoolSummary(12, 3), "Nothing left that would teach more"),
    ],
)
def test_an_empty_queue_says_why_and_keys_do_nothing(
    run_labelling: RunLabelling, photos: PoolSummary, heading: str
) -> None:
    async def scenario(env: LabellingEnv) -> None:
        empty = env.page.label_view.empty
        assert (empty.heading.text(), empty.button.text()) == (heading, "Go to Classify")
        assert empty.isVisible()
        env.press("1", "0", "-", Qt.Key.Key_Return, "x")
        assert await env.said() == []

    run_labelling(PlainBackend(photos=photos), scenario)
