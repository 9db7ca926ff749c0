"""Training begins by itself after enough labels, or after a quiet time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import Event, RunState, StartedBy, TrainingRun, TrainingSettings
from backend.training.triggers import (
    POLL_SECONDS,
    RETRY_SECONDS,
    SETTLED_SECONDS,
    TICK_SECONDS,
    TrainingTriggers,
    Unlearned,
    reason_to_train,
)
from serving.errors import BackendError
from tests.support.backend_env import Service, service, worker_script, write_worker
from tests.support.clock import ManualClock
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

__all__ = ["service", "worker_script"]

SETTINGS = TrainingSettings(after_labels=3, quiet_seconds=60)
WAITS = "time.sleep(600)\n"


@pytest.mark.parametrize(
    ("changed", "quiet", "settings", "reason"),
    [
        (0, 1000.0, SETTINGS, None),
        (1, 59.0, SETTINGS, None),
        (1, 60.0, SETTINGS, StartedBy.QUIET),
        (3, SETTLED_SECONDS, SETTINGS, StartedBy.COUNT),
        (3, SETTLED_SECONDS - 0.1, SETTINGS, None),
        (300, 1000.0, replace(SETTINGS, automatic=False), None),
    ],
)
def test_training_begins_after_enough_labels_or_quiet_time(
    changed: int, quiet: float, settings: TrainingSettings, reason: StartedBy | None
) -> None:
    assert reason_to_train(Unlearned(settings, changed, 100.0, 1), 100.0 + quiet) is reason


class TriggersEnv:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.clock = ManualClock()
        self.triggers = self.restarted()

    def restarted(self) -> TrainingTriggers:
        service = self.service
        models = service.repository.models
        return TrainingTriggers(service.store, service.trainer, service.broker, models, self.clock)

    async def label(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            await self.service.client.label(image_bytes(f"#{25 * number:02x}2020"), "zebra")
        await self.triggers.on_event(Event("labels", "farm"))
        await self.triggers.check()

    async def after(self, seconds: float) -> list[TrainingRun]:
        """Let time pass, and return the runs that there are then."""
        self.clock.advance(seconds)
        await self.triggers.check()
        return await self.service.client.training_runs("farm")

    async def end(self, run: TrainingRun) -> TrainingRun:
        """Cancel a run, and return it."""
        return await self.service.client.cancel_training(run.id)


@pytest.fixture
async def env(service: Service, worker_script: Path) -> TriggersEnv:
    write_worker(worker_script, WAITS)
    await service.client.change_training_settings("farm", SETTINGS)
    return TriggersEnv(service)


async def test_enough_labels_start_one_run_for_all_of_them(env: TriggersEnv) -> None:
    await env.label(2)
    assert await env.after(SETTLED_SECONDS) == []
    await env.label(2, first=2)
    assert await env.after(SETTLED_SECONDS / 2) == []
    (run,) = await env.after(SETTLED_SECONDS / 2)
    assert (run.started_by, run.labels) == (StartedBy.COUNT, 4)
    assert [each.id for each in await env.after(1000.0)] == [run.id]


async def test_a_quiet_time_starts_a_run_and_each_label_begins_it_again(env: TriggersEnv) -> None:
    await env.label(1)
    assert await env.after(59.0) == []
    await env.label(1, first=1)
    assert await env.after(59.0) == []
    (run,) = await env.after(1.0)
    assert (run.started_by, run.labels) == (StartedBy.QUIET, 2)


async def test_many_labels_a_second_are_looked_at_once_a_second(
    env: TriggersEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look counts all labels, and writes down what is to be embedded."""
    looked: list[float] = []

    async def look(model: str) -> None:
        looked.append(env.clock())

    monkeypatch.setattr(env.service.trainer, "embed_ahead", look)
    began = env.clock()
    await env.label(1)
    for number in range(1, 10):
        env.clock.advance(TICK_SECONDS / 4)
        await env.label(1, first=number)
    assert looked == [began, began + TICK_SECONDS, began + 2 * TICK_SECONDS]
    # The last label, which nobody has looked at, begins the quiet time.
    assert await env.after(SETTLED_SECONDS - 0.1) == []
    (run,) = await env.after(0.1)
    assert (run.started_by, run.labels) == (StartedBy.COUNT, 10)


async def test_what_was_tried_is_not_tried_again_until_there_are_new_labels(
    env: TriggersEnv,
) -> None:
    await env.label(3)
    (run,) = await env.after(SETTLED_SECONDS)
    assert (await env.end(run)).state is RunState.CANCELLED
    assert len(await env.after(1000.0)) == 1
    await env.label(3, first=3)
    assert len(await env.after(SETTLED_SECONDS)) == 2


async def test_labels_that_come_during_a_run_wait_for_its_end(env: TriggersEnv) -> None:
    await env.label(3)
    (run,) = await env.after(SETTLED_SECONDS)

    async def is_running() -> bool:
        return (await env.service.client.training_run(run.id)).state is RunState.RUNNING

    await wait_until(is_running)
    await env.label(3, first=3)
    assert len(await env.after(1000.0)) == 1
    await env.end(run)
    await env.after(0.0)
    assert len(await env.after(SETTLED_SECONDS)) == 2


async def test_a_backend_that_starts_finds_what_waits(env: TriggersEnv) -> None:
    await env.label(1)
    env.triggers = env.restarted()
    await env.triggers.on_event(Event("training"))
    await env.triggers.check()
    assert await env.after(59.0) == []
    assert len(await env.after(1.0)) == 1


async def test_an_interrupted_run_is_started_again(env: TriggersEnv) -> None:
    await env.label(3)
    (run,) = await env.after(SETTLED_SECONDS)
    await env.service.trainer.close()
    assert (await env.service.store.runs.get(run.id)).state is RunState.FAILED
    attempted = await env.service.store.runs.last_attempted("farm")
    assert (await env.service.store.labels.counts("farm", attempted)).changed == 3


async def test_nothing_begins_by_itself_once_that_is_switched_off(env: TriggersEnv) -> None:
    await env.label(5)
    off = replace(SETTINGS, automatic=False)
    await env.service.client.change_training_settings("farm", off)
    await env.triggers.on_event(Event("training"))
    assert await env.after(1000.0) == []


async def test_a_full_disk_is_waited_for(
    env: TriggersEnv, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_: object) -> None:
        raise BackendError("The disk is full.", "Free some space.")

    await env.label(3)
    with monkeypatch.context() as patch:
        patch.setattr(env.service.store.runs, "save", full)
        assert await env.after(SETTLED_SECONDS) == []
    assert "could not be started" in caplog.text
    assert await env.after(RETRY_SECONDS - 1) == []
    await env.after(1.0)
    assert len(await env.after(SETTLED_SECONDS)) == 1


async def test_labels_that_another_backend_stored_are_found_though_nothing_said_so(
    env: TriggersEnv,
) -> None:
    service = env.service
    models = service.repository.models
    env.triggers = TrainingTriggers(
        service.store, service.trainer, service.broker, models, env.clock, shared=True
    )
    for number in range(3):
        await service.client.label(image_bytes(f"#{40 * number:02x}2020"), "zebra")
    assert await env.after(POLL_SECONDS - 1) == []
    assert await env.after(1.0) == []
    (run,) = await env.after(SETTLED_SECONDS)
    assert run.started_by is StartedBy.COUNT
