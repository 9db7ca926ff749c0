"""One loaded version: its signatures, its computations, and its current users."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serving.model_server.accelerated_session import AcceleratedSession
from serving.model_server.batching import Batcher, BatchLimits
from serving.tf.messages import types_pb2
from serving.tf.names import EMBEDDING_NODE, IMAGES
from serving.tf.session import Computation, Session

_MAX_COMPUTATIONS = 256
"""Combinations of outputs that are cached; callers may request any."""


@dataclass(frozen=True)
class Signature:
    """One signature: `TensorInfo` by alias, sorted by alias."""

    proto: Any
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @classmethod
    def read(cls, proto: Any) -> Signature:
        """Take the parts of a `SignatureDef`."""
        return cls(proto, dict(sorted(proto.inputs.items())), dict(sorted(proto.outputs.items())))

    @property
    def splits_by_row(self) -> bool:
        """Whether rows are independent, so that requests can be computed together.

        That is known only for our own models, which map JPEG files to rows of results: a
        counter or a mean over the batch has unknown leading dimensions too.
        """
        return (
            list(self.inputs) == [IMAGES]
            and self.inputs[IMAGES].dtype == types_pb2.DT_STRING
            and _rank(self.inputs[IMAGES]) == 1
            and all(map(_has_free_rows, (*self.inputs.values(), *self.outputs.values())))
        )


def _rank(info: Any) -> int | None:
    return None if info.tensor_shape.unknown_rank else len(info.tensor_shape.dim)


def _has_free_rows(info: Any) -> bool:
    return bool(_rank(info)) and info.tensor_shape.dim[0].size == -1


class Servable:
    """A loaded version. `use` holds it; `wait_until_unused` waits until nothing does.

    With `checks_methods`, a signature answers only calls of the method that it names.
    """

    def __init__(
        self,
        model: str,
        version: int,
        session: Session | AcceleratedSession,
        checks_methods: bool = False,
    ) -> None:
        self.model = model
        self.version = version
        self.session = session
        self.checks_methods = checks_methods
        self.signatures = {
            name: Signature.read(proto) for name, proto in session.signatures.items()
        }
        self.reduces_photos = session.has_operation(EMBEDDING_NODE)
        """Whether it decodes large photos at a reduced scale, as what we export does."""
        self._computations: dict[tuple[tuple[str, ...], tuple[str, ...]], Computation] = {}
        self._batchers: dict[Computation, Batcher] = {}
        self._changing = threading.Lock()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def computation(self, feeds: Sequence[str], fetches: Sequence[str]) -> Computation:
        """Return the one function between these tensors of the graph; raises ServingError.

        May be called from any thread.
        """
        key = tuple(feeds), tuple(fetches)
        with self._changing:
            cached = self._computations.get(key)
            if cached is None:
                if len(self._computations) >= _MAX_COMPUTATIONS:
                    self._computations.clear()
                    self._batchers.clear()
                cached = self._computations[key] = self.session.computation(feeds, fetches)
            return cached

    def batcher(self, computation: Computation, limits: BatchLimits, threads: Executor) -> Batcher:
        """Return the one queue in front of a computation, created on first use."""
        cached = self._batchers.get(computation)
        if cached is None:
            cached = Batcher(computation, limits, threads, self.use)
            self._batchers[computation] = cached
        return cached

    @property
    def is_full(self) -> bool:
        """Whether as many requests wait for it as may."""
        return any(batcher.is_full for batcher in tuple(self._batchers.values()))

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep the version loaded until the end of the block."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def wait_until_unused(self) -> None:
        """Wait until the version is not in use."""
        await self._unused.wait()
