from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import pytest

from serving.engines.docker.image import contents
from serving.engines.docker.image.contents import (
    LIBRARIES,
    PACKAGES,
    SERVER_SOURCES,
    build_files,
    installed_files,
    source_files,
    wheel_files,
)
from serving.engines.docker.tar_archive import Member, tar_archive
from serving.errors import EngineError


def member(name: str, content: bytes = b"x") -> Member:
    return Member(name, len(content), partial(io.BytesIO, content))


def test_the_image_holds_the_model_server_and_nothing_else_of_servery() -> None:
    names = {each.name for each in source_files(SERVER_SOURCES)}
    assert "packages/serving/model_server/__main__.py" in names
    assert "packages/serving/tf/messages.py" in names
    assert "packages/serving/__init__.py" in names
    assert not any("engines" in name or "fleet" in name for name in names)


def test_the_model_server_starts_with_its_own_sources_alone(tmp_path: Path) -> None:
    for each in source_files(SERVER_SOURCES):
        path = tmp_path / each.name.removeprefix("packages/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with each.open() as file:
            path.write_bytes(file.read())
    code = "import serving.model_server.__main__, serving; print(serving.__file__)"
    # An editable install would find the rest of the project, so it is kept off the path (-S).
    packages = os.pathsep.join([str(tmp_path), *(path for path in sys.path if "site-" in path)])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": packages},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "serving" / "__init__.py"), done.stderr


def test_of_tensorflow_only_libraries_and_messages_are_taken() -> None:
    names = {each.name for each in build_files(installed_files())}
    assert {f"libraries/{name}" for name in LIBRARIES} <= names
    assert "packages/tensorflow/core/framework/tensor_pb2.py" in names
    assert "packages/tensorflow_serving/apis/predict_pb2.py" in names
    assert not any(name.startswith("packages/tensorflow/python/") for name in names)
    assert "packages/tensorflow/__init__.py" not in names
    assert not any("__pycache__" in name or "/tests/" in name for name in names)
    assert {"Dockerfile", "tf_serving_entrypoint.sh"} <= names


def test_of_openvino_what_computes_on_the_processor_is_taken() -> None:
    names = {each.name for each in build_files(installed_files())}
    libraries = [name for name in names if name.startswith("packages/openvino/libs/")]
    assert any("libopenvino_intel_cpu_plugin" in name for name in libraries)
    assert any("libopenvino_tensorflow_frontend" in name for name in libraries)
    assert not any("gpu" in name or "npu" in name for name in libraries)


def test_without_the_libraries_there_is_no_image() -> None:
    with pytest.raises(EngineError, match=r"libtensorflow_cc\.so\.2 was not found"):
        build_files([member("click/__init__.py")])


def test_a_frozen_application_cannot_build_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "__file__", str(tmp_path / "contents.pyc"))
    with pytest.raises(EngineError, match="does not contain the sources"):
        build_files([])


@pytest.mark.parametrize("tensorflow", ["tensorflow", "tensorflow_cpu"])
def test_wheels_are_read_as_they_are(tmp_path: Path, tensorflow: str) -> None:
    for package in PACKAGES:
        name = tensorflow if package == "tensorflow" else package.replace("-", "_")
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/code.py", "text")
            if package == "tensorflow":
                for library in LIBRARIES:
                    wheel.writestr(f"tensorflow/{library}", "bytes")
    members = {each.name: each for each in build_files(wheel_files(tmp_path))}
    assert members["packages/h11/code.py"].open().read() == b"text"
    assert members[f"libraries/{LIBRARIES[0]}"].size == 5
    (tmp_path / "numpy-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EngineError, match="no wheel of the package numpy"):
        list(wheel_files(tmp_path))


def test_an_archive_reads_back_and_is_the_same_each_time() -> None:
    members = [
        member("Dockerfile", b"FROM scratch\n"),
        member("packages/" + "deep/" * 40 + "file.py", bytes(513)),
        Member("run.sh", 3, partial(io.BytesIO, b"#!/"), executable=True),
        member("empty", b""),
        member("folder/", b""),
    ]
    data = b"".join(tar_archive(members))
    assert data == b"".join(tar_archive(members))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [each.name.rstrip("/") for each in members]
        assert archive.getmember("folder").isdir()
        modes = {entry.name: entry.mode for entry in archive}
        assert (modes["Dockerfile"], modes["run.sh"]) == (0o644, 0o755)
        deep = archive.extractfile(members[1].name)
        assert deep is not None
        assert deep.read() == bytes(513)


def test_a_file_that_shrinks_while_it_is_read_is_an_error() -> None:
    with pytest.raises(OSError, match="became shorter"):
        list(tar_archive([Member("a", 10, partial(io.BytesIO, b"short"))]))
