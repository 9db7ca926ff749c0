"""Batches of the requests of several callers, computed together.

A lone request never waits for others: it is computed as soon as a slot is free.
While all slots are busy, requests queue up, and the next free slot takes as many as a
batch may hold. With two slots one batch is decoded during the arithmetic of another.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from serving.model_server.overload import QueueFull
from serving.tf.session import Computation
from serving.tf.status import Code, ServingError, failed_precondition, invalid
from serving.tf.tensors import Array, Tensor, memory_of


class Clock(Protocol):
    """What the batcher needs of an event loop: the time, and a call at a later one."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Any: ...


@dataclass(frozen=True)
class BatchLimits:
    """How batches are formed; sizes count rows."""

    max_batch_size: int = 32
    slots: int = 2
    max_queued_rows: int = 256
    """Rows that may wait; more are refused."""
    overload_code: Code = Code.RESOURCE_EXHAUSTED
    timeout_seconds: float = 0.0
    """How long a batch waits to fill up; 0 computes at once."""
    splits_large_requests: bool = True
    """Whether a request larger than a batch is computed in parts, or refused."""
    max_request_rows: int | None = None
    """Rows of one request if it may be split; None sets no limit."""
    allowed_sizes: tuple[int, ...] = ()
    """If given, batches are padded up to one of these sizes, with copies of the first row."""
    pads_variable_lengths: bool = False
    """Whether rows of unequal shape are padded to the largest, or computed apart."""
    max_batch_bytes: int = 128 << 20
    """What the rows of a batch take while they are computed, as far as that is known, unless
    one takes more by itself; and what padding may add."""


@dataclass
class _Piece:
    """Some rows of one request."""

    feeds: Sequence[Tensor]
    rows: int
    size: int
    """Bytes that the rows take while they are computed."""
    kind: tuple[object, ...]
    """Pieces of equal kind can share a batch."""
    arrived: float
    done: asyncio.Future[list[Tensor]]
    waits: bool = True
    """False once it is computed or cancelled; it may still be in the queue then."""


