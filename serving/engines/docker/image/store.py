"""How an engine gets images: pulled, loaded from a file, built."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docker import auth

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.image.compatibility import check_compatible
from serving.engines.docker.image.constants import OFFICIAL_IMAGE, STAGE_LABEL
from serving.engines.docker.image.lookup import ImageInfo, first_present, image_missing
from serving.engines.docker.image.pull_progress import PullProgress
from serving.engines.docker.image.transfer import Transfer
from serving.engines.docker.streams import Stream, StreamEnded
from serving.errors import EngineError
from serving.progress import Report, no_report
from serving.units import format_bytes

REPORT_INTERVAL_SECONDS = 0.25
"""Between two reports."""
REGISTRY_TIMEOUT_SECONDS = 15.0
"""How long the registry may take to say for which machines an image is."""
CHUNK_BYTES = 2**20

Message = Mapping[str, Any]


class ImageStore:
    """The images of one engine. Work is cancelled within a second, and leaves nothing half done."""

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection

    async def find(self, names: Iterable[str]) -> ImageInfo | None:
        """Return the first of these images that the engine has; raises EngineError."""
        wanted = list(names)
        return await self._connection.run(
            "say which images it has", lambda found: first_present(found.client, wanted)
        )

    async def pull(self, name: str = OFFICIAL_IMAGE, report: Report = no_report) -> ImageInfo:
        """Get an image from its registry, reporting percent, bytes, rate and time left.

        Says before anything is loaded where the image cannot run here. What a
        broken or cancelled pull has loaded in whole layers need not be loaded
        again. Raises EngineError.
        """
        found = await self._connection.run("pull an image", _itself)
        await self._check_before(found, name)
        progress = PullProgress()

        def take(message: Message) -> None:
            progress.take(message, time.monotonic())

        def tell() -> None:
            report(min(99, int(100 * progress.share)), 100, progress.text(time.monotonic()))

        transfer = await asyncio.to_thread(_pulling, found, name)
        try:
            await self._carry_out(transfer, f"pull the image {name}", found, take, tell)
        except EngineError as error:
            raise EngineError(
                f"The image {name} could not be pulled. {error.what}",
                "See that the registry can be reached and try again; what was loaded "
                "completely is kept. On a machine without a registry, load the image from a "
                "file or build our own: servery image build.",
            ) from error
        return await self._got(name)

    async def load(self, path: Path, report: Report = no_report) -> list[str]:
        """Load the images in a file that `docker save` wrote, and return their names.

        Raises EngineError where it cannot be read or is no such file.
        """
        found = await self._connection.run("load an image", _itself)
        loaded: list[str] = []

        def take(message: Message) -> None:
            said = str(message.get("stream") or "")
            if said.startswith("Loaded image"):
                loaded.append(said.partition(": ")[2].strip())

        total = await asyncio.to_thread(_length, path)
        transfer = Transfer(found, "/images/load", {"quiet": "1"}, _file(path))
        await self._send(transfer, f"load {path.name}", found, total, take, report)
        if not loaded:
            raise EngineError(
                f"There is no image in the file {path}.",
                "Choose a file that `docker save` wrote.",
            )
        return loaded

    async def import_base(self, path: Path, name: str, report: Report = no_report) -> None:
        """Make an image of a tar archive of a whole file system. Raises EngineError."""
        found = await self._connection.run("import an image", _itself)
        # Podman reads the tag here only.
        params = {"fromSrc": "-", "repo": name}
        total = await asyncio.to_thread(_length, path)
        transfer = Transfer(found, "/images/create", params, _file(path))
        await self._send(transfer, f"import {path.name}", found, total, _ignore, report)

    async def build(
        self,
        name: str,
        context: Iterable[bytes],
        total: int,
        arguments: Mapping[str, str],
        report: Report = no_report,
        say: Callable[[str], None] = print,
    ) -> ImageInfo:
        """Build an image from a tar archive of about `total` bytes with a Dockerfile in it.

        `say` gets each line that the build prints. Raises EngineError.
        """
        found = await self._connection.run("build an image", _itself)
        params = {"t": name, "rm": "1", "forcerm": "1", "buildargs": json.dumps(dict(arguments))}

        def take(message: Message) -> None:
            if line := str(message.get("stream") or "").strip():
                say(line)

        transfer = Transfer(found, "/build", params, context)
        try:
            await self._send(transfer, f"build {name}", found, total, take, report)
        finally:
            await self._connection.run("remove what was only built upon", _prune)
        return await self._got(name)

    async def remove(self, name: str) -> None:
        """Take a name away, and the image with its last one; nothing where there is none."""

        def remove(found: FoundEngine) -> None:
            if first_present(found.client, [name]) is not None:
                found.client.remove_image(name)

        await self._connection.run(f"remove the image {name}", remove)

    async def _got(self, name: str) -> ImageInfo:
        image = await self.find([name])
        if image is None:
            raise image_missing([name])
        return image

    async def _check_before(self, found: FoundEngine, name: str) -> None:
        """Raise ImageUnfit where what the registry says of the image does not fit."""
        image = ImageInfo(name)
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(REGISTRY_TIMEOUT_SECONDS):
                said = await self._connection.run(
                    "ask the registry", lambda found: _distribution(found, name)
                )
            image = ImageInfo(name, platforms=tuple(_platforms(said)))
        check_compatible(image, found.info, found.cpu_features)

    async def _send(
        self,
        transfer: Transfer,
        doing: str,
        found: FoundEngine,
        total: int,
        take: Callable[[Message], None],
        report: Report,
    ) -> None:
        """Carry out a transfer whose body is most of the work, reporting what was sent of it."""

        def tell() -> None:
            sent = min(transfer.sent, total)
            percent = int(99 * sent / total) if total else 0
            report(percent, 100, f"{format_bytes(sent)} of {format_bytes(total)}")

        await self._carry_out(transfer, doing, found, take, tell)
        report(100, 100, format_bytes(total))

    async def _carry_out(
        self,
        transfer: Transfer,
        doing: str,
        found: FoundEngine,
        take: Callable[[Message], None],
        tell: Callable[[], None],
    ) -> None:
        told = 0.0
        async with Stream(transfer, doing, found.endpoint.url) as messages:
            while True:
                with contextlib.suppress(TimeoutError):
                    try:
                        async with asyncio.timeout(REPORT_INTERVAL_SECONDS):
                            message = await messages.next()
                    except StreamEnded:
                        return
                    if error := message.get("error"):
                        raise EngineError(
                            f"The container engine could not {doing}: {error}", "Try it again."
                        )
                    take(message)
                if time.monotonic() - told >= REPORT_INTERVAL_SECONDS:
                    told = time.monotonic()
                    tell()


def _itself(found: FoundEngine) -> FoundEngine:
    return found


def _prune(found: FoundEngine) -> None:
    """Remove what a build of several stages leaves behind, which would be kept for ever."""
    prune: Callable[[Mapping[str, Any]], Any] = found.client.prune_images
    prune({"dangling": True, "label": STAGE_LABEL})


def _ignore(message: Message) -> None:
    pass


def _length(path: Path) -> int:
    """Return the size of a file; raises EngineError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise EngineError(
            f"The file {path} cannot be read: {error.strerror or error}.", "Choose another."
        ) from error


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _pulling(found: FoundEngine, name: str) -> Transfer:
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "latest"
    registry, _ = auth.resolve_repository_name(repository)
    credentials = auth.get_config_header(found.client, registry)
    headers = {"X-Registry-Auth": credentials.decode()} if credentials else {}
    return Transfer(found, "/images/create", {"fromImage": repository, "tag": tag}, (), headers)


def _distribution(found: FoundEngine, name: str) -> Mapping[str, Any]:
    ask: Callable[[str], Mapping[str, Any]] = found.client.inspect_distribution
    return ask(name)


def _platforms(said: Mapping[str, Any]) -> Iterator[str]:
    for platform in said.get("Platforms") or ():
        system, architecture = platform.get("os"), platform.get("architecture")
        if system and architecture and "unknown" not in (system, architecture):
            yield f"{system}/{architecture}"
