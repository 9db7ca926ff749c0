"""Walking through the queue: an answer is for the photo at the position, whatever happens."""

from __future__ import annotations

import random

from desktop.learn.labelling.answer import NONE_OF_THESE, Answer
from desktop.learn.labelling.queue_walk import KEPT_AHEAD, NextPhoto, QueueWalk

CAT, DOG = Answer("cat"), Answer("dog")


def photos(*numbers: int) -> list[NextPhoto]:
    return [NextPhoto(f"photo {number}", f"Reason {number}.") for number in numbers]


def walk_of(count: int) -> QueueWalk:
    walk = QueueWalk()
    walk.refill(photos(*range(count)))
    return walk


def current(walk: QueueWalk) -> str:
    item = walk.current
    return "" if item is None else item.image


def test_an_answer_is_for_the_current_photo_and_shows_the_next() -> None:
    walk = walk_of(2)
    labelled = walk.answer(CAT)
    assert labelled is not None
    assert labelled.image == "photo 0"
    assert (current(walk), walk.answer_of("photo 0"), walk.left) == ("photo 1", CAT, 1)


def test_behind_the_last_photo_nothing_is_answered() -> None:
    walk = walk_of(1)
    walk.answer(CAT)
    assert walk.answer(DOG) is None
    assert (walk.current, walk.answered) == (None, 1)


def test_a_new_queue_moves_neither_the_current_photo_nor_those_made_ready() -> None:
    walk = walk_of(KEPT_AHEAD + 20)
    walk.answer(CAT)
    ready = [each.image for each in walk.near(0, KEPT_AHEAD)]
    walk.refill(photos(*range(100, 110)))
    assert current(walk) == "photo 1"
    assert [each.image for each in walk.near(0, KEPT_AHEAD)] == ready
    assert walk.near(0, KEPT_AHEAD + 1)[-1].image == "photo 100"


def test_a_photo_that_was_answered_does_not_come_back_with_a_late_queue() -> None:
    walk = walk_of(3)
    walk.answer(CAT)
    walk.answer(NONE_OF_THESE)
    walk.refill(photos(0, 1, 2, 3))
    assert [current(walk), *(each.image for each in walk.near(0, 9))] == ["photo 2", "photo 3"]


def test_going_back_and_answering_again_corrects_that_photo_alone() -> None:
    walk = walk_of(3)
    walk.answer(CAT)
    walk.answer(CAT)
    assert walk.back()
    assert walk.back()
    assert not walk.back()
    walk.answer(DOG)
    assert (current(walk), walk.answer_of("photo 0"), walk.answer_of("photo 1")) == (
        "photo 1",
        DOG,
        CAT,
    )
    assert walk.answered == 2


def test_forward_gives_no_answer_and_ends_behind_the_last() -> None:
    walk = walk_of(2)
    assert walk.forward()
    assert walk.forward()
    assert not walk.forward()
    assert (walk.answered, walk.current) == (0, None)


def test_taking_an_answer_back_goes_to_its_photo_with_what_was_said_before() -> None:
    walk = walk_of(5)
    for _ in range(3):
        walk.answer(CAT)
    assert walk.take_back("photo 1", DOG)
    assert (current(walk), walk.answer_of("photo 1")) == ("photo 1", DOG)
    assert walk.take_back("photo 0")
    assert (current(walk), walk.answer_of("photo 0")) == ("photo 0", None)
    assert not walk.take_back("gone")


def test_photos_of_an_earlier_window_come_before_the_current_one() -> None:
    walk = walk_of(3)
    walk.answer(CAT)
    walk.insert(photos(7, 2))
    assert [current(walk), *(each.image for each in walk.near(0, 9))] == [
        "photo 7",
        "photo 2",
        "photo 1",
    ]


def test_what_was_answered_elsewhere_is_left_out_unless_it_was_passed() -> None:
    walk = walk_of(5)
    walk.answer(CAT)
    walk.remove(["photo 0", "photo 1", "photo 3"])
    assert [current(walk), *(each.image for each in walk.near(0, 9))] == ["photo 2", "photo 4"]
    walk.back()
    assert current(walk) == "photo 0"
    walk.refill(photos(1, 3, 9))
    assert [each.image for each in walk.near(0, 9)] == ["photo 2", "photo 4", "photo 9"]
    walk.readmit(["photo 3"])
    walk.refill(photos(1, 3))
    assert [each.image for each in walk.near(0, 9)] == ["photo 2", "photo 4", "photo 9", "photo 3"]


def test_in_any_order_of_events_each_answer_is_for_the_photo_that_was_shown() -> None:
    """Answers, steps, undo and new queues in random order, against a plain record of them."""
    for seed in range(200):
        chance = random.Random(seed)
        walk = walk_of(30)
        said: dict[str, Answer] = {}
        steps: list[tuple[str, Answer | None]] = []
        for number in range(120):
            shown = current(walk)
            match chance.choice(("answer", "answer", "answer", "back", "on", "undo", "queue")):
                case "answer" if shown:
                    answer = Answer(f"class {number}")
                    steps.append((shown, said.get(shown)))
                    said[shown] = answer
                    labelled = walk.answer(answer)
                    assert labelled is not None
                    assert labelled.image == shown
                case "back":
                    walk.back()
                case "on":
                    walk.forward()
                case "undo" if steps:
                    image, before = steps.pop()
                    said.pop(image)
                    if before is not None:
                        said[image] = before
                    walk.take_back(image, before)
                    assert current(walk) == image
                case "queue":
                    walk.refill(photos(*chance.sample(range(200), 40)))
                    assert not shown or current(walk) == shown
            assert {name: walk.answer_of(name) for name in said} == said
            assert walk.answered == len(said)
