"""The whole loop from the shell: `servery` in processes of its own, nothing imitated."""

from __future__ import annotations

import random
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from serving.models.repository import ModelRepository
from tests.support.command_line import CommandLine, json_lines
from tests.support.command_tree import all_commands
from tests.support.tiny_model import TINY_MODEL, install_tiny


def draw_stripes(path: Path, seed: int) -> Path:
    """Draw magenta and green stripes, each picture a little different from the others."""
    chance = random.Random(seed)
    image = Image.new("RGB", (160, 120), (30, 160, 60))
    draw = ImageDraw.Draw(image)
    step, slant = chance.randint(14, 22), chance.randint(20, 60)
    for x in range(-200, 360, step):
        draw.line([(x, 0), (x + slant, 120)], fill=(200, 20, 180), width=step // 2)
    image.save(path, "JPEG", quality=90)
    return path


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    install_tiny(ModelRepository(shell.workspace / "models"))
    draw_stripes(shell.folder / "photo.jpg", 0)
    yield shell
    stopped = shell.run("fleet", "stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["classify"], ["fleet", "scale"], ["fleet", "scale", "-1"], ["promote", "x"]],
)
def test_a_command_that_is_not_understood_exits_with_2(
    shell: CommandLine, arguments: Sequence[str]
) -> None:
    result = shell.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: servery" in result.stderr


def test_without_a_fleet_classify_says_how_to_start_one(shell: CommandLine) -> None:
    result = shell.run("classify", "photo.jpg")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "servery: No instance is running. Start one with `servery fleet start`, "
        "or add --start to this command.\n"
    )


def test_help_names_every_command(shell: CommandLine) -> None:
    result = shell.run("--help")
    assert result.returncode == 0
    for name in {words.split()[0] for words in all_commands() if words not in ("", "open")}:
        assert f"\n  {name} " in result.stdout


@pytest.mark.slow
def test_a_dozen_labels_teach_a_new_class(shell: CommandLine) -> None:
    started = shell.json("fleet", "start", "2")
    assert started["ready"] == 2
    dozen = [str(draw_stripes(shell.folder / f"{n}.jpg", n)) for n in range(1, 13)]

    before = shell.json_lines("classify", "photo.jpg")
    labels = shell.json_lines("label", *dozen, "stripes")
    run = shell.json("train", "--wait")
    after = shell.json_lines("classify", "photo.jpg", "--start")

    assert before[0]["version"] == 1
    assert "stripes" not in [score["name"] for score in before[0]["scores"]]
    assert [label["new_class"] for label in labels] == [True] * 12
    assert run["state"] == "succeeded"
    assert after[0]["version"] == run["version"] == 2
    assert after[0]["scores"][0]["name"] == "stripes"

    versions = shell.json_lines("models")[0]["versions"]
    assert {version["number"]: version["live"] for version in versions} == {1: False, 2: True}
    assert shell.json("promote", "1")["live"] is True
    assert shell.run("promote", "7").stderr.startswith(
        f"servery: Model {TINY_MODEL} has no version 7."
    )


def test_fine_tuning_is_refused_with_the_reason(shell: CommandLine) -> None:
    result = shell.run("train", "--fine-tune")
    assert (result.returncode, result.stdout) == (1, "")
    assert "The network of this model is not fine-tuned: the model keeps classes" in result.stderr


@pytest.mark.slow
def test_an_instance_is_looked_into_limited_and_exchanged(shell: CommandLine) -> None:
    before = [one["id"] for one in shell.json("fleet", "start", "2")["instances"]]
    log = shell.run("fleet", "logs", before[0]).stdout
    assert "Running ModelServer" in log
    command = shell.run("fleet", "command", before[0]).stdout
    assert "-m serving.model_server" in command
    assert shell.json("fleet", "limit", "--threads", "1", "--memory", "2GB") == {
        "threads": 1,
        "memory_limit": 2_000_000_000,
        "cpu_limit": 0.0,
        "image": "",
        "pids_limit": 0,
        "tcp": False,
        "sleep_after": 600,
        "runtime": "",
    }
    limited = [one["id"] for one in shell.json("fleet", "status")["instances"]]
    assert len(limited) == 2
    assert not set(before) & set(limited)
    assert shell.run("fleet", "limit").stdout.startswith("Memory 2.0 GB, any number of cores, 1 ")
    assert shell.run("fleet", "restart", limited[0]).returncode == 0
    after = [one["id"] for one in shell.json("fleet", "status")["instances"]]
    assert limited[0] not in after
    assert limited[1] in after
    shell.json("fleet", "limit", "--threads", "0", "--memory", "0")
    gone = shell.run("fleet", "logs", "nobody")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == ("servery: There is no instance nobody. Look at the list of instances.\n")
    amount = shell.run("fleet", "limit", "--memory", "much")
    assert amount.returncode == 2
    assert "much is not a size such as 512MB" in amount.stderr


@pytest.mark.slow
def test_a_file_that_is_no_image_harms_no_other(shell: CommandLine) -> None:
    (shell.folder / "empty.jpg").touch()
    (shell.folder / "cut.jpg").write_bytes((shell.folder / "photo.jpg").read_bytes()[:900])
    files = ["empty.jpg", "photo.jpg", "missing.jpg", "cut.jpg"]
    result = shell.run("classify", *files, "--start", "--json")
    assert result.returncode == 1
    answers = {answer["file"]: answer for answer in json_lines(result.stdout)}
    assert {file: answer.get("error") for file, answer in answers.items()} == {
        "empty.jpg": "The file is empty.",
        "photo.jpg": None,
        "missing.jpg": "There is no file of this name.",
        "cut.jpg": "The image is damaged or cut off.",
    }
    assert len(result.stderr.splitlines()) == 3


@pytest.mark.slow
def test_serve_answers_until_it_is_stopped(shell: CommandLine) -> None:
    shell.run("fleet", "stop")  # it leaves instances running that ran before
    with shell.serving() as address:
        page = urllib.request.urlopen(f"{address}/", timeout=10).read()
        assert b"<html" in page.lower()
    assert shell.json("fleet", "status")["instances"] == []
    assert not (shell.workspace / "run" / "backend.json").exists()


@pytest.mark.slow
def test_serve_with_a_model_makes_it_the_current_one(shell: CommandLine) -> None:
    other = shell.json("models", "duplicate", TINY_MODEL, "other")["name"]
    with shell.serving("--model", other):
        answer = shell.json_lines("classify", "photo.jpg")[0]
        assert answer["model"] == other
    assert [each["name"] for each in shell.json_lines("models") if each["current"]] == [other]
    unknown = shell.run("serve", "--port", "0", "--model", "nobody")
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr
