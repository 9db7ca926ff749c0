"""What a fleet says about its engine, while that comes and goes."""

from __future__ import annotations

from serving.engines.process import ProcessEngine
from serving.engines.protocol import Availability
from serving.fleet.fleet import Fleet
from tests.support.fleet_env import FleetEnv


class ComingBack(ProcessEngine):
    """Is away when it is asked for the first time, and back before it is asked for instances."""

    asked = 0

    async def availability(self) -> Availability:
        self.asked += 1
        return (
            Availability(False, "It is away.") if self.asked == 1 else Availability(True, "Back.")
        )


async def test_an_engine_that_came_back_is_not_said_to_be_away(fleet_env: FleetEnv) -> None:
    engine = ComingBack(fleet_env.workspace)
    fleet = Fleet(engine, fleet_env.repository, fleet_env.workspace, fleet_env.client)
    assert (await fleet.observe()).engine_reason == "It is away."
    assert (await fleet.observe()).engine_reason == "Back."
    assert (await fleet.observe()).engine_reason == "Back."
    assert engine.asked == 2
