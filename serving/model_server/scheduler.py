"""Runs prepared calls: alone on a thread, or in a batch with others of the same kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.model_server.batching import BatchLimits
from serving.model_server.inference import PreparedCall
from serving.model_server.memory_budget import Share, run
from serving.model_server.servable import Servable
from serving.tf.cores import core_count
from serving.tf.status import Code, ServingError
from serving.tf.tensors import Tensor, memory_of

Prepare = Callable[[Servable, Any], PreparedCall]
"""Checks a request against the signatures of a version; raises ServingError."""

_THREADS_PER_CORE = 8
_COPIES = 2
"""Of a tensor: as an array, and as a part of a message or in TensorFlow's memory."""
_ROWS_PER_CORE = 4
"""Of a batch. More rows are no faster, take more memory and delay the answers."""


class InferenceScheduler:
    """Computes prepared calls. Belongs to one event loop; `close` ends its threads.

    Without `limits`, only models whose rows are known to be independent are batched.
    """

    def __init__(self, limits: BatchLimits | None) -> None:
        self._limits = limits or BatchLimits(max_batch_size=_ROWS_PER_CORE * max(2, core_count()))
        self._batches_all = limits is not None
        threads = _THREADS_PER_CORE * core_count()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        self._free_threads = asyncio.Semaphore(threads)
        self._alone: set[asyncio.Task[list[Tensor]]] = set()

    @property
    def overload_code(self) -> Code:
        """The code by which requests are refused while too many wait."""
        return self._limits.overload_code

    async def answer(
        self,
        servable: Servable,
        prepare: Prepare,
        request: Any,
        seconds: float | None,
        share: Share,
    ) -> Any:
        """Prepare and compute one request on a version and return its response.

        The version stays loaded until the computation is over, even if the caller is
        cancelled before. Raises ServingError; DEADLINE_EXCEEDED after `seconds`. What it
        takes is counted in `share`.
        """
        with servable.use():
            call = await run(share, prepare, servable, request)
            share.grow(_COPIES * sum(map(memory_of, call.feeds)))
            try:
                async with asyncio.timeout(seconds):
                    if self._batches_all or call.splits_by_row:
                        # Decodes a batch at a time, so that is not held for what waits.
                        share.expect(max(call.row_sizes, default=0))
                        batcher = servable.batcher(call.computation, self._limits, self._threads)
                        results = await batcher.compute(call.feeds, call.row_sizes)
                    else:
                        share.grow(sum(call.row_sizes))
                        results = await self._compute_alone(servable, call, seconds)
            except TimeoutError:
                raise ServingError(Code.DEADLINE_EXCEEDED, "The call timed out.") from None
            share.grow(_COPIES * sum(map(memory_of, results)))
            return await run(share, call.finish, results)

    async def _compute_alone(
        self, servable: Servable, call: PreparedCall, seconds: float | None
    ) -> list[Tensor]:
        await self._free_threads.acquire()
        loop = asyncio.get_running_loop()

        async def compute() -> list[Tensor]:
            with servable.use():
                return await loop.run_in_executor(
                    self._threads, call.computation, call.feeds, seconds
                )

        task = loop.create_task(compute())
        self._alone.add(task)
        task.add_done_callback(self._finished)
        # The computation cannot be cancelled: its thread is free only when it is over.
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[list[Tensor]]) -> None:
        self._free_threads.release()
        self._alone.discard(task)
        task.exception()

    def close(self) -> None:
        """Wait for the running computations, and end the threads."""
        self._threads.shutdown()
