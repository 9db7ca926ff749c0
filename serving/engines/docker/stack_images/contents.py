"""What goes into the images of API and trainer: our sources, and the packages that they import."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import serving
from serving.engines.docker.image.contents import installed_files, source_files
from serving.engines.docker.tar_archive import Member
from serving.errors import EngineError
from serving.licences import is_licence_text

_FOLDER = "/opt/servery"
"""Where the images have their packages."""
_SOURCES = ("serving", "backend")
API_ROOTS = (
    "click",
    "docker",
    "fastapi",
    "filelock",
    "grpcio",
    "httpx",
    "numpy",
    "pillow",
    "platformdirs",
    "prometheus-client",
    "protobuf",
    "psutil",
    "psycopg",
    "psycopg-binary",
    "python-multipart",
    "uvicorn",
)
"""What the API imports, of TensorFlow the messages alone."""
MESSAGES = ("tensorflow-serving-api", "tensorflow")
"""Packages of which the API gets no more than the message classes: neither's needs."""
_WINDOW = frozenset({"pyside6-essentials", "shiboken6", "qasync"})
_OTHER_NAMES = {"tensorflow": ("tensorflow-cpu", "tensorflow")}

_SKIPPED = re.compile(
    r"(^|/)(__pycache__|include|_pyinstaller)/|\.(pyc|a|h|pxd|pyi)$|^\.\./|\.dist-info/(?!METADATA)"
    r"|^(numpy|scipy|sklearn|h5py)/(.*/)?tests?/"
)
_MESSAGES = re.compile(r"^tensorflow/(compiler|core|tsl)/.*_pb2\.py$|^tensorflow_serving/")


def api_files() -> list[Member]:
    """Return the files below `api`: everything that the API imports; raises EngineError.

    Its packages are in `packages`, to be compiled, and the rest in `root` as the image has it.
    """
    for name in API_ROOTS:
        if _distribution(name) is None:
            raise EngineError(
                f"The package {name} is not installed here, and the API needs it.",
                "Install it beside Servery: `.venv/bin/pip install 'psycopg[binary]'`."
                if name.startswith("psycopg")
                else "Install Servery from its sources.",
            )
    packages = _with_needs(API_ROOTS)
    found = [*_sources(), *_programs(), *_packages(packages, "packages")]
    for member in installed_files(MESSAGES):
        if _MESSAGES.match(member.name) and not _SKIPPED.search(member.name):
            found.append(replace(member, name=f"packages/{member.name}"))
    return [replace(member, name=f"api/{member.name}") for member in found]


def trainer_files() -> list[Member]:
    """Return the files below `trainer`: what the trainer has besides; raises EngineError."""
    there = {_path(member.name.removeprefix("api/")) for member in api_files()}
    packages = [name for name in _with_needs(["servery"]) if name not in {*_WINDOW, "servery"}]
    found = _packages([*packages, "tensorflow-serving-api"], f"root{_FOLDER}")
    return [
        replace(member, name=f"trainer/{member.name}")
        for member in found
        if _path(member.name) not in there
    ]


def dockerfile() -> Member:
    """Return the Dockerfile of both images; raises EngineError."""
    folder = _backend()
    if not (folder / "Dockerfile").is_file():  # a frozen application
        raise EngineError(
            "This installation of Servery does not contain the sources that the images need.",
            "Install Servery from its sources.",
        )
    return Member.of("Dockerfile", folder / "Dockerfile")


def _backend() -> Path:
    return Path(serving.__file__).resolve().parents[1] / "backend"


def _programs() -> Iterator[Member]:
    """Yield what runs and checks a backend in its container."""
    for file in sorted((_backend() / "image").iterdir()):
        yield Member.of(f"root/usr/bin/{file.name}", file, executable=True)


def _sources() -> Iterator[Member]:
    """Yield the modules and what they read beside them."""
    root = Path(serving.__file__).resolve().parents[1]
    yield from source_files(_SOURCES)
    for top in (*_SOURCES, "resources"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root)
            is_module = file.suffix in (".py", ".pyc") and top in _SOURCES
            if file.is_file() and not is_module and "__pycache__" not in path.parts:
                yield Member.of(f"packages/{path.as_posix()}", file)


def _path(name: str) -> str:
    """Return where the image has what is in `packages`, or in `root`."""
    return (
        name.removeprefix("root")
        if name.startswith("root/")
        else f"{_FOLDER}{name.removeprefix('packages')}"
    )


def _packages(names: Iterable[str], folder: str) -> list[Member]:
    """Return the files of packages, in `folder`, and their licences, where the image has them."""
    found = {}
    for member in installed_files(tuple(names)):
        if is_licence_text(member.name):
            found[f"root/usr/share/doc/servery/licences/{member.name}"] = member
        elif not _SKIPPED.search(member.name):
            found[f"{folder}/{member.name}"] = member
    return [replace(member, name=name) for name, member in found.items()]


def _with_needs(roots: Sequence[str]) -> list[str]:
    """Return installed packages and all that they need here, without extras."""
    from packaging.requirements import Requirement

    found: dict[str, None] = {}
    left = list(roots)
    while left:
        name = _normalized(left.pop())
        if name in found or name in _WINDOW:
            continue
        distribution = _distribution(name)
        if distribution is None:
            continue
        found[name] = None
        for text in distribution.requires or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                left.append(need.name)
    return list(found)


def _distribution(name: str) -> importlib.metadata.Distribution | None:
    for each in _OTHER_NAMES.get(name, (name,)):
        try:
            return importlib.metadata.distribution(each)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
