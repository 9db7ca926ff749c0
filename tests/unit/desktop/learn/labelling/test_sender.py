"""Answers are stored in the order in which they were given, whatever the disk does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.sender import GivenAnswer, Sender
from serving.errors import ServeryError


class Disk:
    """Stores when it is released, and refuses what it is told to."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.log: list[str] = []
        self.refuses: set[str] = set()
        self.failed: list[tuple[str, str]] = []

    async def store(self, images: Sequence[str], answer: Answer, model: str) -> str:
        await self.released.wait()
        if answer.class_name in self.refuses:
            raise ServeryError("The disk is full.", "Make room.")
        self.log.append(f"{model}: {','.join(images)} is {answer.class_name}")
        return answer.class_name

    async def withdraw(self, receipt: str) -> None:
        self.log.append(f"not {receipt}")

    def note_failed(self, given: GivenAnswer[str], error: Exception) -> None:
        self.failed.append((given.answer.class_name, str(error)))

    def sender(self) -> Sender[str]:
        return Sender(self.store, self.withdraw, self.note_failed)


async def test_neither_answers_nor_their_undoing_overtake_each_other() -> None:
    disk = Disk()
    sender = disk.sender()
    async with sender.running():
        first = sender.give(["a"], Answer("cat"), "pets")
        sender.give(["b", "c"], Answer("dog"), "pets")
        sender.take_back(first)
        sender.give(["a"], Answer("cow"), "farm")
        assert disk.log == []
        disk.released.set()
        await sender.settled()
    assert disk.log == ["pets: a is cat", "pets: b,c is dog", "not cat", "farm: a is cow"]


async def test_answers_are_stored_after_one_whose_failure_could_not_be_shown() -> None:
    disk = Disk()
    disk.released.set()
    disk.refuses.add("cat")
    sender = disk.sender()

    def fail(given: GivenAnswer[str], error: Exception) -> None:
        raise RuntimeError("the page is gone")

    sender.on_failed = fail
    async with sender.running():
        sender.give(["a"], Answer("cat"), "pets")
        sender.give(["b"], Answer("dog"), "pets")
        await sender.settled()
    assert disk.log == ["pets: b is dog"]


async def test_what_was_given_is_stored_before_the_window_ends() -> None:
    disk = Disk()
    sender = disk.sender()
    async with sender.running():
        for number in range(200):
            sender.give([f"photo {number}"], Answer(f"class {number}"), "pets")
        disk.released.set()
    assert disk.log == [f"pets: photo {number} is class {number}" for number in range(200)]


async def test_an_answer_that_cannot_be_stored_is_reported_and_costs_no_other() -> None:
    disk = Disk()
    disk.refuses, sender = {"dog"}, disk.sender()
    disk.released.set()
    async with sender.running():
        sender.give(["a"], Answer("cat"), "pets")
        lost = sender.give(["b"], Answer("dog"), "pets")
        sender.take_back(lost)
        sender.give(["c"], Answer("cow"), "pets")
    assert disk.log == ["pets: a is cat", "pets: c is cow"]
    assert disk.failed == [("dog", "The disk is full. Make room.")]


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ServeryError("Full.", "Make room.")])
async def test_no_error_keeps_the_window_from_ending(error: Exception) -> None:
    disk = Disk()

    async def store(images: Sequence[str], answer: Answer, model: str) -> str:
        raise error

    sender: Sender[str] = Sender(store, disk.withdraw, disk.note_failed)
    async with sender.running():
        sender.give(["a"], Answer("cat"), "pets")
        sender.give(["b"], Answer("dog"), "pets")
    assert [name for name, _ in disk.failed] == ["cat", "dog"]
