"""The images that these tests run: our own, and one with a stand-in server that starts at once."""

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

from serving.engines.docker.image_store import ImageStore
from serving.engines.docker.link import Link
from serving.image.base import make_base
from serving.image.build import build, build_context
from serving.image.contents import Member, context, installed, own_modules

TOKEN = secrets.token_hex(4)
"""What tells the images and containers of this test run from those of another one."""
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
LABEL io.servery.image=stand-in
USER 65532:65532
ENTRYPOINT ["python3.11", "-m", "tests.integration.docker.stand_in_server"]
"""
_STAND_IN_PACKAGES = (
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
    if not path.is_file():
        make_base(path)
    return path


@contextmanager
def removed(tag: str) -> Iterator[None]:
    """Take an image away at the end, and whatever it alone was built upon."""
    try:
        yield
    finally:
        asyncio.run(_with_store(lambda store: store.remove(tag)))


async def _with_store(work: Callable[[ImageStore], Awaitable[object]]) -> None:
    link = Link()
    try:
        await work(ImageStore(link))
    finally:
        await link.close()


@contextmanager
def own_image() -> Iterator[str]:
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
def stand_in_image() -> Iterator[str]:
    tag = f"{PREFIX}/stand-in:{TOKEN}"
    members = [
        Member("Dockerfile", len(_DOCKERFILE), partial(io.BytesIO, _DOCKERFILE)),
        *(
            Member(f"packages/{member.name}", member.size, member.open)
            for member in own_modules("tests.integration.docker.stand_in_server")
        ),
        *(
            member
            for member in context(installed(_STAND_IN_PACKAGES))
            if member.name.startswith("packages/") and "/serving/" not in member.name
        ),
    ]
    with removed(tag):
        asyncio.run(_with_store(lambda store: build_context(store, tag, str(base()), members)))
        yield tag
