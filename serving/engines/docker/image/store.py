"""How an engine gets images: pulled, loaded from a file, built; and how they leave it."""

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
from serving.engines.docker.errors import SEE_ENGINE_LOG, disk_advice
from serving.engines.docker.image.compatibility import check_compatible
from serving.engines.docker.image.constants import (
    BUILD_TIMEOUT_HOURS,
    IMPORTED_BASES,
    OFFICIAL_IMAGE,
    STAGE_LABEL,
)
from serving.engines.docker.image.lookup import ImageInfo, first_present, image_missing
from serving.engines.docker.image.pull_progress import PullProgress, as_pulled
from serving.engines.docker.image.push import PushAnswers, push_refused, push_request
from serving.engines.docker.image.remove import remove_unnamed, remove_unused
from serving.engines.docker.image.save import save_to
from serving.engines.docker.image.transfer import Download, Transfer
from serving.engines.docker.model_image.labels import BUILD
from serving.engines.docker.model_image.tag import split_tag
from serving.engines.docker.streams import Stream, StreamEnded
from serving.errors import EngineError, reading_error
from serving.progress import Report, no_report
from serving.units import format_bytes

REPORT_INTERVAL_SECONDS = 0.25
REGISTRY_TIMEOUT_SECONDS = 15.0
"""How long the registry may take to report for which platforms an image is."""
CHUNK_BYTES = 2**20

Message = Mapping[str, Any]


