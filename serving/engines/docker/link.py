"""The connection to the one engine that a program uses: found, lost, found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.engines.docker.discovery import FoundEngine, find_engine, knock
from serving.engines.docker.endpoints import Endpoint, Surroundings, endpoints
from serving.engines.docker.errors import EngineAway, translated

T = TypeVar("T")

THREADS = 8
"""Calls to the engine that run at once; further ones wait their turn."""


class Link:
    """Finds the engine at the first call, and again after it was away.

    Once an engine has answered it stays the one: while it is away no other
    takes its place, since the instances are there. `candidates` are the
    endpoints to try; read from the surroundings at each search unless given.
    """

    def __init__(self, candidates: Sequence[Endpoint] | None = None) -> None:
        self._candidates = candidates
        self._pool = ThreadPoolExecutor(THREADS, "docker")
        self._finding = threading.Lock()
        self._found: FoundEngine | None = None
        self._chosen: FoundEngine | None = None
        """The one that answered first."""

    async def run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """Run blocking `work` on the engine in the pool; raises EngineError.

        `doing` completes the sentence "The container engine could not …". Work
        that has begun ends by itself even where its caller is cancelled.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self.run_here, doing, work
        )

    def run_here(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """The same in the calling thread."""
        found = self.find()
        try:
            # Costs next to nothing; the package leaks a socket where it cannot connect.
            knock(found.entrance)
            with translated(doing, found.endpoint.url):
                return work(found)
        except EngineAway as error:
            raise self.away(found) from error

    def find(self) -> FoundEngine:
        """Return the engine, within 3 s or by ssh 9 s; raises EngineAway."""
        with self._finding:
            if self._found is None:
                self._found = self._find()
                self._chosen = self._found
            return self._found

    def away(self, found: FoundEngine) -> EngineAway:
        """Let go of an engine that ended a stream, and return the error that says so."""
        self._lost(found)
        return found.away

    async def close(self) -> None:
        """Let go of connections and threads; calls that run end first."""
        await asyncio.to_thread(self._pool.shutdown)
        with self._finding:
            if self._found is not None:
                self._found.close()
                self._found = None

    def _find(self) -> FoundEngine:
        if self._chosen is not None:
            try:
                return find_engine([self._chosen.endpoint])
            except EngineAway as error:
                raise self._chosen.away from error
        if self._candidates is not None:
            return find_engine(self._candidates)
        return find_engine(endpoints(Surroundings.here()))

    def _lost(self, lost: FoundEngine) -> None:
        with self._finding:
            if self._found is lost:
                self._found = None
        lost.close()
