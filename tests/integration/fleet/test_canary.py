"""A canary on two real instances under load: it ends by itself, and no request fails."""

from __future__ import annotations

import pytest

from backend.contract import Decision, NewCanary, Rule
from serving.models.canary import CanaryPhase
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.support.canary_fleet import (
    LONG,
    all_answer,
    classify_until_decided,
    labelled,
    let_one_go_live,
    looked_after,
    phase,
)
from tests.support.fleet_env import TinyFleet, quicken_pace
from tests.support.load_generator import LoadGenerator
from tests.support.tiny_model import COLORS, TINY_MODEL, write_tiny
from tests.support.waiting import wait_for_view, wait_until


async def test_one_that_agrees_goes_live_everywhere_without_a_failed_request(
    tiny: TinyFleet, workspace: Workspace, sample_jpeg: bytes
) -> None:
    await let_one_go_live(tiny, workspace, sample_jpeg, callers=8)


async def test_one_that_differs_is_held_back_and_never_answers_afterwards(
    tiny: TinyFleet, workspace: Workspace, sample_jpeg: bytes
) -> None:
    await tiny.fleet.scale(2)
    # It takes each color for the next one.
    names = list(COLORS)
    wrong = dict(zip(names, [COLORS[name] for name in (*names[1:], names[0])], strict=True))
    with staged_version(tiny.repository, TINY_MODEL) as staged:
        write_tiny(staged, TINY_MODEL, wrong)
        number = commit_version(tiny.repository, TINY_MODEL, staged).number
    async with (
        looked_after(tiny, workspace) as (canaries, store),
        LoadGenerator(tiny.client, sample_jpeg, 4) as load,
    ):
        await canaries.start(TINY_MODEL, number, NewCanary(share=0.5), "ada")
        await wait_until(lambda: phase(tiny) is CanaryPhase.RUNNING, LONG)
        await classify_until_decided(tiny)
        ended = load.versions[number]
        await wait_for_view(tiny.fleet, all_answer(1), LONG)
        await wait_until(lambda: phase(tiny) is None, LONG)
        # Those that were on their way when it ended, and none of the hundreds since.
        assert load.versions[number] <= ended + 4
        (held_back, _) = await store.runs.decisions(TINY_MODEL)
    assert load.failures == []
    assert (held_back.decision, held_back.rule) == (Decision.HELD_BACK, Rule.CANARY_AGREEMENT)


async def test_an_instance_that_starts_meanwhile_reads_the_labels_and_joins_in(
    tiny: TinyFleet, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken_pace(monkeypatch)
    async with looked_after(tiny, workspace) as (canaries, _):
        await tiny.fleet.scale(1)
        number = tiny.next_version().number
        await canaries.start(TINY_MODEL, number, NewCanary(share=0.5), "ada")
        await wait_until(lambda: phase(tiny) is CanaryPhase.RUNNING, LONG)
        view = await tiny.fleet.scale(2)
        assert view.ready == 2
        both = frozenset({1, number})
        await wait_for_view(
            tiny.fleet,
            lambda view: all(each.loaded.get(TINY_MODEL) == both for each in view.instances),
            LONG,
        )
        assert await labelled(tiny.fleet.view, "canary") == [number, number]
        assert phase(tiny) is CanaryPhase.RUNNING
        await canaries.end(TINY_MODEL, number, "ada")
        await wait_for_view(tiny.fleet, all_answer(1), LONG)
