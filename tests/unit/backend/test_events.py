"""Events reach every listener, and a slow one harms nobody."""

from __future__ import annotations

import asyncio

from backend.contract import Event
from backend.events import MAX_PENDING, MAX_REPLAYED, MISSED, EventBroker


async def collect(broker: EventBroker, heartbeat: float = 5.0) -> list[Event | None]:
    return [event async for event in broker.listen(heartbeat)]


async def test_every_listener_gets_every_event_until_the_end() -> None:
    broker = EventBroker()
    tasks = [asyncio.create_task(collect(broker)) for _ in range(2)]
    await asyncio.sleep(0)
    broker.publish(Event("labels", "1"))
    broker.publish(Event("training", "r"))
    broker.close()
    for task in tasks:
        assert await task == [Event("labels", "1"), Event("training", "r")]


async def test_silence_is_filled_with_heartbeats() -> None:
    broker = EventBroker()
    listener = broker.listen(0.01)
    assert await anext(listener) is None
    assert await anext(listener) is None
    await listener.aclose()  # type: ignore[attr-defined]


async def test_a_listener_far_behind_loses_only_the_oldest() -> None:
    broker = EventBroker()
    task = asyncio.create_task(collect(broker))
    await asyncio.sleep(0)
    for number in range(500):
        broker.publish(Event("labels", str(number)))
    broker.close()
    events = await task
    assert events[-1] == Event("labels", "499")
    assert len(events) < 100


async def test_what_was_not_taken_yet_is_not_announced_again() -> None:
    broker = EventBroker()
    task = asyncio.create_task(collect(broker))
    await asyncio.sleep(0)
    broker.publish(Event("models", "pets"))
    for _ in range(500):
        broker.publish(Event("training", "r"))
        broker.publish(Event("labels", "pets"))
    broker.close()
    assert await task == [Event("models", "pets"), Event("training", "r"), Event("labels", "pets")]


async def test_an_event_that_was_taken_is_announced_again() -> None:
    broker = EventBroker()
    listener = broker.listen(60)
    taking = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0)
    broker.publish(Event("training", "r"))
    assert await taking == Event("training", "r")
    broker.publish(Event("training", "r"))
    assert await anext(listener) == Event("training", "r")
    await listener.aclose()  # type: ignore[attr-defined]


async def test_listening_to_what_is_closed_ends_at_once() -> None:
    broker = EventBroker()
    broker.close()
    assert await collect(broker) == []


async def resumed(broker: EventBroker, last_id: str) -> list[tuple[str, Event]]:
    """Return what one who comes back is told at once."""
    told = []
    following = broker.resume(last_id, 0.001)
    async for numbered in following:
        if numbered is None:
            break
        told.append((numbered.id, numbered.event))
    await following.aclose()  # type: ignore[attr-defined]
    return told


async def test_one_who_comes_back_is_told_what_came_since() -> None:
    broker = EventBroker()
    following = broker.resume("", 60)
    taking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    broker.publish(Event("labels", "a"))
    first = await taking
    assert first is not None
    assert await resumed(broker, first.id) == []
    for event in (Event("training", "r"), Event("models", "a"), Event("training", "r")):
        broker.publish(event)
    told = await resumed(broker, first.id)
    assert [event for _, event in told] == [Event("training", "r"), Event("models", "a")]
    # After the first of both, so that the second is told again rather than lost.
    again = await resumed(broker, told[0][0])
    assert [event for _, event in again] == [Event("models", "a"), Event("training", "r")]
    await following.aclose()  # type: ignore[attr-defined]


async def test_one_who_comes_back_too_late_is_told_that_it_missed_some() -> None:
    broker = EventBroker()
    broker.publish(Event("labels", "a"))
    other = EventBroker()
    for last_id in ("x", "-", "aa-1", f"{broker._own}-{'9' * 30}", f"{broker._own}-2"):
        assert [event for _, event in await resumed(broker, last_id)] == [MISSED]
    first = f"{other._own}-1"
    for number in range(MAX_REPLAYED + 2):
        other.publish(Event("labels", str(number % 3)))
    ((last, event),) = await resumed(other, first)
    assert event == MISSED
    assert await resumed(other, last) == []


async def test_a_slow_listener_is_told_that_it_missed_some() -> None:
    broker = EventBroker()
    following = broker.resume("", 60)
    taking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    for number in range(MAX_PENDING + 5):
        broker.publish(Event("labels", str(number)))
    told = await taking
    assert told is not None
    assert told.event == MISSED
    kept = await anext(following)
    assert kept is not None
    assert kept.event == Event("labels", "5")
    await following.aclose()  # type: ignore[attr-defined]
