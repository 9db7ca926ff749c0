"""A network that sees no colors is taught them: the real program, and runs of the service."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import Decision, RunState, TrainingRun
from backend.store.images import ImageFolder
from backend.training.fine_tuning.network import Recipe
from backend.training.fine_tuning.program import fine_tune
from backend.training.fine_tuning.tuned_network import TUNED_PATH, TunedNetwork
from backend.training.head import ServableGraph
from backend.training.learned import Learned
from backend.training.loaded_version import LoadedVersion
from backend.training.new_version import learn
from backend.training.worker_protocol import (
    FineTuned,
    Message,
    TrainingFailure,
    TrainingProgress,
    TrainingSpec,
    from_line,
)
from serving.errors import ModelError
from serving.models.card import ModelCard
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.workspace import Workspace
from tests.support.backend_env import FINE_TUNING_SCRIPT, Service, write_worker
from tests.support.colorblind_network import (
    KERNEL_NODE,
    KINDS,
    create_colorblind,
    stored_photos,
    tinted,
)
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

RECIPE = Recipe(passes=4, learning_rate=0.004)
"""So few photos of so small a network teach it nothing at the usual rate."""
PER_KIND = 50
ROOT = Path(__file__).parents[3]


class Tuning:
    """A model of one's own on the colorblind network, and labelled photos."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.repository = ModelRepository(workspace.models)
        self.version = create_colorblind(self.repository, "own")
        self.images = stored_photos(ImageFolder(workspace.images), PER_KIND)
        self.messages: list[Message] = []
        self.tuned_file = workspace.training_runs / "run" / "tuned.npz"
        self.tuned_file.parent.mkdir(parents=True)

    @property
    def spec(self) -> TrainingSpec:
        live = self.repository.live("own")
        return TrainingSpec(
            run_id="run",
            base_version=live.number,
            base_folder=str(live.path),
            staging_folder="",
            embeddings_folder=str(self.workspace.embeddings),
            images=tuple(self.images),
            images_ever_labeled=(),
            tuned_file=str(self.tuned_file),
        )

    def fine_tune(self) -> FineTuned:
        return fine_tune(self.spec, self.messages.append, recipe=RECIPE)

    def learn(self, *, tuned: bool) -> Version:
        """Make a version of all labels, with the tuned network or that of the live one."""
        spec = self.spec if tuned else replace(self.spec, tuned_file="")
        base = self.repository.live("own")
        with staged_version(self.repository, "own") as staged:
            learn(replace(spec, staging_folder=str(staged)), self.messages.append)
            made = commit_version(self.repository, "own", staged, learned_from=base)
        return self.repository.promote("own", made.number)


@pytest.fixture
def tuning(workspace: Workspace) -> Tuning:
    return Tuning(workspace)


def right(version: Version, count: int = 40) -> float:
    """Return the share of new photos that a version answers rightly."""
    with LoadedVersion(version.path) as loaded:
        found = [
            loaded.predict([tinted(kind, seed)])[0][0][0].decode() == kind
            for kind in KINDS
            for seed in range(1000, 1000 + count)
        ]
    return float(np.mean(found))


@pytest.mark.slow
def test_a_network_learns_what_it_could_not_see(tuning: Tuning) -> None:
    before = tuning.learn(tuned=False)
    found = tuning.fine_tune()
    assert found.better
    assert (found.comparison.photos, found.unreadable_images) == (2 * PER_KIND, 0)
    assert found.comparison.after > found.comparison.before + 0.15
    assert found.comparison.p < 0.05
    tuned = TunedNetwork.read(tuning.tuned_file)
    assert set(tuned.embeddings) == {image.image for image in tuning.images}
    made = tuning.learn(tuned=True)
    assert right(made) > right(before) + 0.15

    graphs = [ServableGraph(version.path) for version in (before, made)]
    assert graphs[0].backbone_hash() != graphs[1].backbone_hash()
    card = ModelCard.read(made.path)
    assert (card.fine_tuned_in, card.backbone) == ("run", ModelCard.read(before.path).backbone)
    kept = TunedNetwork.of_version(made.path)
    assert kept is not None
    assert not kept.weights  # the graph has them
    measured = card.accuracy
    assert measured is not None
    # Photos that it was taught would all be right.
    assert measured < 0.99 or right(made) > 0.95

    # A later run goes on with the same network, and new photos of it count as they are.
    tuning.images += stored_photos(ImageFolder(tuning.workspace.images), 5, first=500)
    later = tuning.learn(tuned=False)
    assert ModelCard.read(later.path).fine_tuned_in == "run"
    assert ServableGraph(later.path).backbone_hash() == graphs[1].backbone_hash()
    learned = Learned.read(later.path, ServableGraph(later.path).head())
    assert len(learned.answers) == 2 * PER_KIND + 10

    # And so does fine-tuning again: from the weights that nobody tuned.
    again = tuning.fine_tune()
    assert again.comparison.photos == 2 * PER_KIND + 10
    if again.better:
        start = TunedNetwork.read(tuning.tuned_file).before[KERNEL_NODE]
        assert np.array_equal(start, kept.before[KERNEL_NODE])


