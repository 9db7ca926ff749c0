"""Images of versions on a real engine: built, pushed, saved, pruned, and refused."""

from __future__ import annotations

import asyncio
import base64
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.model_image import labels
from serving.engines.docker.model_image.build import MadeImage, make_image
from serving.engines.docker.model_image.prune import prune_images
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.errors import EngineError, ModelError, ServeryError
from serving.leftovers import is_left_over
from serving.models.card import CARD_PATH
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.models.version_trust import trust_version
from serving.tf.messages import saved_model_pb2
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.trust import version_digest
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.model_images import (
    PASSWORD,
    USER,
    build_small_base,
    debian_registry,
    tags_at,
)
from tests.support.server_thread import QuietHandler, ServerThread
from tests.support.tiny_model import install_tiny

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

MODEL = "my pets"
WORKSPACE = f"workspace-{TOKEN}"
TAG = f"{PREFIX}/pets:{TOKEN}"


@pytest.fixture(scope="module")
def small_base(api: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with build_small_base(tmp_path_factory.mktemp("base")) as name:
        yield name


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    return ModelRepository(workspace.models)


@pytest.fixture
def version(repository: ModelRepository) -> Version:
    return install_tiny(repository, "pets")


class Maker:
    """Makes images of one repository and removes them at the end."""

    def __init__(self, repository: ModelRepository, base: str, api: docker.APIClient) -> None:
        self.connection = EngineConnection()
        self.repository = repository
        self.base = base
        self.api = api
        self.lines: list[str] = []
        self.reports: list[tuple[int, int, str]] = []
        self.build_id = "test"

    async def make(self, version: Version, tag: str = TAG, **request: Any) -> MadeImage:
        return await make_image(
            self.connection,
            self.repository,
            version,
            ModelImageRequest(tag, **{"base": self.base, **request}),
            WORKSPACE,
            self.build_id,
            lambda *report: self.reports.append(report),
            self.lines.append,
        )

    def inspect(self, name: str) -> dict[str, Any]:
        inspect: Callable[[str], dict[str, Any]] = self.api.inspect_image
        return inspect(name)

    def images(self) -> list[dict[str, Any]]:
        """Return the images that are there, with a name or without."""
        filters = {"label": f"{labels.WORKSPACE}={WORKSPACE}"}
        return list(self.api.images(filters=filters))

    def unnamed(self) -> list[dict[str, Any]]:
        filters = {"dangling": True, "label": f"{labels.WORKSPACE}={WORKSPACE}"}
        return list(self.api.images(filters=filters))

    async def close(self) -> None:
        for image in self.images():
            self.api.remove_image(image["Id"], force=True)
        await self.connection.close()


@pytest.fixture
async def maker(
    repository: ModelRepository, small_base: str, api: docker.APIClient
) -> AsyncIterator[Maker]:
    made = Maker(repository, small_base, api)
    yield made
    await made.close()


async def test_the_image_says_what_is_in_it(maker: Maker, version: Version) -> None:
    made = await maker.make(version)
    config = maker.inspect(TAG)["Config"]
    assert config["User"] == "65532:65532"
    assert "MODEL_NAME=pets" in config["Env"]
    assert "MODEL_BASE_PATH=/models" in config["Env"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    found = config["Labels"]
    assert found[labels.MODEL] == found["org.opencontainers.image.title"] == "pets"
    assert found[labels.VERSION] == found["org.opencontainers.image.version"] == "1"
    assert found[labels.DIGEST] == version_digest(version.path)
    assert found["org.opencontainers.image.base.name"] == maker.base
    assert found["org.opencontainers.image.created"].endswith("Z")
    assert labels.UNSAFE not in found
    assert made.size > made.base_size
    assert not maker.unnamed()
    done = [part for part, _, _ in maker.reports]
    assert done == sorted(done)
    assert maker.reports[-1] == (200, 200, "Done.")
    assert any("Step 2 of 2: Build: 5 of 8" in text for *_, text in maker.reports)
    assert any(line.startswith("Step 8/8") for line in maker.lines)


async def test_it_holds_what_a_server_loads_and_nothing_of_the_person(
    maker: Maker, version: Version, tmp_path: Path
) -> None:
    saved = tmp_path / "image.tar"
    evidence = version.path / "assets.extra" / "answers.json"
    evidence.write_text("{}")
    (version.path / "assets.extra" / "servery.sha256").unlink()
    made = await maker.make(version, save=saved)
    assert made.saved_bytes == saved.stat().st_size
    with tarfile.open(saved) as archive:
        layers = json.loads(_member(archive, "manifest.json"))[0]["Layers"]
        names = []
        for layer in layers:
            file = archive.extractfile(layer)
            assert file is not None
            with tarfile.open(fileobj=file) as content:
                names += [each.name for each in content if each.name.startswith("models/")]
                modes = [each.mode for each in content if each.name.startswith("models/pets/1/")]
    assert "models/pets/1/saved_model.pb" in names
    assert "models/pets/1/assets.extra/servery.json" in names
    assert "models/pets/1/assets.extra/answers.json" not in names
    assert not any(mode & 0o222 for mode in modes)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


async def test_a_save_that_is_cancelled_leaves_nothing(
    maker: Maker, version: Version, tmp_path: Path
) -> None:
    await maker.make(version)
    begun = asyncio.Event()
    store = ImageStore(maker.connection)
    target = tmp_path / "image.tar"
    killed = tmp_path / ".image.tar.999999999-00000000-00000000"
    killed.write_bytes(b"half")
    assert is_left_over(killed)
    saving = asyncio.create_task(store.save(TAG, target, lambda *_: begun.set()))
    await begun.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    # What a killed program left there is gone, too.
    assert not await asyncio.to_thread(lambda: list(tmp_path.glob("*image.tar*")))
    with pytest.raises(EngineError, match="could not be saved"):
        await store.save(TAG, tmp_path / "missing" / "image.tar")


@pytest.mark.slow
@pytest.mark.long
async def test_twenty_builds_leave_the_newest_three_and_nothing_without_a_name(
    maker: Maker, version: Version
) -> None:
    names = [f"{PREFIX}/pets-{TOKEN}:{number}" for number in range(10)]
    for name in (*names, *names):
        await maker.make(version, name)
    used = maker.api.create_container(names[0], name=f"servery-test-used-{TOKEN}")["Id"]
    try:
        maker.api.tag(names[1], f"{PREFIX}/mine", TOKEN)
        removed = await prune_images(maker.connection, WORKSPACE, "pets", 3, [names[2]])
        # One is used by a container, one has another name too, one is protected.
        assert sorted(removed) == names[3:7]
        assert not maker.unnamed()
        # A rebuild takes the name from an image that a container uses: it goes once that is gone.
        await maker.make(version, names[0])
        assert len(maker.unnamed()) == 1
    finally:
        maker.api.remove_container(used)
    await prune_images(maker.connection, WORKSPACE, "pets", 3)
    assert not maker.unnamed()
    await prune_images(maker.connection, "another workspace", "pets", 0)
    await prune_images(maker.connection, WORKSPACE, "cars", 0)
    assert len(maker.images()) == 4


async def test_pushing_shows_what_the_registry_answers(
    maker: Maker, version: Version, tmp_path: Path
) -> None:
    with debian_registry(tmp_path) as registry:
        tag = f"{registry}/team/pets:1"
        made = await maker.make(version, tag, push=True)
        assert b'"1"' in tags_at(registry, "team/pets")
        assert made.pushed_digest.startswith("sha256:")
        assert any(line.endswith(": Pushed") for line in maker.lines)
        assert any(f"digest: {made.pushed_digest}" in line for line in maker.lines)
        maker.api.remove_image(tag)
        maker.api.pull(f"{registry}/team/pets", tag="1")
        assert maker.inspect(tag)["Id"] == made.id


async def test_credentials_come_from_dockers_own_configuration(
    maker: Maker, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with debian_registry(tmp_path, asks_for_password=True) as registry:
        tag = f"{registry}/pets:1"
        with pytest.raises(EngineError) as refused:
            await maker.make(version, tag, push=True)
        assert f"The registry {registry} did not take the image {tag}:" in refused.value.what
        assert "no basic auth credentials" in refused.value.what
        assert f"docker login {registry}" in refused.value.advice
        # The image is there all the same, so that it need not be built again.
        assert maker.inspect(tag)["Config"]["Labels"][labels.TAG] == tag
        (tmp_path / "docker").mkdir()
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        auth = {"auths": {registry: {"auth": secret}}}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(auth))
        store = ImageStore(maker.connection)
        assert (await store.push(tag)).startswith("sha256:")


class _Denying(QuietHandler, BaseHTTPRequestHandler):
    def _deny(self) -> None:
        body = b'{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}'
        self.send_response(200 if self.path == "/v2/" else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = _deny


async def test_a_registry_that_denies_or_does_not_exist_is_quoted(
    maker: Maker, version: Version
) -> None:
    with ServerThread(server := ThreadingHTTPServer(("127.0.0.1", 0), _Denying)):
        tag = f"127.0.0.1:{server.server_port}/pets:1"
        with pytest.raises(EngineError, match="denied") as denied:
            await maker.make(version, tag, push=True)
    assert "as somebody who may write there" in denied.value.advice
    with pytest.raises(EngineError, match="connection refused") as refused:
        await ImageStore(maker.connection).push(tag)
    assert "Check that the registry runs" in refused.value.advice
    with pytest.raises(EngineError) as unknown:
        await maker.make(version, "registry.invalid/pets:1", push=True)
    assert "did not take the image registry.invalid/pets:1" in unknown.value.what
    assert unknown.value.advice.startswith("Check ")


async def test_a_model_that_does_more_than_compute_must_be_trusted(
    maker: Maker, version: Version
) -> None:
    path = version.path / SAVED_MODEL_FILE
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    node = model.meta_graphs[0].graph_def.node.add(name="reads", op="ReadFile")
    node.input.append(model.meta_graphs[0].graph_def.node[0].name)
    path.write_bytes(model.SerializeToString())
    (version.path / "assets.extra" / "servery.sha256").unlink()
    with pytest.raises(ModelError, match="can do more than compute") as refused:
        await maker.make(version)
    assert "servery models trust pets --version 1" in refused.value.advice
    assert not maker.images()
    trust_version(maker.repository, "pets", 1)
    await maker.make(version)
    assert "ReadFile" in maker.inspect(TAG)["Config"]["Labels"][labels.UNSAFE]


async def test_what_cannot_be_is_refused_before_anything_is_built(
    maker: Maker, version: Version, tmp_path: Path, api: docker.APIClient
) -> None:
    async def refused(match: str, version: Version = version, **request: Any) -> None:
        with pytest.raises(ServeryError, match=match) as error:
            await maker.make(version, **request)
        assert getattr(error.value, "advice", "")

    await refused("cannot be the name of an image", tag="Pets Of Mine")
    await refused("is the name of a base", tag="tensorflow/serving:2.19.1")
    await refused("has no argument COLOR", arguments={"COLOR": "red"})
    await refused("is no user", arguments={"RUN_AS": "root; rm"})
    await refused("is a folder", save=tmp_path)
    await refused("There is no folder", save=tmp_path / "no" / "file.tar")
    await refused("was not made from a model", tag=maker.base)
    plain = f"{PREFIX}/plain:{TOKEN}"
    api.import_image_from_data(_empty_tar(tmp_path), f"{PREFIX}/plain", TOKEN)
    try:
        await refused("is no model server", base=plain)
    finally:
        api.remove_image(plain)
    spaced = install_tiny(maker.repository, MODEL)
    await refused("with a space in its name", spaced)
    assert not maker.images()
    made = await maker.make(version)
    await refused("holds version 1 of pets", base=made.name)
    path = version.path / CARD_PATH
    path.write_bytes(path.read_bytes() + b"\n")
    await refused("were changed since it was made: assets.extra/servery.json")


def _empty_tar(folder: Path) -> bytes:
    path = folder / "empty.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("nothing"))
    return path.read_bytes()


async def test_a_hostile_card_stays_text(maker: Maker, version: Version) -> None:
    card = replace(version.card(), description='"; RUN touch /bad\nRUN touch /bad $MODEL_NAME \\')
    (version.path / "assets.extra" / "servery.json").write_text(card.to_json())
    (version.path / "assets.extra" / "servery.sha256").unlink()
    await maker.make(version)
    found = maker.inspect(TAG)["Config"]["Labels"]
    text = found["org.opencontainers.image.description"]
    assert text == '"; RUN touch /bad RUN touch /bad $MODEL_NAME \\'
