"""The connection to the one engine that a program uses: found, lost, found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.engines.docker.discovery import FoundEngine, find_engine, ping
from serving.engines.docker.endpoints import DockerEndpoint, HostEnvironment, candidate_endpoints
from serving.engines.docker.errors import EngineUnavailable, translate_errors

T = TypeVar("T")

MAX_CONCURRENT_CALLS = 8
"""Calls to the engine that run at once; further ones wait their turn."""


class EngineConnection:
    """Finds the engine at the first call, and again after it was away.

    Once an engine has answered it stays the one: while it is away no other
    takes its place, since the instances are there. `candidates` are the
    endpoints to try; read from the surroundings at each search unless given.
    """

    def __init__(self, candidates: Sequence[DockerEndpoint] | None = None) -> None:
        self._candidates = candidates
        self._pool = ThreadPoolExecutor(MAX_CONCURRENT_CALLS, "docker")
        self._finding = threading.Lock()
        self._found: FoundEngine | None = None
        self._first_found: FoundEngine | None = None
        """The one that answered first."""

    async def run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """Run blocking `work` on the engine in the pool; raises EngineError.

        `doing` completes the sentence "The container engine could not …". Work
        that has begun ends by itself even where its caller is cancelled.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self.run_blocking, doing, work
        )

    def run_blocking(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """The same in the calling thread."""
        found = self.find()
        try:
            # Costs next to nothing; the package leaks a socket where it cannot connect.
            ping(found.local_endpoint)
            with translate_errors(doing, found.endpoint.url):
                return work(found)
        except EngineUnavailable as error:
            raise self.unavailable(found) from error

    def find(self) -> FoundEngine:
        """Return the engine, within 3 s or by ssh 9 s; raises EngineAway."""
        with self._finding:
            if self._found is None:
                self._found = self._find()
                self._first_found = self._found
            return self._found

    def unavailable(self, found: FoundEngine) -> EngineUnavailable:
        """Let go of an engine that ended a stream, and return the error that says so."""
        self._lost(found)
        return found.unavailable

    async def close(self) -> None:
        """Let go of connections and threads; calls that run end first."""
        await asyncio.to_thread(self._pool.shutdown)
        with self._finding:
            if self._found is not None:
                self._found.close()
                self._found = None

    def _find(self) -> FoundEngine:
        if self._first_found is not None:
            try:
                return find_engine([self._first_found.endpoint])
            except EngineUnavailable as error:
                raise self._first_found.unavailable from error
        if self._candidates is not None:
            return find_engine(self._candidates)
        return find_engine(candidate_endpoints(HostEnvironment.current()))

    def _lost(self, lost: FoundEngine) -> None:
        with self._finding:
            if self._found is lost:
                self._found = None
        lost.close()
