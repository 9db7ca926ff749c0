"""Servers that somebody else runs: asked and used like instances, and never started or stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from serving.background import cancel_and_wait
from serving.engines.instance_addresses import parse_instances
from serving.engines.names import EXTERNAL
from serving.engines.protocol import Instance, InstanceState
from serving.errors import EngineError
from serving.fleet.probe import SILENCE_SECONDS, InstanceProbe
from serving.fleet.view import InstanceView
from serving.predict.traffic import InstanceTraffic

MAX_ATTACHED = 256


def checked_address(text: str) -> str:
    """Return `host:port` as it is kept, by default with TensorFlow Serving's port.

    Raises EngineError for what is no address of one server.
    """
    try:
        sources = parse_instances(text.lower())
    except EngineError:
        sources = ()
    if len(sources) != 1 or sources[0].resolved or sources[0].host.isdigit():
        raise EngineError(
            f"{text.strip()[:100]!r} is not the address of a server.",
            "Give the host and the port of its gRPC API, such as 10.0.0.5:8500.",
        )
    return sources[0].address


class AttachedServers:
    """Watches the servers at some addresses, which this workspace may use.

    One is ready while it answers the current model as a model of Servery does, and everything
    that it serves under the name of a served model is the version that is live here: an answer
    must not depend on who gives it. Belongs to one event loop.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._probes: dict[str, InstanceProbe] = {}
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._checked: set[str] = set()
        """Those of which it is known whether they answer."""

    async def ask(
        self, addresses: Sequence[str], live: Mapping[str, int | None]
    ) -> set[asyncio.Task[None]]:
        """Begin to ask each what it serves, by the live versions of served models.

        Returns what there is to wait for; it may be cut short, and goes on then.
        """
        for gone in self._probes.keys() - set(addresses):
            await self._forget(gone)
        for address in addresses:
            if address not in self._probes:
                self._probes[address] = InstanceProbe(address, self._monotonic, checks_answers=True)
            check = self._checks.get(address)
            if check is None or check.done():
                self._checks[address] = asyncio.create_task(self._check(address, live))
        return set(self._checks.values())

    def views(
        self,
        current: str,
        live: Mapping[str, int | None],
        counters: Mapping[str, InstanceTraffic],
    ) -> list[InstanceView]:
        """Return how each is, by what it said last."""
        return [
            self._view(address, probe, current, live, counters.get(address, InstanceTraffic()))
            for address, probe in self._probes.items()
        ]

    async def close(self) -> None:
        """Close the connections; later questions open them again."""
        for address in list(self._probes):
            await self._forget(address)

    async def _check(self, address: str, live: Mapping[str, int | None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._probes[address].check(live)
            self._checked.add(address)

    async def _forget(self, address: str) -> None:
        check = self._checks.pop(address, None)
        if check is not None:
            await cancel_and_wait(check)
        await self._probes.pop(address).close()
        self._checked.discard(address)

    def _view(
        self,
        address: str,
        probe: InstanceProbe,
        current: str,
        live: Mapping[str, int | None],
        traffic: InstanceTraffic,
    ) -> InstanceView:
        if traffic.seconds_since_answer is not None:
            probe.answer_received(traffic.seconds_since_answer)
        failure = _failure(address, probe, current, live)
        state = InstanceState.FAILED if failure else InstanceState.READY
        if address not in self._checked:
            state, failure = InstanceState.STARTING, ""
        return InstanceView(
            instance=Instance(
                address,
                EXTERNAL,
                "",
                InstanceState.STARTING,
                grpc_address=address,
                failure=failure,
            ),
            state=state,
            model=current,
            versions=dict(probe.versions),
            loaded=dict(probe.loaded),
            stats=None,
            requests=traffic.requests,
            requests_per_second=traffic.requests_per_second,
            p95_milliseconds=traffic.p95_milliseconds,
        )


def _failure(
    address: str, probe: InstanceProbe, current: str, live: Mapping[str, int | None]
) -> str:
    """Say, as a sentence, why a server gets no photos; empty if it does."""
    if not live:
        return "There is no model yet that it could answer for."
    if not probe.reachable:
        return f"Nothing answers at {address}."
    if probe.silent_seconds > SILENCE_SECONDS:
        return f"It has not answered for {probe.silent_seconds:.0f} s."
    for model, said in probe.errors.items():
        return f"It does not answer for {model} as a model of Servery does: {said}"
    for model, number in live.items():
        found = probe.loaded.get(model, frozenset())
        answers = probe.versions.get(model, max(found, default=None))
        if answers is not None and number not in (None, answers):
            return (
                f"It answers for {model} with version {answers}, and version {number} is live here."
            )
    if current and current not in probe.versions:
        return f"It does not serve a model called {current}."
    return ""
