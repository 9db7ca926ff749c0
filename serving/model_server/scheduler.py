"""Where jobs are computed: alone on a thread, or together with others of their kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.model_server.batching import BatchLimits
from serving.model_server.inference import PreparedCall
from serving.model_server.servable import Servable
from serving.tf.cores import core_count
from serving.tf.status import Code, ServingError
from serving.tf.tensors import Tensor

_THREADS_PER_CORE = 8
_ROWS_PER_CORE = 4
"""Of a batch. More make nothing faster, and take more memory and longer to answer."""


class InferenceScheduler:
    """Computes jobs. Lives on one event loop; `close` ends its threads.

    Without `limits`, only models whose rows are known to be independent are batched.
    """

    def __init__(self, limits: BatchLimits | None) -> None:
        self._limits = limits or BatchLimits(max_batch_size=_ROWS_PER_CORE * max(2, core_count()))
        self._batches_all = limits is not None
        threads = _THREADS_PER_CORE * core_count()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        self._free_threads = asyncio.Semaphore(threads)
        self._alone: set[asyncio.Task[list[Tensor]]] = set()

    async def answer(
        self, servable: Servable, prepare: Callable[[Servable], PreparedCall], seconds: float | None
    ) -> Any:
        """Prepare and compute one job on a version and return its response.

        The version stays loaded meanwhile, also where the caller is cancelled and the
        computation is not over. Raises ServingError; DEADLINE_EXCEEDED where it took
        longer than `seconds`.
        """
        with servable.use():
            call = prepare(servable)
            try:
                async with asyncio.timeout(seconds):
                    if self._batches_all or call.splits_by_row:
                        batcher = servable.batcher(call.computation, self._limits, self._threads)
                        results = await batcher.compute(call.feeds)
                    else:
                        results = await self._compute_alone(servable, call, seconds)
            except TimeoutError:
                raise ServingError(Code.DEADLINE_EXCEEDED, "The call timed out.") from None
            return call.finish(results)

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
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[list[Tensor]]) -> None:
        self._free_threads.release()
        self._alone.discard(task)
        task.exception()

    def close(self) -> None:
        """Wait for what is being computed, and end the threads."""
        self._threads.shutdown()