@pytest.mark.slow
def test_labels_at_random_are_no_gain_and_the_same_photos_give_the_same(tuning: Tuning) -> None:
    order = np.random.default_rng(3).permutation(len(tuning.images))
    labels = [tuning.images[index].class_name for index in order]
    tuning.images = [
        replace(image, class_name=label) for image, label in zip(tuning.images, labels, strict=True)
    ]
    found = tuning.fine_tune()
    assert not found.better
    assert not tuning.tuned_file.exists()
    assert tuning.fine_tune() == found


def test_a_photo_that_cannot_be_read_costs_that_photo(tuning: Tuning) -> None:
    gone, damaged = tuning.images[3], tuning.images[20]
    Path(gone.path).unlink()
    Path(damaged.path).write_bytes(b"\xff\xd8 no photo")
    found = tuning.fine_tune()
    assert (found.comparison.photos, found.unreadable_images) == (2 * PER_KIND - 2, 2)
    steps = [each.step for each in tuning.messages if isinstance(each, TrainingProgress)]
    assert any("left." in step for step in steps)


def test_a_model_that_keeps_other_classes_is_refused(tuning: Tuning) -> None:
    install_tiny(tuning.repository)
    keeps = create_from_backbone(tuning.repository, "both", TINY_MODEL, keeps_classes=True)
    spec = replace(tuning.spec, base_folder=str(keeps.path))
    with pytest.raises(ModelError, match="keeps classes of which there are no photos"):
        fine_tune(spec, tuning.messages.append)


def test_a_network_that_is_live_no_more_is_refused(tuning: Tuning) -> None:
    other = create_from_backbone(
        tuning.repository, "other", install_tiny(tuning.repository).model, keeps_classes=False
    )
    tuned = TunedNetwork("f" * 64, {}, {}, {})
    tuned.write(tuning.tuned_file)
    spec = replace(tuning.spec, base_folder=str(other.path))
    with (
        staged_version(tuning.repository, "other") as staged,
        pytest.raises(ModelError, match="another version was promoted"),
    ):
        learn(replace(spec, staging_folder=str(staged)), tuning.messages.append)


