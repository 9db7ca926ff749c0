"""The images that these tests run: our own, and one with a fake server that starts at once."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import docker
from filelock import FileLock

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.base_image import make_base
from serving.engines.docker.image.base_python import PYTHON
from serving.engines.docker.image.build import build, build_from_files
from serving.engines.docker.image.contents import build_files, installed_files, source_files
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.tar_archive import Member

TOKEN = secrets.token_hex(4)
"""Part of every name that this process gives, so that concurrent ones do not meet."""
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", TOKEN)[:8]
"""Part of the names of images that the processes of this test run share."""
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
""".replace(b"python3.11", PYTHON.encode())
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
def shared(name: str, folder: Path, make: Callable[[str], None]) -> Iterator[str]:
    """Yield the tag of an image that all processes of this test run use.

    The first that needs it makes it, the last removes it. `folder` is one that they have in common.
    """
    tag = f"{PREFIX}/{name}:{RUN}"
    lock, users = FileLock(folder / f"{name}-{RUN}.lock"), folder / f"{name}-{RUN}.users"
    with lock:
        count = int(users.read_text()) if users.exists() else 0
        if not count:
            make(tag)
        users.write_text(str(count + 1))
    try:
        yield tag
    finally:
        with lock:
            count = int(users.read_text()) - 1
            users.write_text(str(count))
            if not count:
                # Large ones take longer than an engine is waited for elsewhere.
                subprocess.run(["docker", "rmi", tag], capture_output=True)


def build_model_server_image(tag: str) -> None:
    """Build our own image."""
    asyncio.run(_with_store(lambda store: build(store, tag, str(base()))))


def build_fake_server_image(tag: str) -> None:
    """Build an image with a fake server that starts at once."""
    members = [
        Member("Dockerfile", len(_DOCKERFILE), partial(io.BytesIO, _DOCKERFILE)),
        *source_files(("serving", "tests/__init__.py", "tests/support")),
        *(
            member
            for member in build_files(installed_files(_FAKE_SERVER_PACKAGES))
            if member.name.startswith("packages/") and "/serving/" not in member.name
        ),
    ]
    asyncio.run(_with_store(lambda store: build_from_files(store, tag, str(base()), members)))


def save_image(api: docker.APIClient, image: str, path: Path) -> None:
    """Write an image of an engine to a file."""
    with path.open("wb") as file:
        for chunk in api.get_image(image):
            file.write(chunk)


def save_images(names: Sequence[str], path: Path) -> None:
    """Write images of this machine's engine to one file, what they have in common once."""
    subprocess.run(["docker", "save", "--output", str(path), *names], check=True)
