"""A model of one's own from the shell, from an empty workspace, while others classify."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop.commands.connections import open_fleet
from serving.background import in_background
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import block_until, wait_until
from tests.support.waste_photos import WASTE, unseen_photos, waste_folder

pytestmark = pytest.mark.slow

PHOTOS, MANY = 8, 25
"""Of each class; what is interrupted has the greater number."""


@pytest.fixture(scope="module")
def shell(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    waste_folder(shared_data, shell.folder / "photos of waste", PHOTOS)
    yield shell
    stopped = shell.run("fleet", "stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="module")
def backend(shell: CommandLine) -> Iterator[str]:
    """The address of a backend that goes on from one command to the next."""
    with shell.serving() as address:
        yield address


@pytest.fixture(scope="module")
def panda(shared_data: Path) -> str:
    (photo,) = (shared_data / "photos").glob("*_giant_panda.JPEG")
    return str(photo)


async def test_a_model_of_a_folder_answers_and_the_former_one_again(
    shell: CommandLine, panda: str, shared_data: Path
) -> None:
    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(shell.json, *arguments)

    jpeg = await asyncio.to_thread(Path(panda).read_bytes)
    before = await run("classify", panda, "--start")
    assert (before["model"], before["scores"][0]["name"]) == (DEFAULT_BUILT_IN, "giant panda")
    with shell.backend():
        # Not beside the load, to which the training yields; test_models_http.py does that.
        made = await run("models", "new", "my waste", "--from", "photos of waste")
        assert made["run"]["promoted"] is True, made
        assert made["report"]["photos_per_class"] == [PHOTOS] * 3
        async with (
            open_fleet(Workspace(shell.workspace), "process") as (fleet, client),
            in_background(fleet.watch()),
            LoadGenerator(client, jpeg, 8, pause=1.0) as load,
        ):
            await wait_until(lambda: load.models[DEFAULT_BUILT_IN] > 32)
            await knows_waste(shell, shared_data, "--model", "my waste")
            assert load.models.keys() == {DEFAULT_BUILT_IN}
            used = await run("models", "use", "my waste")
            assert (used["current"], used["served"]) == (True, True)
            await wait_until(lambda: load.models["my waste"] > 32)
            await knows_waste(shell, shared_data)
            assert (await run("models", "use", DEFAULT_BUILT_IN))["current"] is True
            answered = load.models[DEFAULT_BUILT_IN]
            await wait_until(lambda: load.models[DEFAULT_BUILT_IN] > answered + 32)
        assert load.failures == []
        copied = await run("models", "duplicate", "my waste", "copy")
        assert copied["labels"] == 3 * PHOTOS
    after = await run("classify", panda)
    # Threads add up in any order, so that the last digits differ now and then.
    assert by_name(after) == pytest.approx(by_name(before), abs=1e-6)


def by_name(answer: Any) -> dict[str, float]:
    return {score["name"]: score["score"] for score in answer["scores"]}


async def knows_waste(shell: CommandLine, shared_data: Path, *options: str) -> None:
    """Fail unless most photos that the model never saw are answered rightly."""
    unseen = unseen_photos(shared_data, 2)
    found = await asyncio.to_thread(shell.json_lines, "classify", *map(str, unseen), *options)
    assert {each["model"] for each in found} == {"my waste"}
    answers = {Path(each["file"]): each["scores"][0]["name"] for each in found}
    assert set(answers.values()) <= set(WASTE)
    assert sum(answers[photo] == name for photo, name in unseen.items()) > len(unseen) / 2


def test_what_cannot_be_undone_is_done_only_if_that_is_confirmed(shell: CommandLine) -> None:
    """Without a backend that goes on. This and what follows uses the models of the first test."""
    asks = shell.run("models", "delete", "copy")
    assert (asks.returncode, asks.stdout) == (1, "")
    assert "Add --yes" in asks.stderr
    deleted = shell.run("models", "delete", "copy", "--yes")
    assert deleted.stdout == f"copy was deleted, with 2 versions and {3 * PHOTOS} labels.\n"
    gone = shell.run("models", "versions", "copy")
    assert (gone.returncode, gone.stdout) == (1, "")


@pytest.mark.usefixtures("backend")
def test_the_list_says_which_model_answers(shell: CommandLine) -> None:
    lines = shell.run("models").stdout.splitlines()
    assert lines[0].split() == [
        *("MODEL", "ANSWERS", "LIVE", "CLASSES", "PHOTOS", "ACCURACY", "SIZE"),
    ]
    assert lines[1].startswith(f"{DEFAULT_BUILT_IN}  current  v1 of 1  1,000")
    assert lines[2].startswith("my waste")
    assert lines[2].split()[2:7] == ["served", "v2", "of", "2", "3"]


@pytest.mark.usefixtures("backend")
def test_a_built_in_model_is_added(shell: CommandLine) -> None:
    listed = {each["name"]: each["installed"] for each in shell.json_lines("models", "add")}
    assert listed[DEFAULT_BUILT_IN] is True
    (name,) = {each.name for each in built_in_models()} - {DEFAULT_BUILT_IN}
    assert not listed[name]
    added = shell.json("models", "add", name)
    assert (added["class_count"], added["served"]) == (1000, False)
    unknown = shell.run("models", "add", "nothing")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert shell.json("models", "delete", name)["name"] == name


@pytest.mark.usefixtures("backend")
def test_the_report_names_what_was_skipped_and_what_was_confused(shell: CommandLine) -> None:
    printed = shell.run("models", "report", "my waste").stdout
    assert printed.startswith("Version 2 of my waste\n")
    assert f"cardboard  {PHOTOS}\n" in printed
    assert "Skipped: 1 file\n" in printed
    assert "(notes.txt)" in printed
    assert "Accuracy " in printed
    assert "SHOWS / ANSWERED" in printed
    none = shell.run("models", "report", DEFAULT_BUILT_IN)
    assert (none.returncode, none.stdout) == (1, "")


@pytest.mark.usefixtures("backend")
def test_a_label_is_taken_by_any_name_of_its_class(shell: CommandLine, panda: str) -> None:
    labelled = shell.run("label", panda, "Panda", "--model", DEFAULT_BUILT_IN)
    assert labelled.stdout == f"{panda}: Panda (another name of the class giant panda)\n"
    new = shell.run("label", panda, "t-shirt", "--model", "my waste")
    assert new.stdout == f"{panda}: t-shirt (a new class)\n"


@pytest.mark.usefixtures("backend")
def test_versions_are_pinned_verified_and_kept(shell: CommandLine) -> None:
    assert shell.json("models", "pin", "my waste", "1")["pinned"] is True
    assert shell.json("models", "keep", "my waste", "1")["keep_versions"] == 1
    table = shell.run("models", "versions", "my waste").stdout.splitlines()
    assert [line.split()[:2] for line in table[1:]] == [["2", "live"], ["1", "pinned"]]
    refused = shell.run("models", "delete", "my waste", "1", "--yes")
    assert (refused.returncode, refused.stdout) == (1, ""), "it is pinned"
    assert shell.json("models", "unpin", "my waste", "1")["pinned"] is False
    verified = shell.run("models", "verify", "my waste")
    assert verified.stdout == "".join(
        f"Version {number} of my waste is as it was made.\n" for number in (2, 1)
    )
    graph = shell.workspace / "models" / "my waste" / "1" / "saved_model.pb"
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-1])
    changed = shell.run("models", "verify", "my waste", "1")
    assert changed.returncode == 1
    assert "was changed on disk, in 1 file: saved_model.pb." in changed.stdout
    deleted = shell.json("models", "delete", "my waste", "1", "--yes")
    assert deleted == {"model": "my waste", "version": 1}
    assert [
        version["number"] for version in shell.json_lines("models", "versions", "my waste")
    ] == [2]


@pytest.mark.usefixtures("backend")
def test_a_model_is_renamed_deleted_and_restored(shell: CommandLine) -> None:
    made = shell.run("models", "new", "empty")
    assert made.stdout == "empty is ready to learn.\n"
    again = shell.run("models", "new", "Empty")
    assert (again.returncode, again.stdout) == (1, "")
    assert shell.run("models", "rename", "empty", "bare").stdout == "empty is called bare now.\n"
    assert shell.run("models", "delete", "bare").stdout == (
        "bare was deleted, with 1 version and 0 labels.\n"
    )
    assert shell.run("models", "restore").stdout == "bare is back.\n"
    current = shell.run("models", "delete", DEFAULT_BUILT_IN)
    assert (current.returncode, current.stdout) == (1, "")


@pytest.mark.usefixtures("backend")
def test_a_model_without_classes_says_what_to_do(shell: CommandLine, panda: str) -> None:
    unserved = shell.run("classify", "--model", "bare", panda)
    assert (unserved.returncode, unserved.stdout) == (1, "")
    assert "`servery models serve bare`" in unserved.stderr
    shell.json("models", "serve", "bare")
    nothing = shell.run("classify", "--model", "bare", panda)
    assert (nothing.returncode, nothing.stdout) == (0, f"{panda}: -\n")
    assert nothing.stderr.startswith("The model bare has no classes yet. Label photos (")
    shell.json("models", "unserve", "bare")


def test_a_folder_that_is_interrupted_is_continued(
    shell: CommandLine, backend: str, shared_data: Path
) -> None:
    many = waste_folder(shared_data, shell.folder / "many", MANY)
    command = ("models", "new", "interrupted", "--from", str(many))

    def learns() -> bool:
        runs = json.load(urllib.request.urlopen(f"{backend}/training"))
        return any(
            run["model"] == "interrupted" and run["state"] == "running" and run["progress"] > 0.1
            for run in runs
        )

    process = shell.start(*command)
    block_until(learns)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "was cancelled." in stderr
    assert "To continue: `servery labels import interrupted " in stderr
    made = shell.json(*command)
    assert (made["run"]["promoted"], made["run"]["labels"]) == (True, 3 * MANY)
