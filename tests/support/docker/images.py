"""The images that these tests run: our own, and one with a fake server that starts at once."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import docker
from filelock import FileLock

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.base_image import make_base
from serving.engines.docker.image.build import build, build_from_files
from serving.engines.docker.image.contents import build_files, installed_files, source_files
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.tar_archive import Member

TOKEN = secrets.token_hex(4)
"""Part of every name that this test run gives, so that concurrent runs do not meet."""
PREFIX = "servery-test"
OWN_IMAGE_VARIABLE = "SERVERY_TEST_OWN_IMAGE"
"""Names an image of the model server that is there already, to save building it."""

_DOCKERFILE = b"""\
ARG BASE
FROM ${BASE} AS python
COPY packages /opt/servery
RUN python3.11 -m compileall -q --invalidation-mode unchecked-hash /opt/servery
ENV PYTHONPATH=/opt/servery PYTHONUNBUFFERED=1
EXPOSE 8500 8501
LABEL io.servery.image=fake-server
USER 65532:65532
ENTRYPOINT ["python3.11", "-m", "tests.support.fake_server", "--address=0.0.0.0:8500"]
"""
_FAKE_SERVER_PACKAGES = (
    "grpcio",
    "protobuf",
    "tensorflow",
    "tensorflow-serving-api",
    "typing-extensions",
)


def base() -> Path:
    """Return a tar archive of a Debian with Python; made once on a machine."""
    folder = Path(tempfile.gettempdir()) / f"servery-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "base.tar"
    with FileLock(folder / "base.lock"):  # the other processes of this test run wait for it
        if not path.is_file():
            make_base(path)
    return path


@contextmanager
def removed(tag: str) -> Iterator[None]:
    """Remove an image at the end, and whatever only it was built on."""
    try:
        yield
    finally:
        asyncio.run(_with_store(lambda store: store.remove(tag)))


async def _with_store(work: Callable[[ImageStore], Awaitable[object]]) -> None:
    connection = EngineConnection()
    try:
        await work(ImageStore(connection))
    finally:
        await connection.close()


@contextmanager
def build_model_server_image() -> Iterator[str]:
    """Yield our own image, which is removed afterwards unless it was there before."""
    named = os.environ.get(OWN_IMAGE_VARIABLE)
    if named:
        yield named
        return
    tag = f"{PREFIX}/model-server:{TOKEN}"
    with removed(tag):
        asyncio.run(_with_store(lambda store: build(store, tag, str(base()))))
        yield tag


@contextmanager
def build_fake_server_image() -> Iterator[str]:
    tag = f"{PREFIX}/fake-server:{TOKEN}"
    members = [
        Member("Dockerfile", len(_DOCKERFILE), partial(io.BytesIO, _DOCKERFILE)),
        *source_files(("serving", "tests/__init__.py", "tests/support")),
        *(
            member
            for member in build_files(installed_files(_FAKE_SERVER_PACKAGES))
            if member.name.startswith("packages/") and "/serving/" not in member.name
        ),
    ]
    with removed(tag):
        asyncio.run(_with_store(lambda store: build_from_files(store, tag, str(base()), members)))
        yield tag


def save_image(api: docker.APIClient, image: str, path: Path) -> None:
    """Write an image of an engine to a file."""
    with path.open("wb") as file:
        for chunk in api.get_image(image):
            file.write(chunk)
