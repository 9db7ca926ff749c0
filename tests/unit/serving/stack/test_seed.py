"""The program that puts an image's version into the volume of the models, the first time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from serving.models.repository import ModelRepository
from serving.stack.containers import seed_script
from serving.tf.messages import model_server_config_pb2
from serving.workspace import Workspace
from tests.support.tiny_model import install_tiny

NAMES = ("pets", "my pets", 'quo"ted', "back\\slash", "größe", "$HOME")


class Seed:
    """An image's folder with a model, and an empty workspace."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder = folder
        self.model = model
        self.baked = ModelRepository(folder / "image")
        self.workspace = Workspace(folder / "workspace")
        self.repository = ModelRepository(self.workspace.models)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", seed_script()],
            env={
                "PATH": os.environ["PATH"],
                "MODEL_NAME": self.model,
                "SERVERY_WORKSPACE": str(self.workspace.root),
                "SERVERY_BAKED_MODELS": str(self.baked.root),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> str:
        process = self.start()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output


@pytest.mark.parametrize("model", NAMES)
def test_the_first_version_is_live_and_what_servers_load(tmp_path: Path, model: str) -> None:
    seed = Seed(tmp_path, model)
    install_tiny(seed.baked, model)
    newest = seed.baked.root / model / "12"
    (seed.baked.root / model / "1").rename(newest)
    (seed.baked.root / model / "9").mkdir()
    newest.chmod(0o555)
    assert "Version 12" in seed.run()
    assert seed.repository.served().current == model
    assert seed.repository.live(model).number == 12
    written = seed.repository.config_path.read_text()
    seed.repository.config_path.unlink()
    seed.repository.refresh_config()
    assert _parsed(written) == _parsed(seed.repository.config_path.read_text())
    assert os.access(seed.repository.root / model / "12", os.W_OK)


def test_a_seed_keeps_versions_that_are_there(tmp_path: Path) -> None:
    seed = Seed(tmp_path, "pets")
    install_tiny(seed.baked, "pets")
    seed.run()
    install_tiny(seed.repository, "pets")
    seed.repository.promote("pets", 2)
    before = seed.repository.config_path.read_text()
    assert "already" in seed.run()
    assert seed.repository.config_path.read_text() == before
    assert seed.repository.live("pets").number == 2


def test_several_at_once_make_one(tmp_path: Path) -> None:
    seed = Seed(tmp_path, "pets")
    install_tiny(seed.baked, "pets")
    processes = [seed.start() for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert seed.repository.live("pets").number == 1
    names = {path.name for path in (seed.repository.root / "pets").iterdir()}
    assert names == {"1", "serving.config"}
    assert not seed.repository.live("pets").path.joinpath("1").exists()


def test_an_image_without_a_version_is_said(tmp_path: Path) -> None:
    seed = Seed(tmp_path, "pets")
    seed.baked.root.mkdir()
    process = seed.start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "There is no version" in output


def _parsed(text: str) -> Any:
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
