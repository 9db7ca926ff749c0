"""Fleets as tests need them."""

from __future__ import annotations

from collections.abc import Collection

from serving.engines.protocol import Instance, InstanceState, InstanceStats
from serving.fleet.view import FleetView, InstanceView
from serving.models.served import ServedModels

REASON = "Instances run as processes of this machine, which needs nothing installed."
MODEL = "pets"
STARTED = 1_700_000_000.0


def instance_view(
    number: int = 1,
    state: InstanceState = InstanceState.READY,
    *,
    failure: str = "",
    requests: int = 0,
    rate: float = 0.0,
    cpu: float = 12.0,
    version: int = 3,
    model: str = MODEL,
    also_loaded: Collection[int] = (),
) -> InstanceView:
    """Return one instance; those with higher numbers started later.

    It answers with `version`, and has `also_loaded` others.
    """
    ready = state is InstanceState.READY
    known = state is not InstanceState.STARTING
    return InstanceView(
        instance=Instance(
            id=f"instance-{number:06x}",
            engine="process",
            spec_hash="0123456789ab",
            state=state,
            grpc_address=f"127.0.0.1:{40000 + number}" if known else None,
            rest_address=f"127.0.0.1:{50000 + number}" if known else None,
            started=STARTED + number,
            failure=failure,
            process=1000 + number,
        ),
        state=state,
        model=model,
        versions={model: version} if ready else {},
        loaded={model: frozenset({version, *also_loaded})} if ready else {},
        stats=None if state is InstanceState.FAILED else InstanceStats(cpu, 412_000_000),
        requests=requests,
        requests_per_second=rate,
        p95_milliseconds=22.4 if requests else None,
    )


def fleet_view(*instances: InstanceView, desired_count: int | None = None) -> FleetView:
    return FleetView(
        served=ServedModels(MODEL),
        engine="process",
        engine_reason=REASON,
        desired_count=len(instances) if desired_count is None else desired_count,
        instances=instances,
    )
