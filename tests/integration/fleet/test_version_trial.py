"""A version is tried in a process of its own: what is wrong with it harms nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from serving.fleet import version_trial
from serving.fleet.version_trial import UnusableVersion, try_version
from serving.models.card import CARD_PATH
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.graph_template import float_tensor, with_constants
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.models.warm_up import write_warmup
from serving.tf.names import HEAD_BIAS, SAVED_MODEL_FILE, WARM_UP_FILE
from tests.support.child_processes import children_running
from tests.support.tiny_model import COLORS, install_tiny
from tests.support.waiting import wait_until


@pytest.fixture
def version(tmp_path: Path) -> Version:
    return install_tiny(ModelRepository(tmp_path / "models"))


def rename_in_graph(folder: Path, old: bytes, new: bytes) -> None:
    assert len(old) == len(new)
    graph = folder / SAVED_MODEL_FILE
    assert old in graph.read_bytes()
    graph.write_bytes(graph.read_bytes().replace(old, new))


def truncate_graph(folder: Path) -> None:
    os.truncate(folder / SAVED_MODEL_FILE, 1000)


def enlarge_graph(folder: Path) -> None:
    os.truncate(folder / SAVED_MODEL_FILE, 3 * 2**30)


def make_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / name)


def answer_no_number(folder: Path) -> None:
    graph = folder / SAVED_MODEL_FILE
    bias = float_tensor([float("nan")] * len(COLORS))
    graph.write_bytes(with_constants(graph.read_bytes(), {HEAD_BIAS: bias}))


def rename_class_on_card(folder: Path) -> None:
    card = folder / CARD_PATH
    card.write_text(card.read_text().replace('"red"', '"rouge"'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda f: (f / SAVED_MODEL_FILE).write_bytes(b"garbage" * 99), "is damaged"),
    "empty": (lambda f: (f / SAVED_MODEL_FILE).write_bytes(b""), "meta graph"),
    "half": (truncate_graph, "is damaged"),
    "huge": (enlarge_graph, "larger than 2 GB"),
    "missing": (lambda f: (f / SAVED_MODEL_FILE).unlink(), "saved_model.pb cannot be read"),
    "unknown operation": (
        lambda f: rename_in_graph(f, b"\x06Conv2D", b"\x06Conv9D"),
        "Conv9D",
    ),
    "no signature": (
        lambda f: rename_in_graph(f, b"predict_images", b"predict_zzzzzz"),
        'Serving signature key "predict_images" not found',
    ),
    "pipe": (lambda f: make_pipe(f, SAVED_MODEL_FILE), "saved_model.pb is not a file"),
    "pipe of variables": (
        lambda f: make_pipe(f, "variables/variables.index"),
        "variables.index is not a file",
    ),
    "warm-up": (lambda f: (f / WARM_UP_FILE).write_bytes(b"junk"), "warmup data"),
    "no number": (answer_no_number, "the score nan, outside 0 to 1"),
    "class": (rename_class_on_card, "class 'red', which its card does not name"),
    "card": (
        lambda f: (f / CARD_PATH).write_text("{"),
        "The model card of version 1",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_version_that_cannot_be_served_is_found_out(version: Version, damage: str) -> None:
    spoil, reason = DAMAGES[damage]
    # As in a version that was added so: nothing on disk shows that it was changed.
    (version.path / CHECKSUMS_PATH).unlink()
    spoil(version.path)
    with pytest.raises(UnusableVersion) as caught:
        await try_version(version)
    assert caught.value.what.startswith("Version 1 of pets cannot be served. ")
    assert reason in caught.value.what
    assert caught.value.what.endswith(".")
    assert caught.value.advice == version_trial.ADVICE


async def test_a_good_version_passes_with_and_without_a_card(version: Version) -> None:
    await try_version(version)
    (version.path / CARD_PATH).unlink()
    await try_version(version)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGABRT, marks=pytest.mark.long), signal.SIGSEGV, signal.SIGKILL],
)
async def test_a_version_that_ends_its_server_ends_its_own_process_alone(
    version: Version, number: signal.Signals
) -> None:
    """Ended from outside, since no graph ends TensorFlow in every one of its versions."""

    def loading() -> list[psutil.Process]:
        return children_running(version_trial.PROGRAM)

    trial = asyncio.create_task(try_version(version))
    (await wait_until(loading))[0].send_signal(number)
    with pytest.raises(UnusableVersion, match=r"ends the process that loads it|more memory"):
        await trial
    assert not loading()


async def test_a_version_that_needs_more_memory_than_instances_get_is_found_out(
    version: Version,
) -> None:
    with pytest.raises(UnusableVersion, match="cannot be served"):
        await try_version(version, memory_limit=40 * 2**20)


async def test_a_version_that_is_warmed_up_without_end_is_given_up(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    (version.path / CHECKSUMS_PATH).unlink()
    write_warmup(version.path)
    path = version.path / WARM_UP_FILE
    path.write_bytes(path.read_bytes() * 500)
    # It would end after a minute or so; the rule is the same with less.
    monkeypatch.setattr(version_trial, "BUSY_SECONDS", 2.0)
    with pytest.raises(UnusableVersion, match="Loading it did not end within"):
        await try_version(version)


async def test_files_that_changed_since_it_was_made_are_named(version: Version) -> None:
    graph = version.path / SAVED_MODEL_FILE
    data = bytearray(graph.read_bytes())
    # Within the weights: it still loads, and answers what nobody measured.
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    with pytest.raises(UnusableVersion, match=r"changed after it was made: saved_model\.pb"):
        await try_version(version)
    # Notes that a person put there change nothing.
    shutil.copyfile(version.path / CARD_PATH, version.path / "notes.json")
    await try_version(install_tiny(ModelRepository(version.path.parents[2] / "others")))
