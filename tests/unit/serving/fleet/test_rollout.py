"""Where a version is live, and which instances are late."""

from __future__ import annotations

from dataclasses import replace

from serving.engines.protocol import InstanceState
from serving.fleet.rollout import LATE_SECONDS, RolloutWatch
from serving.fleet.view import FleetView, InstanceView
from tests.support.fleet_views import MODEL, fleet_view, instance_view


def wanting(version: int | None, *instances: InstanceView) -> FleetView:
    return replace(fleet_view(*instances), live_versions={MODEL: version})


def test_a_version_arrives_on_one_instance_after_the_other() -> None:
    watch = RolloutWatch()
    new, old = instance_view(1, version=4), instance_view(2, version=3)
    found = watch.look(wanting(4, new, old), 0.0)[MODEL]
    assert (found.live, found.waiting, found.late) == (
        ("instance-000001",),
        ("instance-000002",),
        (),
    )
    assert found.sentence == "Version 4 of pets is live on 1 of 2 instances."
    assert not found.everywhere
    found = watch.look(wanting(4, new, instance_view(2, version=4)), 1.0)[MODEL]
    assert found.everywhere
    assert found.sentence == "Version 4 of pets is live everywhere."


def test_an_instance_that_does_not_come_along_is_named_with_what_it_says() -> None:
    watch = RolloutWatch()
    stuck = replace(instance_view(2, version=3), load_errors={MODEL: "No memory."})
    view = wanting(4, instance_view(1, version=4), stuck)
    assert watch.look(view, 0.0)[MODEL].late == ()
    found = watch.look(view, LATE_SECONDS)[MODEL]
    assert found.late == ("instance-000002",)
    assert found.sentence == (
        "Version 4 of pets is live on 1 of 2 instances. Not within 30 s on instance-000002."
        " Its server says: No memory."
    )


def test_the_deadline_begins_again_with_every_promotion() -> None:
    watch = RolloutWatch()
    old = instance_view(1, version=3)
    watch.look(wanting(4, old), 0.0)
    watch.look(wanting(5, old), LATE_SECONDS - 1)
    assert watch.look(wanting(5, old), LATE_SECONDS + 1)[MODEL].late == ()
    # Back to the first one: that is a promotion of its own.
    watch.look(wanting(4, old), LATE_SECONDS + 2)
    assert watch.look(wanting(4, old), 2 * LATE_SECONDS)[MODEL].late == ()


def test_an_instance_that_starts_is_waited_for_without_a_deadline() -> None:
    watch = RolloutWatch()
    view = wanting(4, instance_view(1, version=4), instance_view(2, InstanceState.STARTING))
    watch.look(view, 0.0)
    found = watch.look(view, 10 * LATE_SECONDS)[MODEL]
    assert (found.waiting, found.late) == (("instance-000002",), ())


def test_instances_that_end_do_not_count() -> None:
    view = wanting(
        4,
        instance_view(1, version=4),
        instance_view(2, InstanceState.DRAINING),
        instance_view(3, InstanceState.FAILED),
    )
    assert RolloutWatch().look(view, 0.0)[MODEL].everywhere


def test_without_any_instance_it_is_live_nowhere() -> None:
    found = RolloutWatch().look(wanting(4), 0.0)[MODEL]
    assert not found.everywhere
    assert found.sentence == "Version 4 of pets is live once an instance runs."


def test_a_model_without_a_live_version_is_not_served() -> None:
    assert RolloutWatch().look(wanting(None), 0.0)[MODEL].sentence == "pets is not served."