class Batcher:
    """The queue in front of one computation. Belongs to one event loop.

    `hold` keeps the computation's version loaded while a batch is computed. `clock`
    is the event loop unless another one is passed.
    """

    def __init__(
        self,
        computation: Computation,
        limits: BatchLimits,
        threads: Executor,
        hold: Callable[[], AbstractContextManager[None]],
        clock: Clock | None = None,
    ) -> None:
        self._computation, self._limits, self._threads = computation, limits, threads
        self._hold = hold
        self._clock = clock or asyncio.get_running_loop()
        self._queue: deque[_Piece] = deque()
        self._waiting_rows = 0
        self._running: set[asyncio.Task[None]] = set()
        self._heavy_running = 0
        self._has_timer = False

    @property
    def is_full(self) -> bool:
        """Whether even a request of one row would be refused."""
        return self._waiting_rows >= max(1, self._limits.max_queued_rows)

    async def compute(self, feeds: Sequence[Tensor], row_sizes: Sequence[int] = ()) -> list[Tensor]:
        """Return this request's rows of the results.

        `row_sizes`, if there are as many as rows, are bytes that each takes to compute.
        Of a request that is larger than a batch, no more waits at a time than the slots can
        take, so that it neither fills the queue nor delays others by more than that.

        Raises ServingError: INVALID_ARGUMENT if the feeds have no common number of rows or
        too many, `BatchLimits.overload_code` if too many rows are waiting. Cancelling takes
        the request out of the queue.
        """
        rows = _row_count(feeds)
        limits = self._limits
        if len(row_sizes) != rows:
            row_sizes = ()
        largest = limits.max_batch_size
        if limits.splits_large_requests:
            largest = limits.max_request_rows or rows
        if rows > largest:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {largest}")
        at_first = min(rows, limits.slots * limits.max_batch_size)
        if self._waiting_rows and self._waiting_rows + at_first > limits.max_queued_rows:
            raise QueueFull(
                limits.overload_code,
                "The batch scheduling queue to which this task was submitted is full; "
                f"{self._waiting_rows} rows are waiting.",
            )
        parts = []
        waiting: deque[_Piece] = deque()
        try:
            for start, stop in _spans(rows, row_sizes, limits):
                if len(waiting) == limits.slots:
                    parts.append(await waiting[0].done)
                    waiting.popleft()
                waiting.append(self._enqueue(feeds, start, stop, sum(row_sizes[start:stop])))
                self._start_batches()
            for piece in waiting:
                parts.append(await piece.done)
        except ServingError as error:
            # Its traceback has this frame, which has the piece, which has the error: a circle
            # that would keep what was sent in memory until it is looked for.
            error.__traceback__ = None
            raise ServingError(error.code, error.message) from None
        finally:
            # After an error or a cancellation some pieces may still be in the queue.
            for piece in waiting:
                self._stop_waiting(piece)
                piece.done.cancel()
        if len(parts) == 1:
            return parts[0]
        return [
            Tensor(tensors[0].dtype, np.concatenate([tensor.array for tensor in tensors]))
            for tensors in zip(*parts, strict=True)
        ]

    def _enqueue(self, feeds: Sequence[Tensor], start: int, stop: int, size: int) -> _Piece:
        pads = self._limits.pads_variable_lengths
        kind = tuple((dtype, array.ndim if pads else array.shape[1:]) for dtype, array in feeds)
        part = [Tensor(dtype, array[start:stop]) for dtype, array in feeds]
        done = asyncio.get_running_loop().create_future()
        piece = _Piece(part, stop - start, size, kind, self._clock.time(), done)
        self._queue.append(piece)
        self._waiting_rows += piece.rows
        return piece

    def _stop_waiting(self, piece: _Piece) -> None:
        if piece.waits:
            piece.waits = False
            self._waiting_rows -= piece.rows

    def _start_batches(self) -> None:
        """Start as many batches as are due and have a free slot."""
        while len(self._running) < self._limits.slots:
            while self._queue and not self._queue[0].waits:
                self._queue.popleft()
            if not self._queue or not self._is_due():
                return
            batch = self._next_batch()
            if not batch:
                return
            self._heavy_running += self._is_heavy(batch[0])
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)

    def _is_due(self) -> bool:
        if self._limits.timeout_seconds <= 0 or self._waiting_rows >= self._limits.max_batch_size:
            return True
        due = self._queue[0].arrived + self._limits.timeout_seconds
        if self._clock.time() >= due:
            return True
        # One timer is enough: it starts what is due, and is set again for what is not.
        if not self._has_timer:
            self._has_timer = True
            self._clock.call_at(due, self._on_timer)
        return False

    def _on_timer(self) -> None:
        self._has_timer = False
        self._start_batches()

    def _next_batch(self) -> list[_Piece]:
        batch: list[_Piece] = []
        skipped: deque[_Piece] = deque()
        free_rows, free_bytes = self._limits.max_batch_size, self._limits.max_batch_bytes
        # Rows that take long leave a slot to others.
        admits_heavy = self._heavy_running < max(1, self._limits.slots - 1)
        while self._queue and free_rows > 0:
            piece = self._queue.popleft()
            if not piece.waits:
                continue
            if self._is_heavy(piece) and not admits_heavy:
                skipped.append(piece)
                continue
            too_large = piece.rows > free_rows or piece.size > free_bytes
            if batch and (too_large or not self._fit(batch, piece)):
                skipped.append(piece)
                if too_large:
                    break
            else:
                batch.append(piece)
                free_rows -= piece.rows
                free_bytes -= piece.size
                self._stop_waiting(piece)
        self._queue.extendleft(reversed(skipped))
        return batch

    def _is_heavy(self, piece: _Piece) -> bool:
        return piece.size > self._limits.max_batch_bytes // 4

    def _fit(self, batch: list[_Piece], piece: _Piece) -> bool:
        """Say whether a piece can be computed together with those of a batch."""
        if piece.kind != batch[0].kind or self._is_heavy(piece) != self._is_heavy(batch[0]):
            return False
        pieces = [*batch, piece]
        return all(
            _padding_bytes([part.feeds[index].array for part in pieces])
            <= self._limits.max_batch_bytes
            for index in range(len(piece.feeds) if self._limits.pads_variable_lengths else 0)
        )

    async def _run(self, batch: list[_Piece]) -> None:
        loop = asyncio.get_running_loop()
        try:
            with self._hold():
                outcomes = await loop.run_in_executor(self._threads, self._compute_batch, batch)
            for piece, outcome in zip(batch, outcomes, strict=True):
                if piece.done.done():
                    continue
                if isinstance(outcome, ServingError):
                    piece.done.set_exception(outcome.with_traceback(None))
                else:
                    piece.done.set_result(outcome)
        except Exception as error:
            for piece in batch:
                if not piece.done.done():
                    piece.done.set_exception(error)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._running.discard(task)
            self._heavy_running -= self._is_heavy(batch[0])
            self._start_batches()

    def _compute_batch(self, batch: list[_Piece]) -> list[list[Tensor] | ServingError]:
        try:
            return list(self._together(batch))
        except ServingError as error:
            if len(batch) == 1:
                return [error]
        # One bad request fails the whole batch: computed one by one, it fails alone.
        outcomes: list[list[Tensor] | ServingError] = []
        for piece in batch:
            try:
                outcomes.extend(self._together([piece]))
            except ServingError as error:
                outcomes.append(error)
        return outcomes

    def _padding(self, first: _Piece, rows: int) -> int:
        """Return how many rows to add; none if the copies would take too much memory."""
        padding = next((size for size in self._limits.allowed_sizes if size >= rows), rows) - rows
        if not padding:
            return 0
        row = sum(memory_of(Tensor(dtype, array[:1])) for dtype, array in first.feeds)
        return padding if padding * row <= self._limits.max_batch_bytes else 0

    def _together(self, batch: list[_Piece]) -> list[list[Tensor]]:
        rows = sum(piece.rows for piece in batch)
        padding = self._padding(batch[0], rows)
        feeds = [
            _joined([piece.feeds[index] for piece in batch], padding)
            for index in range(len(batch[0].feeds))
        ]
        results = self._computation(feeds, None)
        if len(batch) == 1 and not padding:
            return [results]
        for tensor in results:
            if tensor.array.ndim == 0:
                raise failed_precondition("Batched output tensor has 0 dimensions")
            if tensor.array.shape[0] != rows + padding:
                raise failed_precondition(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                    "dimension sizes of the input tensors"
                )
        answers = []
        start = 0
        for piece in batch:
            stop = start + piece.rows
            answers.append([Tensor(dtype, array[start:stop]) for dtype, array in results])
            start = stop
        return answers


