"""Every training run reaches an end state that says what happened."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.client import BackendRefused
from backend.contract import (
    Decision,
    Rule,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from backend.store.label_queries import Moment
from backend.training.photo_source import PhotoSource
from backend.training.trainer import ModelBusy
from serving.background import in_background
from serving.errors import BackendError
from tests.support.backend_env import Service, add_version, promotions, write_worker
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

WRITE = """
staged = Path(spec.staging_folder)
shutil.copytree(spec.base_folder, staged, dirs_exist_ok=True)
"""
RESULT = (
    "send(TrainingResult(Evaluation({images}, {new}, {base}, {images}, {new}, {base}), 1, 0))\n"
)
SLEEP = "send(TrainingProgress(0.1, str(os.getpid())))\ntime.sleep(60)\n"
GOOD = WRITE + RESULT.format(images=50, new=0.85, base=0.8)


async def ended(service: Service, run_id: str) -> TrainingRun:
    async def has_ended() -> bool:
        return (await service.client.training_run(run_id)).finished is not None

    await wait_until(has_ended)
    return await service.client.training_run(run_id)


async def worker_started(service: Service, run_id: str) -> str:
    """Return the first step that the worker names; here, its process id."""

    async def has_started() -> bool:
        return (await service.client.training_run(run_id)).step.isdecimal()

    await wait_until(has_started)
    return (await service.client.training_run(run_id)).step


async def start(service: Service, worker_script: Path, body: str) -> TrainingRun:
    write_worker(worker_script, body)
    await service.client.label(image_bytes(), "zebra")
    return await service.client.train()


def nothing_staged(service: Service) -> bool:
    names = {path.name for path in (service.repository.root / "farm").iterdir()}
    return all(name.isdecimal() or name.endswith(".config") for name in names)


async def test_a_good_version_goes_live(service: Service, worker_script: Path) -> None:
    run = await start(service, worker_script, "send(TrainingProgress(0.5, 'Half way.'))\n" + GOOD)
    assert run.state is RunState.QUEUED
    run = await ended(service, run.id)
    assert (run.state, run.version, run.step) == (RunState.SUCCEEDED, 2, "Version 2 is live.")
    assert (run.promoted, run.not_promoted_because) == (True, "")
    assert (run.decision, run.rule, run.decided_by) == (Decision.PROMOTED, Rule.PASSED, "gate")
    assert (run.decided is not None, run.started_by) == (True, StartedBy.PERSON)
    assert await service.store.runs.get(run.id) == run
    assert (run.accuracy, run.base_accuracy, run.labels, run.progress) == (0.85, 0.8, 1, 1.0)
    assert service.repository.live("farm").number == 2
    assert promotions(service.workspace, service.database)[0][:3] == ("farm", 2, run.id)
    assert (await service.client.labels()).since_last_run == 0
    assert nothing_staged(service)


async def test_a_run_never_falls_back_to_an_earlier_step(
    service: Service, worker_script: Path
) -> None:
    seen: list[TrainingRun] = []

    async def follow() -> None:
        async for event in service.broker.listen(60):
            if event is not None and event.topic == "training":
                seen.append(await service.trainer.run(event.id))

    async with in_background(follow(), name="follow"):
        await ended(service, (await start(service, worker_script, GOOD)).id)
    progress = [run.progress for run in seen]
    assert progress == sorted(progress), seen
    assert {"Starting.", "Adding the new version to the repository."} <= {run.step for run in seen}


async def test_a_version_that_forgot_stays_unpromoted(
    service: Service, worker_script: Path
) -> None:
    run = await start(service, worker_script, WRITE + RESULT.format(images=50, new=0.6, base=0.8))
    run = await ended(service, run.id)
    assert (run.state, run.version, run.promoted) == (RunState.SUCCEEDED, 2, False)
    assert run.not_promoted_because == run.step
    assert (run.decision, run.rule) == (Decision.HELD_BACK, Rule.OLD_RECALL)
    assert await service.store.runs.get(run.id) == run
    assert "fell from 80.0% to 60.0%" in run.step
    assert service.repository.live("farm").number == 1


async def test_what_passes_waits_for_a_person_if_nothing_is_to_go_live_by_itself(
    service: Service, worker_script: Path
) -> None:
    await service.client.change_training_settings("farm", TrainingSettings(promote=False))
    run = await ended(service, (await start(service, worker_script, GOOD)).id)
    assert (run.decision, run.rule) == (Decision.HELD_BACK, Rule.AUTOMATIC_OFF)
    assert service.repository.live("farm").number == 1
    await service.client.promote("farm", 2, by="Anna")
    run = await service.client.training_run(run.id)
    facts = (run.decision, run.rule, run.decided_by)
    assert facts == (Decision.PROMOTED, Rule.PERSON, "Anna")
    assert run.not_promoted_because


async def test_a_choice_made_meanwhile_stands(service: Service, worker_script: Path) -> None:
    add_version(service.repository)
    wait = (
        "send(TrainingProgress(0.1, str(os.getpid())))\n"
        "while not Path(sys.argv[0]).with_name('go').exists(): time.sleep(0.02)\n"
    )
    run = await start(service, worker_script, wait + GOOD)
    await worker_started(service, run.id)
    await service.client.promote("farm", 2)
    worker_script.with_name("go").touch()
    run = await ended(service, run.id)
    assert run.version == 3
    assert not run.promoted
    assert (run.decision, run.rule) == (Decision.HELD_BACK, Rule.OTHER_PROMOTED)
    assert service.repository.live("farm").number == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "send(TrainingFailure('It cannot learn.', 'Import it.')); sys.exit(1)",
            "It cannot learn. Import",
        ),
        ("os.kill(os.getpid(), 9)", "ended unexpectedly (code -9)"),
        ("raise RuntimeError('a defect')", "ended unexpectedly (code 1)"),
        ("pass", "ended unexpectedly (code 0)"),
        ("print('{nonsense'); print('[]'); print('x' * 3_000_000)", "training failed"),
    ],
    ids=["failure", "killed", "crash", "silent", "noise"],
)
async def test_the_run_ends_whatever_the_worker_does(
    service: Service, worker_script: Path, body: str, message: str
) -> None:
    run = await ended(service, (await start(service, worker_script, body)).id)
    assert run.state is RunState.FAILED
    assert message in run.step
    assert nothing_staged(service)
    assert [version.number for version in service.repository.versions("farm")] == [1]
    write_worker(worker_script, GOOD)
    assert (await ended(service, (await service.client.train()).id)).state is RunState.SUCCEEDED


async def test_cancelling_ends_the_worker(service: Service, worker_script: Path) -> None:
    run = await start(service, worker_script, SLEEP)
    process = int(await worker_started(service, run.id))
    cancelled = await service.client.cancel_training(run.id)
    assert (cancelled.state, cancelled.step) == (RunState.CANCELLED, "Cancelled.")
    assert not psutil.pid_exists(process)
    assert nothing_staged(service)
    with pytest.raises(BackendRefused) as caught:
        await service.client.cancel_training(run.id)
    assert caught.value.status == 409


async def test_one_runs_and_one_waits(service: Service, worker_script: Path) -> None:
    first = await start(service, worker_script, SLEEP)
    await worker_started(service, first.id)
    second = await service.client.train()
    assert second.id != first.id
    assert (await service.client.train()).id == second.id
    assert (await service.client.cancel_training(second.id)).state is RunState.CANCELLED
    assert (await service.client.training_run(first.id)).state is RunState.RUNNING
    third = await service.client.train()
    write_worker(worker_script, GOOD)
    await service.client.cancel_training(first.id)
    assert (await ended(service, third.id)).state is RunState.SUCCEEDED


async def test_closing_ends_the_worker_and_the_run(service: Service, worker_script: Path) -> None:
    run = await start(service, worker_script, SLEEP)
    await worker_started(service, run.id)
    await service.trainer.close()
    stored = await service.store.runs.get(run.id)
    assert stored.state is RunState.FAILED
    assert "closed" in stored.step
    assert nothing_staged(service)


async def test_there_must_be_something_to_learn(service: Service, worker_script: Path) -> None:
    with pytest.raises(BackendRefused, match="nothing to learn") as caught:
        await service.client.train()
    assert caught.value.status == 409
    run = await start(service, worker_script, GOOD)
    await ended(service, run.id)
    await service.client.undo_label(1)
    unlearned = await service.client.train()
    assert (await ended(service, unlearned.id)).labels == 0


async def test_without_a_live_version_the_run_says_so(
    service: Service, worker_script: Path
) -> None:
    service.repository.live_config_path("farm").unlink()
    run = await ended(service, (await start(service, worker_script, GOOD)).id)
    assert run.state is RunState.FAILED
    assert "No version of model farm is live." in run.step


async def test_a_result_that_cannot_be_saved_is_reported_and_the_next_run_starts(
    service: Service, worker_script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = service.store.runs.save

    async def full(run: TrainingRun, learns_from: Moment | None = None) -> None:
        if run.finished:
            raise BackendError("The disk is full.", "Free some space.")
        await save(run, learns_from)

    with monkeypatch.context() as patch:
        patch.setattr(service.store.runs, "save", full)
        run = await ended(service, (await start(service, worker_script, "pass")).id)
    assert run.state is RunState.FAILED
    write_worker(worker_script, GOOD)
    assert (await ended(service, (await service.client.train()).id)).state is RunState.SUCCEEDED


async def test_a_version_is_reported_as_live_although_its_promotion_was_not_recorded(
    service: Service, worker_script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise BackendError("The disk is full.", "Free some space.")

    monkeypatch.setattr(service.store.runs, "record_decision", full)
    run = await ended(service, (await start(service, worker_script, GOOD)).id)
    assert service.repository.live("farm").number == 2
    assert (run.state, run.promoted, run.not_promoted_because) == (RunState.SUCCEEDED, True, "")
    assert run.step.startswith("Version 2 is live.")
    assert "The disk is full." in run.step
    assert await service.store.runs.get(run.id) == run


async def test_models_learn_one_after_the_other_in_the_order_asked(
    service: Service, worker_script: Path
) -> None:
    for model in ("pets", "zoo"):
        add_version(service.repository, model=model)
        service.repository.promote(model, 1)
        await service.client.label(image_bytes(), "zebra", model=model)
    first = await start(service, worker_script, SLEEP + GOOD)
    await worker_started(service, first.id)
    zoo = await service.client.train("zoo")
    pets = await service.client.train("pets")
    assert await service.client.train("zoo") == zoo
    write_worker(worker_script, GOOD)
    await service.client.cancel_training(first.id)
    assert (await ended(service, zoo.id)).version == 2
    assert (await ended(service, pets.id)).version == 2
    finished = [(await service.client.training_run(run.id)).finished for run in (zoo, pets)]
    assert finished == sorted(finished, key=str)
    assert service.repository.live("farm").number == 1
    assert [run.id for run in await service.client.training_runs("zoo")] == [zoo.id]
    assert len(await service.client.training_runs()) == 3


async def test_each_model_needs_something_of_its_own_to_learn(service: Service) -> None:
    add_version(service.repository, model="pets")
    await service.client.label(image_bytes(), "zebra")
    with pytest.raises(BackendRefused, match="nothing to learn"):
        await service.client.train("pets")


async def test_a_model_that_learns_cannot_be_held(service: Service, worker_script: Path) -> None:
    run = await start(service, worker_script, SLEEP)
    with pytest.raises(ModelBusy, match="is learning"):
        async with service.trainer.held("farm"):
            pass
    await worker_started(service, run.id)
    with pytest.raises(ModelBusy, match="is learning"):
        async with service.trainer.held("farm"):
            pass
    await service.client.cancel_training(run.id)
    async with service.trainer.held("farm"):
        with pytest.raises(BackendRefused, match="being changed") as caught:
            await service.client.train()
        with pytest.raises(ModelBusy, match="being changed"):
            async with service.trainer.held("farm"):
                pass
    assert caught.value.status == 409
    await service.client.cancel_training((await service.client.train()).id)


async def test_an_import_needs_no_labels_and_its_temporary_folder_goes(
    service: Service, worker_script: Path, tmp_path: Path
) -> None:
    write_worker(worker_script, "assert Path(spec.import_folder).is_dir()\n" + GOOD)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    source = PhotoSource(folder, "photos.zip", temporary=True)
    run = await service.trainer.queue_import("farm", source)
    assert run.imported_from == "photos.zip"
    run = await ended(service, run.id)
    assert (run.state, run.imported_from) == (RunState.SUCCEEDED, "photos.zip")
    await wait_until(lambda: not folder.exists())


async def test_a_cancelled_import_leaves_no_temporary_folder(
    service: Service, worker_script: Path, tmp_path: Path
) -> None:
    running = await start(service, worker_script, SLEEP)
    await worker_started(service, running.id)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    source = PhotoSource(folder, "photos.zip", temporary=True)
    run = await service.trainer.queue_import("farm", source)
    await service.client.cancel_training(run.id)
    assert not folder.exists()
    await service.client.cancel_training(running.id)


async def test_versions_that_nothing_keeps_go_after_a_new_one(
    service: Service, worker_script: Path
) -> None:
    for _ in range(3):
        add_version(service.repository)
    settings = service.repository.settings("farm")
    service.repository.change_settings("farm", lambda _: replace(settings, keep_versions=1))
    run = await ended(service, (await start(service, worker_script, GOOD)).id)
    assert run.version == 5
    assert [each.number for each in service.repository.versions("farm")] == [1, 5]


READ = """
def read(*numbers):
    photos = [ReadPhoto(f'{number:064x}', 'owl', number == 2) for number in numbers]
    send(PhotosRead(tuple(photos)))
