"""What a fleet does when its engine takes new instances back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from serving.engines.protocol import (
    Engine,
    InstanceState,
    ReplicatedService,
    UpdateState,
)
from serving.errors import EngineError
from serving.fleet.record import FleetRecord, InstanceLimits, RecordFile
from serving.fleet.rolled_back import UpdateWatch, return_to_former
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.fleet_views import fleet_view, instance_view

UP = ReplicatedService("abc", 2)
BACK = replace(UP, update=UpdateState.ROLLED_BACK, update_started="then", sentence="It went back.")
FORMER, LATER = InstanceLimits(threads=1), InstanceLimits(threads=2)


def failed(number: int) -> Any:
    return instance_view(number, InstanceState.FAILED, failure="It ended.")


def test_a_waiter_learns_of_a_rollback_that_happened_meanwhile() -> None:
    watch = UpdateWatch()
    for service in (UP, replace(UP, update=UpdateState.UPDATING)):
        watch.look(service, fleet_view())
        watch.raise_if_failed()
    watch.look(replace(BACK, update=UpdateState.ROLLING_BACK), fleet_view())
    watch.raise_if_failed()  # the former instances are not there yet
    watch.look(BACK, fleet_view())
    with pytest.raises(EngineError, match="It went back"):
        watch.raise_if_failed()


def test_what_was_taken_back_before_is_no_news() -> None:
    watch = UpdateWatch()
    for _ in range(2):
        watch.look(BACK, fleet_view(failed(1)))
        watch.raise_if_failed()


def test_instances_that_end_one_after_the_other_are_told_of_unless_they_had_ended_before() -> None:
    watch = UpdateWatch()
    watch.look(UP, fleet_view(failed(1)))
    watch.look(UP, fleet_view(failed(1), failed(2)))
    watch.raise_if_failed()
    watch.look(UP, fleet_view(failed(3)))
    with pytest.raises(EngineError, match=r"instance-000003 does not run. It ended\."):
        watch.raise_if_failed()


def test_other_engines_are_looked_after_elsewhere() -> None:
    watch = UpdateWatch()
    watch.look(None, fleet_view(failed(1), failed(2)))
    watch.raise_if_failed()


@pytest.mark.parametrize("is_former", [True, False])
async def test_the_record_says_again_what_runs_but_only_if_it_is_that(
    workspace: Workspace, is_former: bool
) -> None:
    record = RecordFile(workspace.fleet_record)
    await record.change(lambda _: FleetRecord(2, limits=LATER, former_limits=FORMER, applied="abc"))
    repository = ModelRepository(workspace.models)
    engine = cast(Engine, None)  # it is asked for images alone
    await return_to_former(record, repository, engine, lambda limits, image: is_former)
    after = RecordFile(workspace.fleet_record).read()
    assert after.limits == (FORMER if is_former else LATER)
    assert after.former_limits is None
    assert after.desired_count == 2


async def test_the_record_keeps_what_it_could_go_back_to(workspace: Workspace) -> None:
    made = FleetRecord(2, limits=LATER, former_limits=FORMER, applied="abc")
    await RecordFile(workspace.fleet_record).change(lambda _: made)
    assert RecordFile(workspace.fleet_record).read() == made
