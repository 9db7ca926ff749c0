"""What goes into the images of API and trainer."""

from __future__ import annotations

import re

import pytest

from serving.engines.docker.stack_images.contents import api_files, dockerfile, trainer_files
from serving.tf.names import SAVED_MODEL_FILE


@pytest.fixture(scope="module")
def api() -> set[str]:
    return {member.name for member in api_files()}


@pytest.fixture(scope="module")
def trainer() -> set[str]:
    return {member.name for member in trainer_files()}


def test_the_api_has_what_it_imports_and_no_tensorflow(api: set[str]) -> None:
    for package in ("fastapi", "grpc", "PIL", "backend", "serving", "tensorflow_serving"):
        assert f"api/packages/{package}/__init__.py" in api
    assert "api/packages/backend/page/index.html" in api
    assert "api/root/usr/bin/servery-backend" in api
    assert not [
        name for name in api if re.search(r"/(PySide6|sklearn|openvino)/|libtensorflow", name)
    ]
    tensorflow = [name for name in api if name.startswith("api/packages/tensorflow/")]
    assert tensorflow
    assert all(name.endswith("_pb2.py") for name in tensorflow)
    assert any("licences" in name for name in api)
    assert not [name for name in api if name.endswith((".pyc", SAVED_MODEL_FILE))]


def test_the_trainer_has_the_rest_and_no_window(api: set[str], trainer: set[str]) -> None:
    folder = "trainer/root/opt/servery"
    assert f"{folder}/tensorflow/libtensorflow_cc.so.2" in trainer
    assert f"{folder}/sklearn/__init__.py" in trainer
    assert f"{folder}/tensorflow/__init__.py" in trainer
    assert f"{folder}/fastapi/__init__.py" not in trainer
    assert not [name for name in trainer if "PySide6" in name or "/desktop/" in name]


def test_both_are_targets_of_one_dockerfile() -> None:
    with dockerfile().open() as file:
        text = file.read().decode()
    assert re.findall(r"^FROM .* AS (\w+)$", text, re.MULTILINE)[-2:] == ["api", "trainer"]
    assert "USER 65532:65532" in text
