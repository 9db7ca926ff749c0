"""The base of our own image where no registry can be reached: what there is, or what would help."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from click.testing import CliRunner

import desktop.commands.image as commands
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.own_base import BaseMissing, own_base
from serving.engines.docker.image.store import ImageStore
from serving.progress import no_report
from tests.support.docker.images import PREFIX, TOKEN, save_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

PYTHON_IMAGE = f"{PREFIX}/python:{TOKEN}"
MISSING = f"registry.invalid/base:{TOKEN}"


@pytest.fixture
async def store(api: docker.APIClient) -> AsyncIterator[ImageStore]:
    connection = EngineConnection()
    yield ImageStore(connection)
    await connection.close()


@pytest.fixture
def python_image(api: docker.APIClient, tmp_path: Path) -> Iterator[str]:
    """An image with a file in the place of the Python that runs here."""
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(f"usr/bin/{PYTHON}"))
    api.import_image_from_data(path.read_bytes(), f"{PREFIX}/python", TOKEN)
    yield PYTHON_IMAGE
    api.remove_image(PYTHON_IMAGE)


def machine(monkeypatch: pytest.MonkeyPatch, *programs: str, user: int = 0) -> None:
    """Let the machine have only these programs, and be run by this user."""
    which: Callable[[str], str | None] = lambda name: f"/bin/{name}" if name in programs else None  # noqa: E731
    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr("os.geteuid", lambda: user)


async def missing(store: ImageStore, base: str) -> BaseMissing:
    with pytest.raises(BaseMissing) as error:
        async with own_base(store, base, no_report):
            pass
    assert "is not here and cannot be pulled" in error.value.what
    return error.value


async def test_images_with_python_are_named(
    store: ImageStore, python_image: str, api: docker.APIClient
) -> None:
    error = await missing(store, MISSING)
    assert f"with --base: {python_image}" in error.advice
    assert "`--base FILE.tar`" in error.advice
    assert "debootstrap" not in error.advice  # it makes the default base alone
    assert not error.can_install
    assert not api.containers(all=True, filters={"label": "io.servery.looked-into"})


async def test_what_would_help_depends_on_the_machine(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if await store.find([DEFAULT_BASE]) is not None:
        pytest.skip("the engine has the default base")
    machine(monkeypatch, "apt-get")
    root = await missing(store, DEFAULT_BASE)
    assert root.can_install
    assert "`servery image build --install-debootstrap`" in root.advice
    machine(monkeypatch, "apt-get", user=1000)
    person = await missing(store, DEFAULT_BASE)
    assert not person.can_install
    assert "`apt-get install debootstrap`" in person.advice
    machine(monkeypatch, "debootstrap", user=1000)
    assert "as root, for whom debootstrap" in (await missing(store, DEFAULT_BASE)).advice


async def test_a_base_is_an_image_an_archive_or_a_saved_image(
    store: ImageStore, python_image: str, api: docker.APIClient, tmp_path: Path
) -> None:
    async with own_base(store, python_image, no_report) as found:
        assert found == python_image
    archive = str(tmp_path / "root.tar")
    async with own_base(store, archive, no_report) as found:
        assert found == archive
    save_image(api, python_image, tmp_path / "saved.tar")
    async with own_base(store, str(tmp_path / "saved.tar"), no_report) as found:
        assert found == python_image


def test_debootstrap_is_offered_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def with_store(work: Callable[[Any], Awaitable[Any]]) -> Any:
        if not installed:
            raise BaseMissing("There is no base.", "Install debootstrap.", can_install=True)
        return ImageInfo("own:1")

    monkeypatch.setattr(commands, "with_store", with_store)
    monkeypatch.setattr(commands, "install_debootstrap", lambda: installed.append("debootstrap"))
    refused = CliRunner().invoke(commands.build_own, [])
    assert isinstance(refused.exception, BaseMissing)  # nobody is there who could answer
    monkeypatch.setattr(commands, "is_interactive", lambda: True)
    assert CliRunner().invoke(commands.build_own, [], input="n\n").exit_code == 1
    assert installed == []
    agreed = CliRunner().invoke(commands.build_own, [], input="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert installed == ["debootstrap"]
    assert "There is no base." in agreed.stderr


def test_it_is_installed_by_apt_as_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "apt-get", user=1000)
    refused = CliRunner().invoke(commands.build_own, ["--install-debootstrap"])
    assert "can only be installed by root" in str(refused.exception)
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0 if command[1] == "update" else 100, "E: no")

    monkeypatch.setattr(subprocess, "run", run)
    machine(monkeypatch, "apt-get")
    failed = CliRunner().invoke(commands.build_own, ["--install-debootstrap"])
    assert "debootstrap could not be installed: E: no." in str(failed.exception)
    assert ran[1] == [
        *("apt-get", "install", "--yes", "--no-install-recommends", "debootstrap"),
    ]
