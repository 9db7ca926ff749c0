"""Benchmarks that wait say how far it is, and end with a sentence if nothing comes."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.benchmarks.waits import NeverCame, reach, within


async def test_a_wait_ends_with_what_it_was_for() -> None:
    with pytest.raises(NeverCame) as caught:
        await reach("the photos to be shown", lambda: False, 0.05)
    assert caught.value.what == "Gave up: waited for the photos to be shown for 0 s."


async def test_a_wait_goes_on_as_long_as_there_is_something_new(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = itertools.count()
    seen = 0

    def look() -> str:
        nonlocal seen
        seen = min(next(numbers), 40)
        return f"{seen} of 90 answered"

    # It stands still at 40, long after as many looks as one limit has time for.
    with pytest.raises(NeverCame, match="waited for answers for 0 s at 40 of 90 answered"):
        await reach("answers", lambda: seen == 90, 0.2, look, say_seconds=0.0)
    said = capsys.readouterr().err.splitlines()
    assert len(said) > 1
    assert said[-1] == "40 of 90 answered, waiting for answers"


async def test_a_wait_takes_coroutine_functions_too() -> None:
    looks = 0

    async def arrived() -> bool:
        nonlocal looks
        looks += 1
        return looks == 3

    await reach("labels", arrived, 60)
    assert looks == 3


async def test_what_does_not_end_is_given_up() -> None:
    with pytest.raises(NeverCame, match="waited for the picture"):
        await within("the picture", asyncio.Event().wait(), 0.01)
    assert await within("the picture", asyncio.sleep(0, "there"), 60) == "there"
