"""Requests that are computed together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest

from serving.model_server.batching import Batcher, BatchLimits
from serving.tf.messages import types_pb2
from serving.tf.status import Code, ServingError
from serving.tf.tensors import Tensor
from tests.support.waiting import wait_until


class Doubler:
    """Doubles its rows, remembers the batches, and waits while `gate` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[float]] = []

    def __call__(self, feeds: Sequence[Tensor], seconds: float | None) -> list[Tensor]:
        rows = feeds[0].array
        self.batches.append(rows.reshape(len(rows), -1)[:, 0].tolist())
        assert self.gate.wait(60)
        if (rows < 0).any():
            raise ServingError(Code.INVALID_ARGUMENT, "negative")
        return [Tensor(feeds[0].dtype, rows * 2)]


def rows(*values: float) -> list[Tensor]:
    return [Tensor(types_pb2.DT_FLOAT, np.array(values, np.float32))]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class FakeClock:
    """Stands still until `move`, which makes the calls that are due then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> None:
        self.calls.append((when, callback))

    def move(self, seconds: float) -> None:
        self.now += seconds
        due = [call for call in self.calls if call[0] <= self.now]
        self.calls = [call for call in self.calls if call not in due]
        for _, callback in due:
            callback()


def make(computation: Doubler, threads: ThreadPoolExecutor, limits: BatchLimits) -> Batcher:
    return Batcher(computation, limits, threads, nullcontext)


async def test_a_lone_request_does_not_wait(threads: ThreadPoolExecutor) -> None:
    clock = FakeClock()
    batcher = Batcher(Doubler(), BatchLimits(), threads, nullcontext, clock)
    results = await batcher.compute(rows(1, 2))
    assert results[0].array.tolist() == [2, 4]
    assert clock.calls == []


async def test_waiting_requests_are_computed_together_and_get_their_own_rows(
    threads: ThreadPoolExecutor,
) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(max_batch_size=3, slots=1))
    calls = [asyncio.create_task(batcher.compute(rows(value))) for value in range(6)]
    await wait_until(lambda: doubler.batches)
    doubler.gate.set()
    answers = [results[0].array.tolist() for results in await asyncio.gather(*calls)]
    assert answers == [[0], [2], [4], [6], [8], [10]]
    assert doubler.batches == [[0], [1, 2, 3], [4, 5]]


async def test_a_cancelled_request_leaves_the_queue(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(slots=1, max_queued_rows=2))
    calls = [asyncio.create_task(batcher.compute(rows(value))) for value in range(3)]
    await wait_until(lambda: doubler.batches)
    calls[1].cancel()
    await asyncio.sleep(0)
    calls.append(asyncio.create_task(batcher.compute(rows(3))))
    await asyncio.sleep(0)
    doubler.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert doubler.batches == [[0], [2, 3]]


async def test_a_full_queue_refuses(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(slots=1, max_queued_rows=2))
    calls = [asyncio.create_task(batcher.compute(rows(value))) for value in range(3)]
    await wait_until(lambda: doubler.batches)
    with pytest.raises(ServingError) as caught:
        await batcher.compute(rows(9))
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    doubler.gate.set()
    await asyncio.gather(*calls)
    assert [results[0].array.tolist() for results in [await batcher.compute(rows(4))]] == [[8]]


async def test_one_bad_request_harms_only_itself(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(slots=1))
    calls = [asyncio.create_task(batcher.compute(rows(value))) for value in (0, 1, -1, 2)]
    await wait_until(lambda: doubler.batches)
    doubler.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[2], ServingError)
    kept = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert [results[0].array.tolist() for results in kept] == [[0], [2], [4]]


async def test_a_large_request_is_computed_in_parts_or_refused(
    threads: ThreadPoolExecutor,
) -> None:
    doubler = Doubler()
    splitting = make(doubler, threads, BatchLimits(max_batch_size=2, slots=1))
    results = await splitting.compute(rows(1, 2, 3, 4, 5))
    assert results[0].array.tolist() == [2, 4, 6, 8, 10]
    assert doubler.batches == [[1, 2], [3, 4], [5]]
    strict = make(doubler, threads, BatchLimits(max_batch_size=2, splits_large_requests=False))
    with pytest.raises(ServingError, match="Task size 3 is larger than maximum input batch size 2"):
        await strict.compute(rows(1, 2, 3))


async def test_batches_are_padded_to_an_allowed_size(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    batcher = make(doubler, threads, BatchLimits(max_batch_size=8, allowed_sizes=(4, 8)))
    results = await batcher.compute(rows(5, 6))
    assert results[0].array.tolist() == [10, 12]
    assert doubler.batches == [[5, 6, 5, 5]]


async def test_rows_of_unequal_shape_are_kept_apart_or_padded(
    threads: ThreadPoolExecutor,
) -> None:
    def row(*values: float) -> list[Tensor]:
        return [Tensor(types_pb2.DT_FLOAT, np.array([values], np.float32))]

    for pads, expected in ((False, [[0], [1], [2]]), (True, [[0], [1, 2]])):
        doubler = Doubler()
        doubler.gate.clear()
        batcher = make(doubler, threads, BatchLimits(slots=1, pads_variable_lengths=pads))
        calls = [
            asyncio.create_task(batcher.compute(row(*values))) for values in ((0,), (1,), (2, 3))
        ]
        await wait_until(partial(getattr, doubler, "batches"))
        doubler.gate.set()
        answers = [results[0].array.tolist() for results in await asyncio.gather(*calls)]
        assert doubler.batches == expected
        assert answers[2] == [[4, 6]]


async def test_a_batch_waits_until_it_is_full_or_its_time_is_up(
    threads: ThreadPoolExecutor,
) -> None:
    doubler, clock = Doubler(), FakeClock()
    limits = BatchLimits(max_batch_size=3, timeout_seconds=0.05)
    batcher = Batcher(doubler, limits, threads, nullcontext, clock)
    calls = [asyncio.create_task(batcher.compute(rows(1)))]
    await asyncio.sleep(0)
    clock.move(0.03)
    calls.append(asyncio.create_task(batcher.compute(rows(2))))
    await asyncio.sleep(0)
    clock.move(0.01)
    await asyncio.sleep(0)
    assert doubler.batches == []
    clock.move(0.011)
    await asyncio.gather(*calls)
    assert doubler.batches == [[1, 2]]
    await asyncio.gather(*(batcher.compute(rows(value)) for value in (3, 4, 5)))
    assert doubler.batches == [[1, 2], [3, 4, 5]]


async def test_the_event_loop_is_the_clock(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    batcher = make(doubler, threads, BatchLimits(max_batch_size=3, timeout_seconds=0.001))
    await batcher.compute(rows(1))
    assert doubler.batches == [[1]]


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ([], "must have at least one input tensor"),
        ([Tensor(1, np.zeros((), np.float32))], "must have at least one dimension"),
        (
            [Tensor(1, np.zeros(1, np.float32)), Tensor(1, np.zeros(2, np.float32))],
            "must have equal 0th-dimension size",
        ),
    ],
)
async def test_feeds_without_rows_in_common(
    threads: ThreadPoolExecutor, feeds: list[Tensor], message: str
) -> None:
    with pytest.raises(ServingError, match=message):
        await make(Doubler(), threads, BatchLimits()).compute(feeds)


async def test_results_without_the_rows(threads: ThreadPoolExecutor) -> None:
    def mean(feeds: Sequence[Tensor], seconds: float | None) -> list[Tensor]:
        return [Tensor(1, feeds[0].array.mean(keepdims=True))]

    batcher = Batcher(mean, BatchLimits(allowed_sizes=(4,)), threads, nullcontext)
    with pytest.raises(ServingError, match="0th dimension does not equal the sum"):
        await batcher.compute(rows(1, 2))


async def test_a_large_request_lets_others_in_between(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    limits = BatchLimits(max_batch_size=2, slots=1, max_queued_rows=4)
    batcher = make(doubler, threads, limits)
    large = asyncio.create_task(batcher.compute(rows(*range(100))))
    await wait_until(lambda: doubler.batches)
    small = asyncio.create_task(batcher.compute(rows(1000)))
    await asyncio.sleep(0)
    doubler.gate.set()
    assert (await small)[0].array.tolist() == [2000]
    assert (await large)[0].array.tolist() == [2 * value for value in range(100)]
    assert [1000] in doubler.batches[:3]


async def test_rows_that_take_much_are_computed_in_smaller_batches(
    threads: ThreadPoolExecutor,
) -> None:
    doubler = Doubler()
    batcher = make(doubler, threads, BatchLimits(max_batch_size=4, slots=1, max_batch_bytes=10))
    results = await batcher.compute(rows(*range(8)), [1, 1, 1, 1, 9, 2, 30, 1])
    assert results[0].array.tolist() == [2 * value for value in range(8)]
    assert doubler.batches == [[0, 1, 2, 3], [4], [5], [6], [7]]


async def test_requests_that_take_much_do_not_share_a_batch(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(max_batch_size=4, slots=1, max_batch_bytes=10))
    calls = [asyncio.create_task(batcher.compute(rows(value), [6])) for value in range(3)]
    await wait_until(lambda: doubler.batches)
    doubler.gate.set()
    await asyncio.gather(*calls)
    assert doubler.batches == [[0], [1], [2]]


async def test_a_row_too_large_to_be_repeated_is_not_padded(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    limits = BatchLimits(allowed_sizes=(4, 32), max_batch_bytes=100)
    batcher = make(doubler, threads, limits)
    await batcher.compute(rows(1))
    wide = Tensor(types_pb2.DT_FLOAT, np.ones((1, 50), np.float32))
    assert (await batcher.compute([wide]))[0].array.shape == (1, 50)
    assert list(map(len, doubler.batches)) == [4, 1]


async def test_shapes_that_would_multiply_are_not_padded_together(
    threads: ThreadPoolExecutor,
) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    limits = BatchLimits(slots=1, pads_variable_lengths=True, max_batch_bytes=1000)
    batcher = make(doubler, threads, limits)
    shapes = [(1, 1), (20, 1), (1, 100), (1, 2)]
    calls = [
        asyncio.create_task(
            batcher.compute([Tensor(types_pb2.DT_FLOAT, np.ones(shape, np.float32))])
        )
        for shape in shapes
    ]
    await wait_until(lambda: doubler.batches)
    doubler.gate.set()
    answers = await asyncio.gather(*calls)
    assert [results[0].array.shape[0] for results in answers] == [1, 20, 1, 1]
    assert list(map(len, doubler.batches)) == [1, 21, 1]


async def test_rows_that_take_long_leave_a_slot_to_others(threads: ThreadPoolExecutor) -> None:
    doubler = Doubler()
    doubler.gate.clear()
    batcher = make(doubler, threads, BatchLimits(slots=2, max_batch_bytes=100))
    heavy = [asyncio.create_task(batcher.compute(rows(value), [90])) for value in range(3)]
    await wait_until(lambda: doubler.batches)
    light = asyncio.create_task(batcher.compute(rows(7), [1]))
    await wait_until(lambda: len(doubler.batches) == 2)
    assert doubler.batches == [[0], [7]]
    doubler.gate.set()
    await asyncio.gather(light, *heavy)
    assert doubler.batches == [[0], [7], [1], [2]]
