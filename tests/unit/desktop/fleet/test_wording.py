"""The fleet in words and numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop.fleet import wording
from desktop.fleet.metric_history import UNKNOWN
from serving.engines.protocol import InstanceState
from serving.engines.swarm.membership import Membership, SwarmState
from serving.models.faults import VersionFault
from serving.models.served import ServedModels
from tests.support.fleet_views import REASON, STARTED, fleet_view, instance_view

STARTING, DRAINING, FAILED = (
    InstanceState.STARTING,
    InstanceState.DRAINING,
    InstanceState.FAILED,
)


def test_what_instances_run_on_is_said_in_short_and_what_is_wrong_in_full() -> None:
    view = fleet_view(instance_view(1))
    assert wording.engine_sentence(view) == "Instances run as processes."
    assert wording.details(view) == f"{REASON}\nServed models: pets v3."
    away = replace(view, engine_reason="No engine answers at /run/d.", engine_usable=False)
    assert wording.engine_sentence(away) == "Instances cannot be changed now."
    assert wording.details(away).startswith("No engine answers at /run/d.")
    updated = replace(view, engine="swarm", update="Its update went back.")
    assert wording.engine_sentence(updated) == "Instances run on a swarm. Its update went back."


def test_the_state_of_the_fleet() -> None:
    ready, other = instance_view(1), instance_view(2)
    assert wording.state_sentence(fleet_view()) == "Nothing is running."
    assert wording.state_sentence(fleet_view(ready)) == "The only instance is ready."
    assert wording.state_sentence(fleet_view(ready, other)) == "All are ready."
    assert (
        wording.state_sentence(fleet_view(ready, desired_count=3))
        == "2 instances are not ready yet."
    )
    assert (
        wording.state_sentence(fleet_view(instance_view(1, STARTING)))
        == "Photos wait until an instance is ready."
    )
    assert (
        wording.state_sentence(fleet_view(ready, instance_view(2, DRAINING), desired_count=1))
        == "Instances that stop finish their requests first."
    )


def test_the_model_that_is_served_is_named_and_others_are_counted() -> None:
    view = fleet_view(instance_view(1))
    for also, sentence in (
        ((), "Serving pets v3."),
        (("birds",), "Serving pets v3 and 1 other."),
        (("birds", "a"), "Serving pets v3 and 2 others."),
    ):
        served = replace(view, served=ServedModels("pets", also))
        assert wording.serving_sentence(served) == sentence
    assert wording.serving_sentence(fleet_view(instance_view(1, STARTING))) == ""


def test_attached_servers_are_counted_beside_own_instances() -> None:
    own, other = fleet_view(instance_view(1)), instance_view(2)
    assert wording.attached_count_sentence(own) == ""
    assert wording.attached_count_sentence(replace(fleet_view(), attached=(other,))) == ""
    assert wording.attached_count_sentence(replace(own, attached=(other,))) == (
        "1 attached server answers as well."
    )


@pytest.mark.parametrize("state", list(SwarmState))
def test_the_window_and_the_commands_say_the_same_of_a_swarm(state: SwarmState) -> None:
    for nodes, error in ((1, ""), (1_200, "the network is away")):
        membership = Membership(state, "abc", nodes=nodes, error=error)
        assert wording.membership_sentence(membership) == membership.sentence
        assert wording.membership_advice(membership) == membership.advice


def test_the_models_that_an_instance_has_loaded() -> None:
    both = replace(instance_view(1), versions={"pets": 3, "birds": 1})
    assert (wording.version(both), wording.versions_tip(both)) == ("v3", "pets v3\nbirds v1")
    canary = replace(both, loaded={"pets": frozenset({3, 4}), "birds": frozenset({1})})
    assert wording.versions_tip(canary) == "pets v3 (loaded too: v4)\nbirds v1"
    starting = instance_view(1, STARTING)
    assert (wording.version(starting), wording.versions_tip(starting)) == (UNKNOWN, "")


def test_instances_that_are_not_ready_are_counted_by_state() -> None:
    view = fleet_view(
        instance_view(1),
        instance_view(2, STARTING),
        instance_view(3, FAILED),
        instance_view(4, FAILED),
    )
    assert wording.state_counts(view) == {STARTING: "1 starting", FAILED: "2 failed"}


def test_numbers_of_an_instance() -> None:
    each = instance_view(requests=12_345, rate=38.2)
    assert [
        wording.version(each),
        wording.port(each),
        wording.uptime(each, now=STARTED + 1 + 3 * 3600),
        wording.cpu(each),
        wording.memory(each),
        wording.requests(each),
        wording.requests_rate(each),
        wording.p95(each),
    ] == ["v3", "40001", "3 h", "12%", "412 MB", "12,345", "38/s", "22 ms"]


def test_what_a_failed_instance_does_not_have_is_not_made_up() -> None:
    each = instance_view(state=FAILED)
    for text in (wording.version, wording.uptime, wording.cpu, wording.memory, wording.p95):
        assert text(each) == UNKNOWN
    assert wording.requests_rate(each) == UNKNOWN
    assert wording.problem_sentence(each) == "The instance stopped without giving a reason."


def test_a_problem_that_keeps_an_instance_from_being_ready_is_shown() -> None:
    each = instance_view(state=STARTING, failure="Version 3 cannot be loaded.")
    assert wording.problem_sentence(each) == "Version 3 cannot be loaded."
    assert wording.problem_sentence(instance_view()) == ""


def test_a_live_version_that_cannot_be_served_is_explained() -> None:
    fault = VersionFault("Version 4 of pets cannot be served. It is bad.", "Promote another.")
    view = replace(fleet_view(instance_view(1)), faults={"pets": fault})
    assert wording.fault_sentences(view) == (
        "Version 4 of pets cannot be served. It is bad. Version 3 answers. Promote another."
    )
    nothing = replace(fleet_view(), faults={"pets": fault})
    assert "No version answers." in wording.fault_sentences(nothing)
    assert wording.fault_sentences(fleet_view()) == ""


def test_instances_that_sleep_are_counted_and_answer_all_the_same() -> None:
    asleep = instance_view(1, InstanceState.ASLEEP)
    view = fleet_view(asleep, instance_view(2))
    assert view.ready == 2
    assert wording.state_counts(view) == {InstanceState.ASLEEP: "1 asleep"}
    assert wording.state_sentence(view) == "All are ready."
    assert wording.state_sentence(fleet_view(asleep)) == (
        "Its memory is free for other programs until the next photo comes."
    )
