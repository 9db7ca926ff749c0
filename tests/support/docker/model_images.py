"""What tests of model images need: a small base, and a registry that takes images."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.build import build_from_files
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.tar_archive import Member
from tests.support.docker.images import PREFIX, TOKEN, removed
from tests.support.requirements import missing
from tests.support.waiting import block_until

USER, PASSWORD = "someone", "secret"
_PASSWORD_HASH = "$2b$04$zK0KQvFmaSW1vl4/gMU8meKELbTFXThlTL9KKx.11M2b.ZmXgDR2S"
"""Of PASSWORD, as the registry's list of users has it."""
_DOCKERFILE = b"""\
ARG BASE
ARG BUILD_ID
FROM ${BASE}
COPY tf_serving_entrypoint.sh /usr/bin/tf_serving_entrypoint.sh
USER 65532:65532
ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]
"""
_ENTRYPOINT = b"#!/bin/bash\nexec sleep 600\n"
_PROGRAMS = ("bash", "sha256sum", "mkdir", "cp", "chmod", "sleep")
"""What the stages run, and the small base's server."""


def small_root(path: Path) -> None:
    """Write a tar archive of a file system with a shell and little else, from this machine's.

    The engine compares whole file systems at each step where it cannot do better: with a Debian
    twenty builds take a quarter of an hour.
    """
    programs = [Path(found).resolve() for name in _PROGRAMS if (found := shutil.which(name))]
    listed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=True
    ).stdout
    libraries = {Path(found) for found in re.findall(r"/\S+\.so\S*", listed)}
    with tarfile.open(path, "w") as archive:
        for file in (*programs, *sorted(libraries)):
            entry = archive.gettarinfo(str(file.resolve()), arcname=str(file).lstrip("/"))
            with file.resolve().open("rb") as content:
                archive.addfile(entry, content)
        for name, target in (("bin", "usr/bin"), ("tmp", "")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = (
                (tarfile.SYMTYPE, target) if target else (tarfile.DIRTYPE, "")
            )
            link.mode = 0o777
            archive.addfile(link)
        shell = tarfile.TarInfo("usr/bin/sh")
        shell.type, shell.linkname = tarfile.SYMTYPE, "bash"
        archive.addfile(shell)


@contextmanager
def build_small_base(folder: Path) -> Iterator[str]:
    """Yield the name of an image that begins as a model server does and serves nothing."""
    root = folder / "root.tar"
    small_root(root)
    name = f"{PREFIX}/small-base:{TOKEN}"
    members = [
        Member("Dockerfile", len(_DOCKERFILE), partial(io.BytesIO, _DOCKERFILE)),
        Member(
            "tf_serving_entrypoint.sh",
            len(_ENTRYPOINT),
            partial(io.BytesIO, _ENTRYPOINT),
            executable=True,
        ),
    ]

    async def make() -> None:
        connection = EngineConnection()
        try:
            await build_from_files(ImageStore(connection), name, str(root), members)
        finally:
            await connection.close()

    with removed(name):
        asyncio.run(make())
        yield name


@contextmanager
def debian_registry(folder: Path, *, asks_for_password: bool = False) -> Iterator[str]:
    """Run Debian's docker-registry on loopback and yield its address; or skip without it."""
    program = shutil.which("docker-registry")
    if program is None:
        missing("docker-registry is not installed")
    config = folder / "config.yml"
    users = folder / "users"
    users.write_text(f"{USER}:{_PASSWORD_HASH}\n")
    auth = f"auth: {{htpasswd: {{realm: test, path: {users}}}}}\n" if asks_for_password else ""
    log = folder / "registry.log"
    config.write_text(
        "version: 0.1\n"
        "log: {level: info}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
        "http: {addr: '127.0.0.1:0'}\n" + auth
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "serve", str(config)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        block_until(lambda: "listening on" in log.read_text(), details=log.read_text)
        _, _, rest = log.read_text().partition("listening on ")
        yield rest.split()[0].strip('",')
    finally:
        process.terminate()
        process.wait(30)


def tags_at(registry: str, repository: str) -> bytes:
    """Return what a registry says of the tags of a repository."""
    with urllib.request.urlopen(f"http://{registry}/v2/{repository}/tags/list") as answer:
        return bytes(answer.read())
