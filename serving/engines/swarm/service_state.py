"""What a swarm says of a service: what it keeps running, and how far an update is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.engines.docker import names
from serving.engines.protocol import ReplicatedService, UpdateState
from serving.engines.swarm.tasks import SwarmTask, failed_task, failure

_STATES = {
    "updating": UpdateState.UPDATING,
    "rollback_started": UpdateState.ROLLING_BACK,
    "rollback_completed": UpdateState.ROLLED_BACK,
    "paused": UpdateState.PAUSED,
    "rollback_paused": UpdateState.PAUSED,
}
_SENTENCES = {
    UpdateState.NONE: "",
    UpdateState.UPDATING: "",
    UpdateState.ROLLING_BACK: "New instances did not come up, so the swarm goes back to the former"
    " ones.",
    UpdateState.ROLLED_BACK: "New instances did not come up, so the swarm went back to the former"
    " ones.",
    UpdateState.PAUSED: "Neither new instances nor the former ones come up, so the swarm waits.",
}


def read_service(row: Mapping[str, Any], tasks: Sequence[SwarmTask]) -> ReplicatedService:
    """Return what an inspected service and its tasks say, oldest task first."""
    spec = row.get("Spec") or {}
    spec_hash = str((spec.get("Labels") or {}).get(names.SPEC, ""))
    status = row.get("UpdateStatus") or {}
    update = _STATES.get(str(status.get("State") or ""), UpdateState.NONE)
    sentence = _SENTENCES[update]
    if sentence and (failed := failed_task(tasks, spec_hash)) is not None:
        sentence = f"{sentence} {failure(failed)}"
    return ReplicatedService(
        spec_hash=spec_hash,
        count=replica_count(spec),
        update=update,
        update_started=str(status.get("StartedAt") or ""),
        sentence=sentence,
    )


def replica_count(spec: Mapping[str, Any]) -> int:
    """Return how many instances a service's spec asks for."""
    replicated = (spec.get("Mode") or {}).get("Replicated") or {}
    return int(replicated.get("Replicas") or 0)
