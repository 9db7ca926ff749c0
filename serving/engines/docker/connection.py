"""The connection to the one engine that a program uses: found, lost, found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.engines.docker.chosen_engine import candidates_of
from serving.engines.docker.discovery import FoundEngine, find_engine
from serving.engines.docker.endpoints import DockerEndpoint, HostEnvironment
from serving.engines.docker.errors import EngineUnavailable, translate_errors
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.errors import EngineError
from serving.workspace import Workspace

T = TypeVar("T")

MAX_CONCURRENT_CALLS = 8
"""Calls to the engine that run at once; further ones wait their turn."""


class EngineConnection:
    """Finds the engine at the first call, and again after it was unavailable.

    The first engine that answers is used from then on: while it is unavailable
    no other one replaces it, since the instances are there. `candidates` are
    the endpoints to try; None reads those of `address`, which a person chose,
    from the environment at each search.
    """

    def __init__(
        self,
        candidates: Sequence[DockerEndpoint] | None = None,
        address: EngineAddress | None = None,
    ) -> None:
        self._candidates = candidates
        self.address = address or EngineAddress()
        self._pool = ThreadPoolExecutor(MAX_CONCURRENT_CALLS, "docker")
        self._finding = threading.Lock()
        self._found: FoundEngine | None = None
        """None before the first search and after the engine was lost."""
        self._selected: FoundEngine | None = None
        """The engine that answered first; stays when it is lost."""
        self._closed = False

    def is_elsewhere(self, workspace: Workspace) -> bool:
        """Whether a person has chosen another engine for the workspace since this was made."""
        return self._candidates is None and chosen_address(workspace) != self.address

    async def run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """Run blocking `work` on the engine in the pool; raises EngineError.

        `doing` completes the sentence "The container engine could not …". Work
        that has begun runs to its end even if its caller is cancelled.
        """
        # A fleet that moved to another engine closes this one while its round may still ask.
        if self._closed:
            raise EngineError(
                f"The container engine could not {doing}: its connection is closed.",
                "Try again: instances have moved to another engine, or Servery is ending.",
            )
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, doing, work)

    def find(self) -> FoundEngine:
        """Return the engine within 3 s, or 9 s by ssh; raises EngineUnavailable. Blocks."""
        # One search at a time: the other callers want its result, not a second connection.
        with self._finding:
            if self._found is None:
                self._found = self._selected = self._search()
            return self._found

    def lost(self, found: FoundEngine) -> EngineUnavailable:
        """Drop an engine that broke off, and return the error that says so."""
        with self._finding:
            # Another thread may have found it again already: only this connection is dropped.
            if self._found is found:
                self._found = None
        found.close()
        return found.unavailable

    async def close(self) -> None:
        """Close connections and threads, after the calls that run."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        with self._finding:
            if self._found is not None:
                self._found.close()
                self._found = None

    def _run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        found = self.find()
        try:
            found.check()
            with translate_errors(doing, found.endpoint.url):
                return work(found)
        except EngineUnavailable as error:
            raise self.lost(found) from error

    def _search(self) -> FoundEngine:
        if self._selected is None:
            candidates = self._candidates
            if candidates is None:
                candidates = candidates_of(self.address, HostEnvironment.current())
            return find_engine(candidates)
        try:
            return find_engine([self._selected.endpoint])
        except EngineUnavailable as error:
            raise self._selected.unavailable from error
