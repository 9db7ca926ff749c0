"""The worker that stays between training runs: real runs, one after the other."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from backend.training.low_priority import GROUP_NICE, GROUP_PATH, NICE
from backend.training.trainer import WORKER
from backend.training.worker_process import PersistentWorker, WorkerKilled, WorkerProcess
from backend.training.worker_protocol import LOG_NAME, TrainingProgress, TrainingResult
from serving.errors import BackendError
from serving.models.staging import staged_version
from serving.programs import module_command
from serving.workspace import Workspace
from tests.integration.backend.test_worker import TrainingEnv, training_env
from tests.support.child_processes import children_running
from tests.support.tiny_model import TINY_MODEL
from tests.support.waiting import wait_until

__all__ = ["training_env"]

NEVER = 10_000.0


class Standing:
    """A worker, and runs that it carries out."""

    def __init__(self, env: TrainingEnv, worker: PersistentWorker) -> None:
        self.env = env
        self.worker = worker
        self.images = env.dozen("stripes")
        self.processes: list[int] = []

    async def run(self, name: str, spec_change: str = "") -> TrainingResult:
        base = self.env.repository.live(TINY_MODEL)
        run = WorkerProcess(self.worker, self.env.workspace.training_runs / name)
        with staged_version(self.env.repository, TINY_MODEL) as staged:
            spec = self.env.spec(base, self.images, staged)

            def on_progress(_: TrainingProgress) -> None:
                if spec_change == "kill":
                    os.kill(self.children()[0].pid, 9)
                elif spec_change == "cancel":
                    run.kill()

            async def on_photos(_: object) -> None:
                raise AssertionError

            return await run.run(spec, on_progress, on_photos)

    def children(self) -> list[psutil.Process]:
        return children_running(WORKER)


@pytest.fixture
async def standing(training_env: TrainingEnv, workspace: Workspace) -> AsyncIterator[Standing]:
    worker = PersistentWorker(
        module_command(WORKER), workspace.training_runs, stays=True, idle_seconds=NEVER
    )
    yield Standing(training_env, worker)
    await worker.close()


def sessions_differ(pid: int) -> bool:
    """Whether a process has a session of its own that waits for others, where those count."""
    if not GROUP_PATH.exists():
        return True
    group = Path(f"/proc/{pid}/autogroup").read_text()
    return group.endswith(f"nice {GROUP_NICE}\n") and group != GROUP_PATH.read_text()


async def test_one_process_carries_out_several_runs_with_a_log_each(standing: Standing) -> None:
    assert (await standing.run("one")).learned_images > 0
    (first,) = standing.children()
    assert first.nice() == NICE
    assert sessions_differ(first.pid)
    standing.images += standing.env.dozen("rings")
    assert (await standing.run("two")).learned_images > 0
    assert [child.pid for child in standing.children()] == [first.pid]
    folder: Path = standing.env.workspace.training_runs
    assert (folder / "one" / LOG_NAME).is_file()
    assert (folder / "two" / LOG_NAME).is_file()


async def test_a_run_whose_process_is_killed_says_so_and_the_next_one_succeeds(
    standing: Standing,
) -> None:
    with pytest.raises(BackendError, match="ended unexpectedly") as caught:
        await standing.run("killed", "kill")
    assert "memory runs out" in caught.value.advice
    assert (await standing.run("again")).learned_images > 0


async def test_a_process_that_ends_before_its_first_run_names_the_log_that_says_why(
    standing: Standing,
) -> None:
    folder = standing.env.workspace.training_runs
    command = (sys.executable, "-c", "raise SystemExit('something is not installed')")
    standing.worker = PersistentWorker(command, folder, stays=True, idle_seconds=NEVER)
    with pytest.raises(BackendError, match=r"unexpectedly \(code 1\)") as caught:
        await standing.run("one")
    assert f"See {folder / LOG_NAME} for details" in caught.value.advice
    assert "not installed" in (folder / LOG_NAME).read_text()


async def test_a_cancelled_run_ends_its_process_and_the_next_one_succeeds(
    standing: Standing,
) -> None:
    with pytest.raises(WorkerKilled):
        await standing.run("cancelled", "cancel")
    assert standing.children() == []
    assert (await standing.run("again")).learned_images > 0


async def test_photos_are_embedded_before_a_run_asks_for_them(standing: Standing) -> None:
    env = standing.env
    base = env.repository.live(TINY_MODEL)
    spec = replace(env.spec(base, standing.images, Path()), only_embeds=True)
    await standing.worker.embed_ahead(spec)
    backbone = ServableGraph(base.path).backbone_hash()

    def are_known() -> bool:
        cache = EmbeddingCache(env.workspace.embeddings, backbone)
        return all(cache.get(image.image) is not None for image in standing.images)

    await wait_until(are_known)
    # One that cannot be embedded costs no run that comes.
    lost = replace(standing.images[0], image="0" * 64, path="/nowhere/photo.jpg")
    await standing.worker.embed_ahead(replace(spec, images=(lost,)))
    assert (await standing.run("after")).learned_images > 0
    assert len(standing.children()) == 1


async def test_a_run_that_cannot_learn_leaves_the_process(standing: Standing) -> None:
    standing.images = [replace(image, path="/nowhere/photo.jpg") for image in standing.images]
    with pytest.raises(BackendError, match="can be read any more"):
        await standing.run("unreadable")
    assert len(standing.children()) == 1


async def test_an_idle_process_ends_and_gives_its_memory_back(
    training_env: TrainingEnv, workspace: Workspace
) -> None:
    worker = PersistentWorker(
        module_command(WORKER), workspace.training_runs, stays=True, idle_seconds=0.0
    )
    standing = Standing(training_env, worker)
    await asyncio.gather(worker.warm_up(), worker.warm_up())
    # A process that has just been started has no command line for a moment.
    await wait_until(lambda: len(standing.children()) == 1)
    worker.end_when_idle()
    await wait_until(lambda: not standing.children())
    await worker.close()