read(1, 2)
read(3)
"""


async def test_photos_of_an_import_are_labelled_while_it_runs(
    service: Service, worker_script: Path, tmp_path: Path
) -> None:
    write_worker(worker_script, READ + GOOD.replace(", 1, 0)", ", 3, 0, 4)"))
    source = PhotoSource(tmp_path, str(tmp_path), by="ada")
    run = await service.trainer.queue_import("farm", source)
    run = await ended(service, run.id)
    assert (run.state, run.labels) == (RunState.SUCCEEDED, 3)
    assert run.step == "Version 2 is live. Files skipped: 4; the report says why."
    labels = await service.store.labels.snapshot("farm")
    assert [(label.class_name, label.new_class) for label in labels.current] == [("owl", True)] * 3
    assert {label.by for label in labels.current} == {"ada"}
    assert labels.held_out == {f"{2:064x}"}
    assert (await service.client.labels()).since_last_run == 0


async def test_labels_of_a_cancelled_import_stay(
    service: Service, worker_script: Path, tmp_path: Path
) -> None:
    write_worker(worker_script, READ + SLEEP)
    run = await service.trainer.queue_import("farm", PhotoSource(tmp_path, str(tmp_path)))
    await worker_started(service, run.id)
    assert (await service.client.cancel_training(run.id)).state is RunState.CANCELLED
    summary = await service.client.labels()
    assert (summary.total, summary.since_last_run) == (3, 3)


async def test_an_import_whose_labels_cannot_be_saved_fails_and_says_so(
    service: Service, worker_script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*arguments: object, by: str, batch: str) -> int:
        raise BackendError("The disk is full.", "Free some space.")

    monkeypatch.setattr(service.store.labels, "add_many", full)
    write_worker(worker_script, READ + SLEEP)
    run = await service.trainer.queue_import("farm", PhotoSource(tmp_path, str(tmp_path)))
    run = await ended(service, run.id)
    assert (run.state, run.step) == (RunState.FAILED, "The disk is full. Free some space.")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
async def test_a_run_whose_files_the_disk_refuses_fails_with_a_sentence(
    service: Service, worker_script: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    async def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("backend.training.trainer.WorkerProcess.run", refuse)
    run = await ended(service, (await start(service, worker_script, GOOD)).id)
    assert run.state is RunState.FAILED
    assert run.step.startswith("The training run could not write its files: ")
    assert "Errno" not in run.step
    assert str(service.workspace.root) in run.step
    monkeypatch.undo()
    write_worker(worker_script, GOOD)
    assert (await ended(service, (await service.client.train()).id)).state is RunState.SUCCEEDED
