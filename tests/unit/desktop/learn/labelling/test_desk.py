"""What all ways to label share: the classes with their keys, and undoing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.contract import ClassCount, LabelAction, LabelKind, LabelSummary, ModelSummary
from desktop.learn.labelling.answer import NONE_OF_THESE, Answer
from desktop.learn.labelling.desk import LabellingDesk
from desktop.learn.labelling.sender import Sender
from serving.errors import ServeryError
from tests.support.sample_summaries import model


class Backend:
    """Keeps actions, as the backend does."""

    def __init__(self, *actions: LabelAction) -> None:
        self.actions = list(actions)
        self.log: list[str] = []

    async def label_actions(self, model: str | None = None, count: int = 50) -> list[LabelAction]:
        return self.actions[:count]

    async def undo_action(self, action: int) -> LabelAction:
        (found,) = (each for each in self.actions if each.id == action)
        undone = replace(found, undone=True)
        self.actions[self.actions.index(found)] = undone
        return undone

    async def store(self, images: Sequence[str], answer: Answer, model: str) -> str:
        self.log.append(f"{','.join(images)} is {answer.text}")
        return answer.text

    async def withdraw(self, receipt: str) -> None:
        self.log.append(f"not {receipt}")


def action(number: int, by: str, *, undone: bool = False) -> LabelAction:
    return LabelAction(number, "2026-05-01", by, "cat", LabelKind.CLASS, ["a"], 1, undone)


def desk_of(backend: Backend, pets: ModelSummary | None = None) -> LabellingDesk[str]:
    sender: Sender[str] = Sender(backend.store, backend.withdraw, lambda given, error: None)
    desk = LabellingDesk(sender, backend, "anna")
    desk.show_model(pets or model("pets", classes=("cat", "dog")), LabelSummary(0, 0, []))
    return desk


def counts(**labels: int) -> LabelSummary:
    return LabelSummary(9, 0, [ClassCount(name, number, True) for name, number in labels.items()])


async def test_the_last_answer_of_this_window_is_undone_first() -> None:
    backend = Backend(action(3, "anna"))
    desk = desk_of(backend)
    went_back: list[str] = []
    async with desk.sender.running():
        desk.give([(["a"], Answer("cat"))], lambda: went_back.append("a"))
        desk.give(
            [(["b", "c"], Answer("dog")), (["d"], NONE_OF_THESE)], lambda: went_back.append("b")
        )
        assert desk.undo()
        assert desk.undo()
        assert not desk.undo()
    assert went_back == ["b", "a"]
    assert backend.log == [
        "a is cat",
        "b,c is dog",
        "d is none of these",
        "not dog",
        "not none of these",
        "not cat",
    ]
    assert not backend.actions[0].undone


async def test_before_this_window_the_last_action_of_the_same_person_is_undone() -> None:
    backend = Backend(
        action(4, "ben"), action(3, "anna", undone=True), action(2, "anna"), action(1, "")
    )
    desk = desk_of(backend)
    async with desk.sender.running():
        undone = [await desk.undo_earlier() for _ in range(3)]
    assert [each and each.id for each in undone] == [2, 1, None]
    assert not backend.actions[0].undone


async def test_fifty_actions_of_before_can_be_undone() -> None:
    backend = Backend(*(action(number, "anna") for number in range(60, 0, -1)))
    desk = desk_of(backend)
    async with desk.sender.running():
        undone = [await desk.undo_earlier() for _ in range(50)]
    assert [each.id for each in undone if each] == list(range(60, 10, -1))


async def test_what_cannot_be_stored_is_shown_again_and_not_undone() -> None:
    backend = Backend()

    async def refuse(images: Sequence[str], answer: Answer, model: str) -> str:
        raise ServeryError("The disk is full.", "Make room.")

    went_back: list[str] = []
    sender: Sender[str] = Sender(refuse, backend.withdraw, lambda given, error: desk.give_up(given))
    desk = LabellingDesk(sender, backend, "anna")
    async with sender.running():
        desk.give([(["a"], Answer("cat"))], lambda: went_back.append("a"))
    assert went_back == ["a"]
    assert not desk.undo()


async def test_classes_keep_their_keys_while_labels_are_given() -> None:
    backend = Backend()
    pets = model("pets", classes=("cat", "dog"))
    desk = desk_of(backend, pets)
    async with desk.sender.running():
        desk.show_model(pets, counts(dog=5, cat=2))
        desk.give([(["a"], Answer("axolotl"))], lambda: None)
        desk.show_model(pets, counts(cat=9, dog=6, axolotl=1))
        assert list(desk.taught) == ["dog", "cat", "axolotl"]
        assert desk.known.named("Axolotl") == "axolotl"


async def test_a_class_that_was_renamed_gives_its_key_up() -> None:
    pets = model("pets", classes=("cat", "dog"))
    desk = desk_of(Backend(), pets)
    desk.show_model(pets, counts(dog=5, cat=2))
    desk.show_model(pets, counts(hound=5, cat=2))
    assert list(desk.taught) == ["cat", "hound"]


async def test_another_model_has_classes_and_answers_of_its_own() -> None:
    backend = Backend()
    desk = desk_of(backend)
    async with desk.sender.running():
        desk.give([(["a"], Answer("axolotl"))], lambda: None)
        desk.show_model(model("cars", classes=("bus",)), counts(bus=2))
        assert list(desk.taught) == ["bus"]
        assert not desk.undo()
