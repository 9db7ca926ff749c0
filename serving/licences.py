"""What others made of Servery's parts, under which licence, and the texts that go with them.

Nothing here is listed by hand but what packages do not say themselves: the parts are what is
installed with Servery, and the texts are those of the installed packages. A frozen application has
the list and the texts in a folder, which `collect` writes when it is frozen.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath

from serving.errors import ServeryError
from serving.models.builtin.catalog import built_in_models
from serving.version import LICENCE, VERSION

TEXTS = Path(__file__).resolve().parents[1] / "resources" / "licences"
COLLECTED = Path(__file__).resolve().parents[1] / "licences"
"""The folder of a frozen application."""
SYSTEM = "system"
"""A folder in that one, for libraries of the system that it was frozen on."""
OWN = "servery"
FREEZER = "pyinstaller"
"""A frozen application begins with a program of its own."""
WITHOUT_NEEDS = ("tensorflow-serving-api",)
"""Used, but not among Servery's needs, since its own would bring a second TensorFlow."""
_INDEX = "index.json"
_LICENCE_FILE = re.compile(
    r"^(licen[cs]e|copying|copyright|notice|authors|third.?party)", re.IGNORECASE
)
_NO_TEXT = frozenset({".py", ".pyc", ".pyi", ".h", ".hpp", ".cc", ".js", ".so"})
_DEBIAN_PYTHON = Path(f"/usr/share/doc/python3.{sys.version_info.minor}/copyright")


class UnknownPart(ServeryError):
    """There is no part of this name."""


@dataclass(frozen=True)
class Part:
    """Something in Servery that others made, or Servery itself."""

    name: str
    version: str
    licence: str
    """An SPDX expression where its maker gives one, otherwise the maker's words."""
    texts: tuple[Path, ...]
    """Licences and notices, at least one."""

    def full_text(self) -> str:
        """Return every licence and notice, one below the other."""
        return "\n\n".join(self.text(path).strip() for path in self.texts)

    def text(self, path: Path) -> str:
        """Return one of `texts`."""
        return path.read_text(encoding="utf-8", errors="replace").replace("{package}", self.name)


@dataclass(frozen=True)
class _Supplement:
    """What a package does not have in itself."""

    texts: tuple[str, ...] = ()
    """Names of files in TEXTS, beside those of the package."""
    licence: str = ""


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_WEIGHTS = ("built-in-models.txt", "Apache-2.0.txt")
SUPPLEMENTS = {
    **{
        _normalized(model.package): _Supplement(_WEIGHTS, model.licence)
        for model in built_in_models()
    },
    "flatbuffers": _Supplement(("Apache-2.0.txt",)),
    "namex": _Supplement(("Apache-2.0.txt",), "Apache-2.0"),
    "pyside6-essentials": _Supplement(("Qt.txt", "LGPL-3.0.txt", "GPL-3.0.txt"), "LGPL-3.0-only"),
    "shiboken6": _Supplement(("Qt.txt", "LGPL-3.0.txt", "GPL-3.0.txt"), "LGPL-3.0-only"),
    "tensorflow-serving-api": _Supplement(("Apache-2.0.txt",)),
}
"""Of the packages whose wheels lack the text of their licence, or its name."""


def parts() -> list[Part]:
    """Return Servery, Python, and every package that is used, by name; takes a moment."""
    if (COLLECTED / _INDEX).is_file():
        found = [part for folder in (COLLECTED, COLLECTED / SYSTEM) for part in _read(folder)]
        return sorted(found, key=lambda part: part.name.casefold())
    return list(_installed_parts())


def find(name: str) -> Part:
    """Return the part called `name`, however its capitals and dashes are written.

    Raises UnknownPart.
    """
    for part in parts():
        if _normalized(part.name) == _normalized(name):
            return part
    raise UnknownPart(f"Nothing in Servery is called {name}.", "See the list: `servery licences`.")


def collect(folder: Path) -> Path:
    """Write every text, and what it is of, into `folder`, which a bundle is handed on with."""
    bootloader = [_part(FREEZER)] if _is_installed(FREEZER) else []
    return _write([*parts(), *bootloader], folder)