def _row_count(feeds: Sequence[Tensor]) -> int:
    if not feeds:
        raise invalid("Batching session Run() must have at least one input tensor")
    if any(tensor.array.ndim == 0 for tensor in feeds):
        raise invalid("Batching session Run() input tensors must have at least one dimension")
    counts = {tensor.array.shape[0] for tensor in feeds}
    if len(counts) > 1:
        raise invalid("Batching session Run() input tensors must have equal 0th-dimension size")
    return int(counts.pop())


def _spans(rows: int, row_sizes: Sequence[int], limits: BatchLimits) -> Iterator[tuple[int, int]]:
    """Cut a request into pieces that a batch can hold: yield where each starts and stops."""
    start = size = 0
    for row, row_size in enumerate(row_sizes or itertools.repeat(0, rows)):
        is_full = row - start == limits.max_batch_size
        if is_full or (row > start and size + row_size > limits.max_batch_bytes):
            yield start, row
            start, size = row, 0
        size += row_size
    yield start, rows


def _padding_bytes(arrays: Sequence[Array]) -> int:
    """Return how many bytes are added if all rows get the shape of the largest."""
    target = math.prod(map(max, zip(*(array.shape[1:] for array in arrays), strict=True)))
    rows = sum(len(array) for array in arrays)
    return int((rows * target - sum(array.size for array in arrays)) * arrays[0].itemsize)


def _joined(tensors: Sequence[Tensor], padding: int) -> Tensor:
    arrays = [tensor.array for tensor in tensors]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1:
        arrays = _padded(arrays, shapes)
    if padding:
        arrays.append(np.repeat(arrays[0][:1], padding, axis=0))
    return Tensor(tensors[0].dtype, arrays[0] if len(arrays) == 1 else np.concatenate(arrays))


def _padded(arrays: Sequence[Array], shapes: set[tuple[int, ...]]) -> list[Array]:
    """Grow every row to the largest shape, with copies of the row's first value."""
    target = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    grown = []
    for array in arrays:
        result = np.empty((array.shape[0], *target), array.dtype)
        result[:] = array.reshape(array.shape[0], -1)[:, :1].reshape(-1, *[1] * len(target))
        result[tuple(slice(size) for size in array.shape)] = array
        grown.append(result)
    return grown
