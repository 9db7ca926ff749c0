"""One version that is loaded: its signatures, its computations, and who still uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serving.model_server.session import Computation, Session
from serving.model_server.status import failed_precondition


@dataclass(frozen=True)
class Signature:
    """One signature, ready to be computed with any choice of its outputs."""

    name: str
    proto: Any
    inputs: Mapping[str, Any]
    """`TensorInfo` by alias, sorted by alias: the order in which a computation is fed."""
    outputs: Mapping[str, Any]

    @property
    def method(self) -> str:
        """The method name, such as `tensorflow/serving/predict`."""
        return str(self.proto.method_name)


class Servable:
    """A loaded version. `use` holds it; `released` waits until nobody does."""

    def __init__(self, model: str, version: int, session: Session) -> None:
        self.model = model
        self.version = version
        self.session = session
        self.signatures = {
            name: Signature(
                name, proto, dict(sorted(proto.inputs.items())), dict(sorted(proto.outputs.items()))
            )
            for name, proto in session.signatures.items()
        }
        self._computations: dict[tuple[str, tuple[str, ...]], Computation] = {}
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def signature(self, name: str) -> Signature:
        """Return a signature by name; raises ServingError (FAILED_PRECONDITION)."""
        try:
            return self.signatures[name]
        except KeyError:
            raise failed_precondition(f'Serving signature key "{name}" not found.') from None

    def computation(self, signature: Signature, outputs: tuple[str, ...]) -> Computation:
        """Return the function from all inputs of `signature` to the outputs named by alias."""
        key = (signature.name, outputs)
        known = self._computations.get(key)
        if known is None:
            known = self._computations[key] = self.session.computation(
                [info.name for info in signature.inputs.values()],
                [signature.outputs[alias].name for alias in outputs],
            )
        return known

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

    async def released(self) -> None:
        """Wait until nobody uses the version."""
        await self._unused.wait()
