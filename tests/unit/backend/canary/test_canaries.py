"""A canary over HTTP, from its start to its end, and after a backend that was killed."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from dataclasses import replace

import pytest

from backend.canary.canaries import (
    LABEL_SECONDS,
    LOAD_SECONDS,
    OLD_ERROR_SECONDS,
    SAVE_SECONDS,
    UNLOAD_SECONDS,
    Canaries,
)
from backend.client import BackendRefused
from backend.contract import AuditAction, AuditEntry, Event, NewCanary, Rule
from serving.fleet.view import FleetView
from serving.models.canary import Canary, CanaryPhase, CanarySample, CanaryVerdict, Failure
from tests.support.backend_env import MODEL, Service, add_version
from tests.support.fleet_views import fleet_view, instance_view
from tests.support.sample_images import painting


def loaded(*also: int, answers: int = 1) -> FleetView:
    """Two instances that have loaded a version and others."""
    instances = [
        instance_view(number, model=MODEL, version=answers, also_loaded=also) for number in (1, 2)
    ]
    return fleet_view(*instances)


async def start(service: Service, new: NewCanary | None = None) -> None:
    """Start version 2 as a canary beside version 1, loaded everywhere."""
    add_version(service.repository)
    service.fleet.view = loaded(2)
    await service.client.start_canary(MODEL, 2, new or NewCanary(by="ada"))


def record(service: Service, agreeing: int, differing: int = 0) -> None:
    for number in range(agreeing + differing):
        answers = ("cat", "cat") if number < agreeing else ("cat", "dog")
        sample = CanarySample((1, 2), f"{number:064x}", answers, (10.0, 10.0))
        service.repository.canaries.record(MODEL, sample)


async def step(service: Service) -> None:
    await service.canaries.step()


def phase(service: Service) -> CanaryPhase | None:
    canary = service.repository.canaries.of(MODEL)
    return None if canary is None else canary.phase


async def last_entry(service: Service) -> AuditEntry:
    return (await service.client.audit(MODEL))[0]


async def test_it_begins_once_every_instance_has_loaded_it(service: Service) -> None:
    add_version(service.repository)
    service.fleet.view = fleet_view(
        instance_view(1, model=MODEL, version=1, also_loaded=(2,)),
        instance_view(2, model=MODEL, version=1),
    )
    summary = await service.client.start_canary(MODEL, 2, NewCanary(0.25, by="ada"))
    assert summary.phase is CanaryPhase.LOADING
    assert "instance-000002" in summary.sentence
    service.fleet.view = loaded(2)
    await step(service)
    found = (await service.client.model(MODEL)).canary
    assert found is not None
    assert (found.phase, found.share, found.stable) == (CanaryPhase.RUNNING, 0.25, 1)
    entry = await last_entry(service)
    assert (entry.what, entry.by, entry.version) == (AuditAction.CANARY, "ada", 2)


async def test_it_goes_live_once_it_agrees_beyond_doubt(service: Service) -> None:
    await start(service)
    record(service, 51, 9)
    await step(service)
    assert phase(service) is CanaryPhase.RUNNING
    for number in range(60, 130):
        answers = CanarySample((1, 2), f"{number:064x}", ("cat", "cat"), (10.0, 10.0))
        service.repository.canaries.record(MODEL, answers)
    await step(service)
    assert service.repository.live(MODEL).number == 2
    assert phase(service) is CanaryPhase.ENDING
    entry = await last_entry(service)
    assert (entry.what, entry.by, entry.rule) == (
        AuditAction.PROMOTED,
        "canary",
        Rule.CANARY_AGREEMENT,
    )
    # Requests name the version that answers until the other one is unloaded everywhere.
    service.fleet.view = loaded(answers=2)
    await step(service)
    assert phase(service) is None


async def test_it_loses_once_it_differs_beyond_doubt(service: Service) -> None:
    await start(service)
    record(service, 20, 60)
    await step(service)
    assert service.repository.live(MODEL).number == 1
    assert phase(service) is CanaryPhase.ENDING
    assert (await service.client.model(MODEL)).canary is None
    entry = await last_entry(service)
    assert (entry.what, entry.rule) == (AuditAction.HELD_BACK, Rule.CANARY_AGREEMENT)
    assert "20 of 80 photos" in entry.text


async def test_corrections_since_it_began_outweigh_agreement(service: Service) -> None:
    await start(service)
    for number in range(9):
        photo = painting("teal", number)
        label = await service.client.label(photo, "dog", model=MODEL)
        answers = CanarySample((1, 2), label.image, ("cat", "dog"), (10.0, 10.0))
        service.repository.canaries.record(MODEL, answers)
    await step(service)
    assert service.repository.live(MODEL).number == 2
    assert (await last_entry(service)).rule is Rule.CANARY_LABELS


async def test_how_it_stands_is_published_now_and_then(service: Service) -> None:
    await start(service)
    service.fleet.now += 10

    async def collect() -> list[Event | None]:
        return [event async for event in service.broker.listen(60)]

    task = asyncio.create_task(collect())
    await asyncio.sleep(0)
    record(service, 3)
    await step(service)
    for _ in range(2):  # too soon to be told again
        record(service, 2)
        await step(service)
    service.fleet.now += 10
    await step(service)
    await step(service)  # nothing is new
    service.broker.close()
    assert await task == [Event("models", MODEL)] * 2
    canary = (await service.client.model(MODEL)).canary
    assert canary is not None
    assert (canary.requests, canary.photos, canary.agreements) == (7, 3, 3)


async def test_a_label_counts_without_a_request_after_it(service: Service) -> None:
    await start(service)
    photos = [painting("teal", number) for number in range(8)]
    for photo in photos:
        image = hashlib.sha256(photo).hexdigest()
        sample = CanarySample((1, 2), image, ("cat", "dog"), (10.0, 10.0))
        service.repository.canaries.record(MODEL, sample)
    await step(service)
    for photo in photos:
        await service.client.label(photo, "cat", model=MODEL)
    await step(service)
    assert phase(service) is CanaryPhase.RUNNING
    service.fleet.now += LABEL_SECONDS
    await step(service)
    assert (await last_entry(service)).rule is Rule.CANARY_LABELS
    assert service.repository.live(MODEL).number == 1


async def test_failures_of_the_canary_end_it(service: Service) -> None:
    await start(service)
    for number in range(9):
        failed = CanarySample((1, 2), f"{number:064x}", ("cat", ""), (10.0, 0.0), Failure.CANARY)
        service.repository.canaries.record(MODEL, failed)
    await step(service)
    assert (await last_entry(service)).rule is Rule.CANARY_FAILED


async def test_its_time_counts_while_a_backend_watches(service: Service) -> None:
    await start(service, NewCanary(seconds=100))
    record(service, 36, 4)
    service.fleet.now += SAVE_SECONDS
    await step(service)
    canary = service.repository.canaries.of(MODEL)
    assert canary is not None
    assert canary.elapsed == SAVE_SECONDS
    # A backend that begins later carries on, and does not count the time without any.
    later = another_backend(service)
    service.fleet.now += 69
    await later.step()
    assert phase(service) is CanaryPhase.RUNNING
    service.fleet.now += 70
    await later.step()
    assert service.repository.live(MODEL).number == 2
    assert (await last_entry(service)).rule is Rule.CANARY_TIME


def another_backend(service: Service) -> Canaries:
    """One that begins now, where another one was killed."""
    return Canaries(
        repository=service.repository,
        store=service.store,
        switch=service.switch,
        broker=service.broker,
        view=lambda: service.fleet.view,
        monotonic=lambda: service.fleet.now,
    )


@pytest.mark.parametrize("promoted", [True, False])
async def test_what_was_decided_when_a_backend_was_killed_is_done_and_noted(
    service: Service, promoted: bool
) -> None:
    await start(service)
    verdict = CanaryVerdict(promoted, Rule.CANARY_AGREEMENT, "It agreed.", "canary")
    service.repository.change_canary(MODEL, lambda canary: replace(canary, verdict=verdict))
    await another_backend(service).step()
    assert service.repository.live(MODEL).number == (2 if promoted else 1)
    entry = await last_entry(service)
    assert entry.what is (AuditAction.PROMOTED if promoted else AuditAction.HELD_BACK)
    assert (entry.rule, entry.text.endswith("It agreed.")) == (Rule.CANARY_AGREEMENT, True)


async def test_what_was_done_but_not_noted_is_noted_once(service: Service) -> None:
    await start(service)
    verdict = CanaryVerdict(True, Rule.CANARY_LABELS, "It was right.", "canary")
    service.repository.change_canary(MODEL, lambda canary: replace(canary, verdict=verdict))
    service.repository.promote(MODEL, 2)
    await another_backend(service).step()
    await another_backend(service).step()
    entries = await service.client.audit(MODEL)
    assert [each.what for each in entries] == [AuditAction.PROMOTED, AuditAction.CANARY]


@pytest.mark.parametrize(("verdict_promotes", "live"), [(True, 2), (False, 1)])
async def test_a_promotion_whose_backend_was_killed_between_its_writes_is_ended(
    service: Service, verdict_promotes: bool, live: int
) -> None:
    """All requests would be for a version that no instance is told to load."""
    await start(service)
    rule = Rule.CANARY_AGREEMENT.value
    verdict = CanaryVerdict(True, rule, "It agreed.", "canary") if verdict_promotes else None
    service.repository.change_canary(
        MODEL, lambda canary: replace(canary.ending(answers=2), verdict=verdict)
    )
    service.fleet.view = loaded(answers=live)
    await step(service)
    assert service.repository.live(MODEL).number == live
    assert phase(service) is None
    promoted = (await last_entry(service)).what is AuditAction.PROMOTED
    assert promoted is verdict_promotes


@pytest.mark.parametrize("ending", [False, True])
async def test_a_version_whose_files_are_gone_is_not_promoted_again_and_again(
    service: Service, ending: bool
) -> None:
    await start(service)
    verdict = CanaryVerdict(True, Rule.CANARY_AGREEMENT, "It agreed.", "canary")

    def decided(canary: Canary) -> Canary:
        return replace(canary.ending(answers=2) if ending else canary, verdict=verdict)

    shutil.rmtree(service.repository.version(MODEL, 2).path)
    service.repository.change_canary(MODEL, decided)
    service.fleet.view = loaded()
    for _ in range(2):
        await step(service)
    assert phase(service) is None
    assert service.repository.live(MODEL).number == 1
    entries = await service.client.audit(MODEL)
    assert [each.what for each in entries] == [AuditAction.HELD_BACK, AuditAction.CANARY]
    assert entries[0].rule is Rule.CANARY_GONE
    assert "files are gone" in entries[0].text
    assert "It agreed." in entries[0].text


async def test_a_person_ends_it_against_the_version(service: Service) -> None:
    await start(service)
    model = await service.client.end_canary(MODEL, 2, by="eve")
    assert (model.live_version, model.canary) == (1, None)
    entry = await last_entry(service)
    assert (entry.what, entry.by, entry.rule) == (AuditAction.HELD_BACK, "eve", Rule.PERSON)


async def test_a_person_ends_it_for_the_version(service: Service) -> None:
    await start(service)
    await service.client.promote(MODEL, 2, by="eve")
    await step(service)
    entries = await service.client.audit(MODEL)
    assert [(each.what, each.by) for each in entries] == [
        (AuditAction.PROMOTED, "eve"),
        (AuditAction.CANARY, "ada"),
    ]


async def test_another_promotion_ends_it_and_says_so(service: Service) -> None:
    add_version(service.repository)
    await start(service)
    await service.client.promote(MODEL, 3)
    await step(service)
    entry = await last_entry(service)
    assert (entry.version, entry.what, entry.rule) == (
        2,
        AuditAction.HELD_BACK,
        Rule.OTHER_PROMOTED,
    )


async def test_an_instance_that_cannot_load_it_ends_it_and_is_named(service: Service) -> None:
    add_version(service.repository)
    one = instance_view(1, model=MODEL, version=1)
    service.fleet.view = fleet_view(replace(one, refused={MODEL: {2: "No memory."}}))
    await service.client.start_canary(MODEL, 2)
    assert phase(service) is CanaryPhase.LOADING  # it may be the error of an earlier attempt
    service.fleet.now += OLD_ERROR_SECONDS + 1
    await step(service)
    entry = await last_entry(service)
    assert entry.rule is Rule.CANARY_NOT_LOADED
    assert "instance-000001" in entry.text
    assert "No memory." in entry.text


async def test_instances_that_do_not_come_along_end_it_and_are_named(service: Service) -> None:
    add_version(service.repository)
    service.fleet.view = fleet_view(instance_view(1, model=MODEL, version=1))
    await service.client.start_canary(MODEL, 2)
    service.fleet.now += LOAD_SECONDS + 1
    await step(service)
    assert "instance-000001" in (await last_entry(service)).text


async def test_an_instance_that_never_unloads_does_not_keep_it_for_ever(service: Service) -> None:
    await start(service)
    await service.client.end_canary(MODEL, 2)
    service.fleet.now += UNLOAD_SECONDS - 1
    await step(service)
    assert phase(service) is CanaryPhase.ENDING
    service.fleet.now += 2
    await step(service)
    assert phase(service) is None


@pytest.mark.parametrize(
    ("number", "new", "status", "sentence"),
    [
        (1, NewCanary(), 409, "is live"),
        (9, NewCanary(), 404, "no version 9"),
        (2, NewCanary(share=0.0), 409, "0%"),
        (2, NewCanary(share=1.0), 409, "100%"),
        (2, NewCanary(seconds=1.0), 409, "1 seconds"),
    ],
)
async def test_what_cannot_be_is_refused(
    service: Service, number: int, new: NewCanary, status: int, sentence: str
) -> None:
    add_version(service.repository)
    with pytest.raises(BackendRefused, match=sentence) as refused:
        await service.client.start_canary(MODEL, number, new)
    assert refused.value.status == status
    assert service.repository.canaries.of(MODEL) is None


async def test_a_version_that_cannot_be_served_is_not_tried(service: Service) -> None:
    add_version(service.repository)
    service.switch.unusable = "It has no graph."
    with pytest.raises(BackendRefused, match="no graph") as refused:
        await service.client.start_canary(MODEL, 2)
    assert refused.value.status == 422


async def test_there_is_nothing_to_end(service: Service) -> None:
    add_version(service.repository)
    with pytest.raises(BackendRefused, match="is no canary") as refused:
        await service.client.end_canary(MODEL, 2)
    assert refused.value.status == 409


async def test_the_model_keeps_its_name_meanwhile(service: Service) -> None:
    await start(service)
    for change in (service.client.rename_model(MODEL, "barn"), service.client.delete_model(MODEL)):
        with pytest.raises(BackendRefused, match="is a canary") as refused:
            await change
        assert refused.value.status == 409
    await service.client.end_canary(MODEL, 2)
    assert (await service.client.rename_model(MODEL, "barn")).name == "barn"


def test_the_file_keeps_all_of_it() -> None:
    verdict = CanaryVerdict(False, Rule.PERSON, "Eve ended the canary.", "eve")
    canary = Canary(2, 1, 0.1, "2026-01-31T09:15:00Z", "ada", 60.0, 5.0, verdict=verdict)
    raw = {"version": 2, "stable": 1, "share": 0.1, "started": "2026-01-31T09:15:00Z"}
    assert Canary.of(raw).verdict is None
    assert "eve" in canary.to_json()