def collect_system_libraries(files: Iterable[str], folder: Path) -> Path:
    """Write the licences of those of `files` that the system's packages installed into `folder`.

    A frozen application takes such libraries along. They are found where the system is a Debian;
    elsewhere there are none.
    """
    owners: dict[str, None] = {}
    for file in sorted(set(files)):
        # Debian's packages name some files by where /usr/lib was before.
        real = os.path.realpath(file)
        for path in dict.fromkeys((file, real, real.removeprefix("/usr"))):
            found = _output("dpkg", "-S", path).partition(":")[0]
            if found:
                owners[found] = None
                break
    found_parts = []
    for package in owners:
        text = Path("/usr/share/doc") / package / "copyright"
        if text.is_file():
            version = _output("dpkg-query", "-W", "-f", "${Version}\n", package).partition("\n")[0]
            found_parts.append(Part(package, version, "see its text", (text,)))
    return _write(found_parts, folder)


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def _write(found: Iterable[Part], folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    index = []
    for part in found:
        texts = []
        for number, text in enumerate(part.texts, 1):
            # Texts of one part may have one name, in different folders of their package.
            name = f"{_normalized(part.name)}/{number:02}-{text.name}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(part.text(text), encoding="utf-8")
            texts.append(name)
        index.append([part.name, part.version, part.licence, texts])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    return folder


def is_licence_text(path: str) -> bool:
    """Whether a file of a package, by its path there, is a licence or a notice."""
    pure = PurePosixPath(path)
    return bool(_LICENCE_FILE.match(pure.name)) and pure.suffix.lower() not in _NO_TEXT


def supplements(packages: Iterable[str]) -> list[Path]:
    """Return the texts that go with `packages` and are not in them, each once, and our own."""
    names = [name for package in packages for name in _supplement(package).texts]
    return [TEXTS / name for name in dict.fromkeys(["Apache-2.0.txt", *names])]


@cache
def _installed_parts() -> tuple[Part, ...]:
    found = [_servery(), _python(), _openssl(), *map(_part, installed_packages())]
    return tuple(sorted(found, key=lambda part: part.name.casefold()))


def installed_packages() -> tuple[str, ...]:
    """Return the packages that Servery needs on this machine, and those that they need."""
    from packaging.requirements import Requirement

    found: dict[str, None] = {}
    waiting = [*_requirements(OWN), *WITHOUT_NEEDS]
    while waiting:
        requirement = Requirement(waiting.pop())
        name = _normalized(requirement.name)
        if name in found or (requirement.marker and not _applies(requirement)):
            continue
        if not _is_installed(name):
            continue
        found[name] = None
        waiting += _requirements(name)
    return tuple(sorted(found))


def _requirements(package: str) -> list[str]:
    return metadata.distribution(package).requires or []


def _applies(requirement: object) -> bool:
    marker = getattr(requirement, "marker", None)
    return marker is None or bool(marker.evaluate({"extra": ""}))


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _part(package: str) -> Part:
    distribution = metadata.distribution(package)
    supplement = _supplement(package)
    # What a package calls a licence comes before its notices and its authors.
    own = sorted(_texts_of(distribution), key=lambda path: not path.name.lower().startswith("lic"))
    texts = [*own, *(TEXTS / name for name in supplement.texts)]
    licence = supplement.licence or _licence_of(distribution.metadata)
    return Part(distribution.metadata["Name"], distribution.version, licence, tuple(texts))


def _texts_of(distribution: metadata.Distribution) -> Iterator[Path]:
    for file in distribution.files or ():
        path = Path(str(file.locate()))
        if is_licence_text(file.as_posix()) and path.is_file():
            yield path


def _licence_of(found: metadata.PackageMetadata) -> str:
    expression = _field(found, "License-Expression")
    classifiers = [
        each.rpartition("::")[2].strip()
        for each in found.get_all("Classifier") or ()
        if each.startswith("License ::")
    ]
    words = _field(found, "License")
    named = words if words and words != "UNKNOWN" and "\n" not in words else ""
    return (expression or named or ", ".join(classifiers)).removeprefix("OSI Approved :: ")


def _field(found: metadata.PackageMetadata, name: str) -> str:
    return "".join(found.get_all(name) or ()).strip()


def _supplement(package: str) -> _Supplement:
    return SUPPLEMENTS.get(_normalized(package), _Supplement())


def _servery() -> Part:
    return Part("Servery", VERSION, LICENCE, (TEXTS / "Apache-2.0.txt",))


def _python() -> Part:
    texts = [Path(os.__file__).parent / "LICENSE.txt", _DEBIAN_PYTHON]
    found = tuple(text for text in texts if text.is_file()) or (TEXTS / "Python.txt",)
    return Part("Python", platform.python_version(), "PSF-2.0", found[:1])


def _openssl() -> Part:
    version = ssl.OPENSSL_VERSION.split()[1]
    return Part("OpenSSL", version, "Apache-2.0", (TEXTS / "Apache-2.0.txt",))


def _read(folder: Path) -> list[Part]:
    if not (folder / _INDEX).is_file():
        return []
    index: Sequence[tuple[str, str, str, list[str]]] = json.loads(
        (folder / _INDEX).read_text(encoding="utf-8")
    )
    return [
        Part(name, version, licence, tuple(folder / text for text in texts))
        for name, version, licence, texts in index
    ]
