"""Instances that somebody else manages: an orchestrator, or a person.

They are found by their addresses, classified with and watched like any others, and never started
or stopped from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import NoReturn

from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.instance_addresses import InstanceAddresses
from serving.engines.names import EXTERNAL
from serving.engines.protocol import (
    Availability,
    Instance,
    InstanceSpec,
    InstanceState,
    InstanceStats,
)
from serving.errors import EngineError

REFRESH_SECONDS = 2.0
"""Between two looks at what the names resolve to."""


class ExternalEngine:
    """An engine that only finds instances."""

    name = EXTERNAL

    def __init__(self, addresses: InstanceAddresses, refresh: float = REFRESH_SECONDS) -> None:
        self._addresses = addresses
        self._refresh = refresh
        self._seen: dict[str, float] = {}
        """When each address was found first, in seconds since the epoch."""

    async def availability(self) -> Availability:
        found = len(await self._addresses.current())
        where = ", ".join(source.address for source in self._addresses.sources)
        if found:
            return Availability(True, f"Instances at {where} are managed elsewhere.")
        return Availability(
            False,
            f"There is no instance at {where}.",
            "Start one where they are managed; it is used as soon as it is there.",
        )

    async def instances(self) -> list[Instance]:
        """List one instance for each address, those that are gone no longer."""
        addresses = await self._addresses.current()
        now = time.time()
        self._seen = {address: self._seen.get(address, now) for address in addresses}
        return [
            Instance(
                id=address,
                engine=self.name,
                spec_hash="",
                state=InstanceState.STARTING,
                grpc_address=address,
                started=started,
                any_version=True,
            )
            for address, started in self._seen.items()
        ]

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        self._refuse()

    async def baked_model(self, image: str) -> BakedModel | None:
        return None

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Nothing: who manages them shares out the processor."""

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        self._refuse()

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        self._refuse()

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        self._refuse()
        yield ""

    async def run_command(self, instance_id: str) -> str:
        self._refuse()

    async def stats(self, instance_id: str) -> InstanceStats | None:
        return None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield whenever the names resolve to other addresses."""
        known = await self._addresses.current()
        while True:
            await asyncio.sleep(self._refresh)
            found = await self._addresses.current()
            if found != known:
                known = found
                yield

    async def close(self) -> None:
        """Nothing is open."""

    def _refuse(self) -> NoReturn:
        raise EngineError(
            "These instances are managed elsewhere.",
            "Scale, restart and look into them where they run, such as with `docker service` or"
            " `kubectl`.",
        )
