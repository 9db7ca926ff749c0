"""Models of other programs from the shell and over HTTP: imported, served, asked and taught."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import imported_models
from tests.support.command_line import CommandLine
from tests.support.imported_models import CLASSES
from tests.support.waiting import block_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    imported_models.write_teachable_machine(shell.folder / "converted_keras", zipped=True)
    imported_models.write_tensorflow_1(shell.folder / "old")
    model = imported_models.network()
    model.save(shell.folder / "pets.keras")
    (shell.folder / "labels.txt").write_text("\n".join(CLASSES))
    yield shell
    stopped = shell.run("fleet", "stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="module")
def backend(shell: CommandLine) -> Iterator[str]:
    with shell.serving() as address:
        yield address


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> list[str]:
    return [str(path) for path in sorted((shared_data / "photos").glob("*.JPEG"))[:6]]


def post(address: str, body: Any) -> Any:
    request = urllib.request.Request(
        address,
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        {"Content-Type": "application/octet-stream" if isinstance(body, bytes) else
         "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def scores(answer: Any) -> dict[str, float]:
    return {each["name"]: each["score"] for each in answer["scores"]}


def taught(shell: CommandLine, model: str, photos: list[str]) -> int:
    """Label photos with a class that the model does not have, and return the live version."""
    for photo in photos[:3]:
        assert shell.run("label", "--model", model, photo, "otter").returncode == 0
    for photo in photos[3:6]:
        assert shell.run("label", "--model", model, photo, "cat").returncode == 0
    shell.run("train", "--model", model)  # unless it has just learned by itself

    def live() -> int:
        (found,) = (each for each in shell.json_lines("models") if each["name"] == model)
        return int(found["live_version"])

    block_until(lambda: live() > 1)
    return live()


@pytest.mark.usefixtures("backend")
def test_an_export_of_teachable_machine_is_served_and_taught(
    shell: CommandLine, photos: list[str]
) -> None:
    inspected = shell.run("models", "import", "converted_keras.zip", "--inspect")
    assert inspected.stdout.startswith("converted_keras: an export of Teachable Machine\n")
    assert "value range  -1..1\n" in inspected.stdout
    assert "3, from labels.txt: zebra, cat, t-shirt" in inspected.stdout
    preview = ("models", "import", "converted_keras.zip", "--preview", photos[0])
    (tried,) = shell.json(*preview)["previews"]
    made = shell.json("models", "import", "converted_keras.zip", "--name", "my pets")
    assert (made["name"], made["class_count"], made["live_version"]) == ("my pets", 3, 1)
    assert shell.json("models", "serve", "my pets")["served"] is True
    (answer,) = shell.json_lines("classify", "--model", "my pets", photos[0])
    assert scores(answer) == pytest.approx(scores(tried), abs=1e-4)
    version = taught(shell, "my pets", photos)
    (answer,) = shell.json_lines("classify", "--model", "my pets", photos[0])
    assert answer["version"] >= version
    assert set(scores(answer)) == {*CLASSES, "otter"}


def test_a_saved_model_of_tensorflow_1_comes_over_http(
    shell: CommandLine, backend: str, photos: list[str]
) -> None:
    zipped = imported_models.zip_of(shell.folder / "old").read_bytes()
    upload = post(f"{backend}/model-files?name=old.zip", zipped)
    source = {"path": "", "labels": list(CLASSES)}
    found = post(f"{backend}/model-files/inspect", {"source": source, "upload": upload["id"]})
    assert (found["format"], found["labels"]) == ("saved_model", list(CLASSES))
    assert "value_range" in found["interface"]["guessed"]
    started = post(
        f"{backend}/models/import", {"name": "old", "source": source, "upload": upload["id"]}
    )
    address = f"{backend}/model-imports/{started['id']}"

    def state() -> str:
        return str(json.load(urllib.request.urlopen(address))["state"])

    block_until(lambda: state() not in ("queued", "running"))
    ended = json.load(urllib.request.urlopen(address))
    assert (ended["state"], ended["version"]) == ("succeeded", 1), ended
    shell.json("models", "serve", "old")
    (answer,) = shell.json_lines("classify", "--model", "old", photos[0])
    assert set(scores(answer)) == set(CLASSES)
    assert sum(scores(answer).values()) == pytest.approx(1, abs=1e-5)
    refused = shell.run("models", "import", "old", "--name", "Old", "--labels", "labels.txt")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is a model called old already." in refused.stderr


@pytest.mark.usefixtures("backend")
def test_a_model_is_built_on_an_imported_one(shell: CommandLine, photos: list[str]) -> None:
    made = shell.json("models", "import", "pets.keras")
    assert (made["name"], made["class_count"]) == ("pets", 3)
    new = shell.json("models", "new", "mine", "--backbone", "pets")
    assert (new["class_count"], new["backbone"]) == (0, "pets")
    renamed = shell.json("models", "rename", "pets", "animals")
    assert renamed["name"] == "animals"
    assert shell.run("classes", "rename", "cat", "tomcat", "--model", "animals").returncode == 0
    shell.json("models", "serve", "animals")
    (answer,) = shell.json_lines("classify", "--model", "animals", photos[0])
    assert set(scores(answer)) == {"zebra", "tomcat", "t-shirt"}


@pytest.mark.usefixtures("backend")
def test_what_cannot_be_imported_is_refused_with_the_reason(shell: CommandLine) -> None:
    (shell.folder / "model.onnx").write_bytes(b"x")
    refused = shell.run("models", "import", "model.onnx")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "model.onnx is an ONNX file." in refused.stderr
    (shell.folder / "two.txt").write_text("a\nb\n")
    refused = shell.run("models", "import", "pets.keras", "--name", "x", "--labels", "two.txt")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "gives 3 scores, and two.txt has 2 labels" in refused.stderr