class ImageStore:
    """The images of one engine.

    Work is cancelled within a second, and leaves nothing half done. Every
    method raises EngineError.
    """

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection
        """To the engine that has them."""

    async def find(self, names: Iterable[str]) -> ImageInfo | None:
        """Return the first of these images that the engine has."""
        candidates = list(names)
        return await self.connection.run(
            "list its images", lambda found: first_present(found.client, candidates)
        )

    async def pull(self, name: str = OFFICIAL_IMAGE, report: Report = no_report) -> ImageInfo:
        """Get an image from its registry, reporting percent, bytes, rate and time left.

        Raises IncompatibleImage before anything is downloaded. Whole layers
        that a broken or cancelled pull has downloaded are kept by the engine.
        """
        found = await self._engine("pull an image")
        await self._check_platforms(found, name)
        progress = PullProgress()

        def on_message(message: Message) -> None:
            progress.update(message, time.monotonic())

        def on_tick() -> None:
            report(min(99, int(100 * progress.share)), 100, progress.text(time.monotonic()))

        transfer = await asyncio.to_thread(_pull, found, name)
        try:
            await self._transfer(transfer, f"pull the image {name}", found, on_message, on_tick)
        except EngineError as error:
            raise EngineError(
                f"The image {name} could not be pulled. {error.what}",
                disk_advice(error.what)
                or "Check that the registry can be reached and try again; complete layers are "
                "kept. On a machine without a registry, load the image from a file or build "
                "our own: `servery image build`.",
            ) from error
        return await self._present(name)

    async def load(self, path: Path, report: Report = no_report) -> list[str]:
        """Load the images in a file that `docker save` wrote, and return their names."""
        found = await self._engine("load an image")
        loaded: list[str] = []

        def on_message(message: Message) -> None:
            line = str(message.get("stream") or "")
            if line.startswith("Loaded image"):
                loaded.append(line.partition(": ")[2].strip())

        total = await asyncio.to_thread(_file_size, path)
        transfer = Transfer(found, "/images/load", {"quiet": "1"}, _chunks(path))
        await self._upload(transfer, f"load {path.name}", found, total, on_message, report)
        if not loaded:
            raise EngineError(
                f"There is no image in the file {path}.",
                "Choose a file that `docker save` wrote.",
            )
        return loaded

    async def import_base(self, path: Path, name: str, report: Report = no_report) -> None:
        """Make an image of a tar archive of a whole file system."""
        found = await self._engine("import an image")
        # Podman reads the tag only as a part of `repo`; Docker accepts that too.
        params = {"fromSrc": "-", "repo": name}
        total = await asyncio.to_thread(_file_size, path)
        transfer = Transfer(found, "/images/create", params, _chunks(path))
        await self._upload(transfer, f"import {path.name}", found, total, lambda _: None, report)

    async def build(
        self,
        name: str,
        context: Iterable[bytes],
        total: int,
        arguments: Mapping[str, str],
        report: Report = no_report,
        on_line: Callable[[str], None] | None = None,
        target: str = "",
    ) -> ImageInfo:
        """Build an image from a tar archive of about `total` bytes with a Dockerfile in it.

        `on_line` gets each line that the build prints. `target` is the stage that becomes the
        image, the last one by default.
        """
        found = await self._engine("build an image")
        params = {"t": name, "rm": "1", "forcerm": "1", "buildargs": json.dumps(dict(arguments))}
        if target:
            params["target"] = target

        def on_message(message: Message) -> None:
            line = str(message.get("stream") or "").strip()
            if line and on_line is not None:
                on_line(line)

        transfer = Transfer(found, "/build", params, context)
        await self._upload(transfer, f"build {name}", found, total, on_message, report)
        return await self._present(name)

    async def push(
        self,
        name: str,
        report: Report = no_report,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Send an image to its registry and return its digest there.

        Credentials are those that `docker login` has stored. `on_line` gets each answer of the
        registry. What it has when this is cancelled are layers that no name leads to.
        """
        found = await self._engine("push an image")
        progress, answers = PullProgress("the registry stores them"), PushAnswers(on_line)

        def on_message(message: Message) -> None:
            progress.update(as_pulled(message), time.monotonic())
            answers.add(message)

        def on_tick() -> None:
            report(min(99, int(100 * progress.share)), 100, progress.text(time.monotonic()))

        transfer = await asyncio.to_thread(push_request, found, name)
        try:
            await self._transfer(transfer, f"push {name}", found, on_message, on_tick)
        except EngineError as error:
            raise push_refused(name, error) from error
        report(100, 100, answers.digest)
        return answers.digest

    async def save(self, name: str, path: Path, report: Report = no_report) -> int:
        """Write an image to the file `path`, as `docker save` does; return its size in bytes.

        The file is there once it is complete; what another program left half written is removed.
        Raises EngineError if the disk refuses it.
        """
        found = await self._engine("save an image")
        image = await self._present(name)
        download = await asyncio.to_thread(Download, found, f"/images/{name}/get")
        return await save_to(path, download, image.size, found.endpoint.url, report)

    async def remove_build_leftovers(self, build_id: str) -> None:
        """Remove the stages of a build, and what killed builds left; both would stay forever."""

        def remove(found: FoundEngine) -> None:
            remove_unnamed(found.client, f"{STAGE_LABEL}={build_id}")
            remove_unnamed(found.client, f"{BUILD}={build_id}")
            oldest = time.time() - BUILD_TIMEOUT_HOURS * 3600
            for label in (STAGE_LABEL, BUILD):
                remove_unnamed(found.client, label, oldest)
            for image in found.client.images(IMPORTED_BASES):
                if image["Created"] < oldest:
                    for tag in image["RepoTags"] or ():
                        remove_unused(found.client, tag)

        await self.connection.run("remove what is left of builds", remove)

    async def remove(self, name: str) -> None:
        """Remove a name, and the image with its last name; nothing if there is no such name."""

        def remove(found: FoundEngine) -> None:
            if first_present(found.client, [name]) is not None:
                found.client.remove_image(name)

        await self.connection.run(f"remove the image {name}", remove)

    async def registry_has(self, name: str) -> bool:
        """Whether the registry of an image tells of it, as far as the engine finds out in time."""
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(REGISTRY_TIMEOUT_SECONDS):
                await self.connection.run(
                    "ask the registry", lambda found: _registry_platforms(found, name)
                )
            return True
        return False

    async def _engine(self, doing: str) -> FoundEngine:
        return await self.connection.run(doing, lambda found: found)

    async def _present(self, name: str) -> ImageInfo:
        image = await self.find([name])
        if image is None:
            raise image_missing([name])
        return image

    async def _check_platforms(self, found: FoundEngine, name: str) -> None:
        """Raise IncompatibleImage if the registry has the image for other platforms only."""
        image = ImageInfo(name)
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(REGISTRY_TIMEOUT_SECONDS):
                platforms = await self.connection.run(
                    "ask the registry", lambda found: _registry_platforms(found, name)
                )
            image = ImageInfo(name, platforms=platforms)
        check_compatible(image, found.info, found.cpu_features)

    async def _upload(
        self,
        transfer: Transfer,
        doing: str,
        found: FoundEngine,
        total: int,
        on_message: Callable[[Message], None],
        report: Report,
    ) -> None:
        """Carry out a transfer whose body is most of the work, reporting how much was sent."""

        def on_tick() -> None:
            sent = min(transfer.sent, total)
            percent = int(99 * sent / total) if total else 0
            report(percent, 100, f"{format_bytes(sent)} of {format_bytes(total)}")

        await self._transfer(transfer, doing, found, on_message, on_tick)
        report(100, 100, format_bytes(total))

    async def _transfer(
        self,
        transfer: Transfer,
        doing: str,
        found: FoundEngine,
        on_message: Callable[[Message], None],
        on_tick: Callable[[], None],
    ) -> None:
        reported_at = 0.0
        async with Stream(transfer, doing, found.endpoint.url) as messages:
            while True:
                # A message is not lost if the timeout strikes: `next` only takes what is queued.
                with contextlib.suppress(TimeoutError):
                    try:
                        async with asyncio.timeout(REPORT_INTERVAL_SECONDS):
                            message = await messages.next()
                    except StreamEnded:
                        return
                    if error := message.get("error"):
                        raise EngineError(
                            f"The container engine could not {doing}: {_sentence(error)}",
                            disk_advice(str(error)) or SEE_ENGINE_LOG,
                        )
                    on_message(message)
                if time.monotonic() - reported_at >= REPORT_INTERVAL_SECONDS:
                    reported_at = time.monotonic()
                    on_tick()


def _sentence(message: object) -> str:
    return f"{str(message).strip().removesuffix('.')}."


def _file_size(path: Path) -> int:
    """Return the size of a file; raises EngineError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise reading_error(
            error, f"The file {path}", "Choose another file.", EngineError
        ) from error


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _pull(found: FoundEngine, name: str) -> Transfer:
    repository, tag = split_tag(name)
    registry, _ = auth.resolve_repository_name(repository)
    credentials = auth.get_config_header(found.client, registry)
    headers = {"X-Registry-Auth": credentials.decode()} if credentials else {}
    return Transfer(found, "/images/create", {"fromImage": repository, "tag": tag}, (), headers)


def _registry_platforms(found: FoundEngine, name: str) -> tuple[str, ...]:
    inspect: Callable[[str], Mapping[str, Any]] = found.client.inspect_distribution
    pairs = (
        (platform.get("os"), platform.get("architecture"))
        for platform in inspect(name).get("Platforms") or ()
    )
    return tuple(
        f"{system}/{architecture}"
        for system, architecture in pairs
        if system and architecture and "unknown" not in (system, architecture)
    )
