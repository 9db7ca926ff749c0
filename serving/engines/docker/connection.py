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
    """Finds the engine at the first call, and again after it was unavailable.

    The first engine that answers is used from then on: while it is unavailable
    no other one replaces it, since the instances are there. `candidates` are
    the endpoints to try; None reads them from the environment at each search.
    """

    def __init__(self, candidates: Sequence[DockerEndpoint] | None = None) -> None:
        self._candidates = candidates
        self._pool = ThreadPoolExecutor(MAX_CONCURRENT_CALLS, "docker")
        self._finding = threading.Lock()
        self._found: FoundEngine | None = None
        """None before the first search and after the engine was lost."""
        self._selected: FoundEngine | None = None
        """The engine that answered first; stays when it is lost."""

    async def run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        """Run blocking `work` on the engine in the pool; raises EngineError.

        `doing` completes the sentence "The container engine could not …". Work
        that has begun runs to its end even if its caller is cancelled.
        """
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
        await asyncio.to_thread(self._pool.shutdown)
        with self._finding:
            if self._found is not None:
                self._found.close()
                self._found = None

    def _run(self, doing: str, work: Callable[[FoundEngine], T]) -> T:
        found = self.find()
        try:
            # Takes 50 µs, and the `docker` package leaks a socket if it cannot connect.
            ping(found.local_endpoint)
            with translate_errors(doing, found.endpoint.url):
                return work(found)
        except EngineUnavailable as error:
            raise self.lost(found) from error

    def _search(self) -> FoundEngine:
        if self._selected is None:
            candidates = self._candidates
            if candidates is None:
                candidates = candidate_endpoints(HostEnvironment.current())
            return find_engine(candidates)
        try:
            return find_engine([self._selected.endpoint])
        except EngineUnavailable as error:
            raise self._selected.unavailable from error