@contextlib.contextmanager
def program(tuning: Tuning) -> Iterator[subprocess.Popen[bytes]]:
    """Start the fine-tuning program on the spec file of a run."""
    spec_file = tuning.tuned_file.with_name("spec.json")
    tuning.spec.write(spec_file)
    command = [sys.executable, "-m", "backend.training.fine_tuning.program", str(spec_file)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    timer = threading.Timer(2 * TIMEOUT_SECONDS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def files(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "when",
    [
        pytest.param("Looking at the photos", marks=pytest.mark.long),
        "Fine-tuning without part",
    ],
)
def test_killed_it_leaves_nothing_behind(tuning: Tuning, when: str) -> None:
    before = files(tuning.workspace.models)
    with program(tuning) as process:
        assert process.stdout is not None
        for line in process.stdout:
            message = from_line(line)
            assert not isinstance(message, (FineTuned, TrainingFailure)), message
            if isinstance(message, TrainingProgress) and when in message.step:
                break
        assert psutil.Process(process.pid).nice() > 0
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert files(tuning.workspace.models) == before
    assert [path.name for path in tuning.tuned_file.parent.iterdir()] == ["spec.json"]


@pytest.mark.slow
def test_it_ends_with_the_backend(tuning: Tuning) -> None:
    with program(tuning) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline()
        process.stdin.close()
        process.stdin = None
        assert process.wait(TIMEOUT_SECONDS) != 0


# The service


GAIN = "send(FineTuned(NetworkComparison(120, 0.8, 0.9, 0.01), True, 0))\n"
NO_GAIN = "send(FineTuned(NetworkComparison(120, 0.8, 0.81, 0.4), False, 0))\n"
SLEEP = "send(TrainingProgress(0.1, str(os.getpid())))\ntime.sleep(60)\n"
WRITE = (
    "from backend.training.fine_tuning.tuned_network import TunedNetwork\n"
    "from backend.contract import NetworkComparison\n"
)


def write_program(worker_script: Path, body: str) -> None:
    write_worker(worker_script.with_name(FINE_TUNING_SCRIPT), WRITE + body)


async def labelled(service: Service, count: int = PER_KIND) -> None:
    create_colorblind(service.repository, "own")
    for seed in range(count):
        for kind in KINDS:
            await service.client.label(tinted(kind, seed), kind, model="own")


async def ended(service: Service, run: TrainingRun) -> TrainingRun:
    async def has_ended() -> bool:
        return (await service.client.training_run(run.id)).finished is not None

    await wait_until(has_ended)
    return await service.client.training_run(run.id)


async def test_a_gain_becomes_a_version_in_its_turn(service: Service, worker_script: Path) -> None:
    write_program(worker_script, "Path(spec.tuned_file).write_bytes(b'a network')\n" + GAIN)
    write_worker(
        worker_script,
        "assert Path(spec.tuned_file).read_bytes() == b'a network'\n"
        "shutil.copytree(spec.base_folder, spec.staging_folder, dirs_exist_ok=True)\n"
        "send(TrainingResult(Evaluation(100, 0.9, 0.8, 100, 0.9, 0.8), 100, 0))\n",
    )
    await labelled(service)
    run = await service.client.train("own", fine_tune=True)
    assert run.fine_tunes
    run = await ended(service, run)
    assert (run.state, run.version, run.decision) == (RunState.SUCCEEDED, 2, Decision.PROMOTED)
    assert run.networks is not None
    assert (run.networks.before, run.networks.after) == (0.8, 0.9)
    assert "of 120 photos that it had not learned from, 90.0% were right" in run.step
    assert await service.store.runs.get(run.id) == run
    assert not list(service.workspace.training_runs.glob("*/tuned.npz*"))


async def test_without_a_gain_there_is_no_version_and_labels_still_wait(
    service: Service, worker_script: Path
) -> None:
    write_program(worker_script, NO_GAIN)
    await labelled(service)
    run = await ended(service, await service.client.train("own", fine_tune=True))
    assert (run.state, run.version, run.fine_tunes) == (RunState.SUCCEEDED, None, True)
    assert run.step.startswith("Fine-tuning brought nothing, so there is no new version")
    assert "81.0% were right, and 80.0%" in run.step
    assert await service.store.runs.get(run.id) == run
    assert (await service.client.labels("own")).since_last_run == 2 * PER_KIND
    assert [each.number for each in service.repository.versions("own")] == [1]


async def test_it_goes_on_beside_training_runs_and_can_be_cancelled(
    service: Service, worker_script: Path
) -> None:
    write_program(worker_script, SLEEP)
    write_worker(
        worker_script,
        "shutil.copytree(spec.base_folder, spec.staging_folder, dirs_exist_ok=True)\n"
        "send(TrainingResult(Evaluation(100, 0.9, 0.8, 100, 0.9, 0.8), 100, 0))\n",
    )
    await labelled(service)
    run = await service.client.train("own", fine_tune=True)

    async def has_begun() -> bool:
        return (await service.client.training_run(run.id)).step.isdecimal()

    await wait_until(has_begun)
    pid = int((await service.client.training_run(run.id)).step)
    assert (await service.client.train("own", fine_tune=True)).id == run.id
    learned = await ended(service, await service.client.train("own"))
    assert (learned.state, learned.version) == (RunState.SUCCEEDED, 2)
    with pytest.raises(BackendRefused, match="is being fine-tuned"):
        await service.client.delete_model("own")
    cancelled = await service.client.cancel_training(run.id)
    assert (cancelled.state, cancelled.version) == (RunState.CANCELLED, None)
    assert not psutil.pid_exists(pid)
    assert (await service.client.labels("own")).since_last_run == 0


@pytest.mark.parametrize("code", [1, -signal.SIGKILL])
async def test_a_program_that_fails_fails_its_run(
    service: Service, worker_script: Path, code: int
) -> None:
    end = "os.kill(os.getpid(), 9)\n" if code < 0 else "sys.exit(1)\n"
    write_program(worker_script, end)
    await labelled(service)
    run = await ended(service, await service.client.train("own", fine_tune=True))
    assert run.state is RunState.FAILED
    assert f"ended unexpectedly (code {code})" in run.step


async def test_it_is_offered_from_a_hundred_labels_on(service: Service) -> None:
    await labelled(service, 5)
    offer = await service.client.fine_tuning("own")
    assert (offer.labels, offer.seconds) == (10, None)
    assert "needs 100 labels" in offer.because
    with pytest.raises(BackendRefused, match="needs 100 labels") as refused:
        await service.client.train("own", fine_tune=True)
    assert refused.value.status == 409
    install_tiny(service.repository, "keeps")
    with pytest.raises(BackendRefused, match="keeps classes"):
        await service.client.train("keeps", fine_tune=True)
    assert await service.client.training_runs("own") == []


async def test_networks_that_a_killed_backend_left_behind_are_removed(
    service: Service,
) -> None:
    left = service.workspace.training_runs / "20260101-000000-abcd" / "tuned.npz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a network")
    await service.trainer.open()
    assert not left.exists()


@pytest.mark.slow
async def test_labels_over_http_fine_tune_a_network(
    client: BackendClient, workspace: Workspace
) -> None:
    """With the real programs and their usual recipe."""
    create_colorblind(ModelRepository(workspace.models), "own")
    for seed in range(100):
        for kind in KINDS:
            await client.label(tinted(kind, seed), kind, model="own")
    offer = await client.fine_tuning("own")
    assert offer.possible
    run = await client.train("own", fine_tune=True)
    assert run.labels == 200

    async def has_ended() -> bool:
        return (await client.training_run(run.id)).finished is not None

    await wait_until(has_ended, 4 * TIMEOUT_SECONDS)
    run = await client.training_run(run.id)
    assert run.state is RunState.SUCCEEDED, run.step
    assert run.networks is not None
    assert run.networks.photos == 200
    assert run.version is not None, run.step
    assert (workspace.models / "own" / str(run.version) / TUNED_PATH).is_file()
