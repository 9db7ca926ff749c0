"""Makes images of versions: a queue of builds, each with a record and a log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backend.contract import (
    BaseImage,
    Event,
    ImageBuild,
    ImageBuildState,
    NewImage,
)
from backend.events import EventBroker
from backend.job_queue import JobQueue, failure_of
from backend.model_images.records import MAX_RECORDS, BuildRecords
from serving.background import cancel_and_wait
from serving.clock import utc_now
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.engines.docker.model_image.tag import tag_of_version
from serving.engines.engine_address import chosen_address
from serving.errors import ModelError, ServeryError, storage_error
from serving.fleet.record import RecordFile
from serving.leftovers import sweep
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.workspace import Workspace

if TYPE_CHECKING:
    from serving.engines.docker.connection import EngineConnection

_log = logging.getLogger(__name__)

CLEAN_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""The pauses before an engine is asked again to remove what is left of builds."""
MAX_CLEANED = 10
"""Builds of earlier backends that are cleaned up after."""

_INTERRUPTED = (
    "The image was not finished, since Servery was ended meanwhile.",
    "Nothing of it is left. Make it again.",
)


class UnknownBuild(ServeryError):
    """There is no build with this id."""


class ImageBuilds:
    """The images of one workspace that are being made, or were.

    One is made at a time: builds read and write gigabytes. `connect` returns a new connection to
    the container engine; it is called once, when the first one is needed.
    """

    def __init__(
        self,
        repository: ModelRepository,
        workspace: Workspace,
        broker: EventBroker,
        connect: Callable[[], EngineConnection] | None = None,
    ) -> None:
        self._repository = repository
        self._workspace = workspace
        self._broker = broker
        self._records = BuildRecords(workspace.model_images)
        self._connect = connect or partial(_connect, workspace)
        self._connection: EngineConnection | None = None
        self._queue: JobQueue[ImageBuild] = JobQueue(MAX_RECORDS)
        self._to_clean: list[ImageBuild] = []
        """Those that did not succeed, of which the engine may have something left."""
        self._cleaning: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Read what earlier backends made, and remove what they did not finish."""
        for build in await asyncio.to_thread(self._records.read):
            self._queue.put(build)
            if build.running:
                await self._end(build, ImageBuildState.INTERRUPTED, *_INTERRUPTED)
        for build in self.builds()[:MAX_CLEANED]:
            if build.state is not ImageBuildState.SUCCEEDED:
                self._clean_later(build)

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        self._closing = True
        await self._queue.close()
        if self._cleaning is not None:
            await cancel_and_wait(self._cleaning)
        if self._connection is not None:
            await self._connection.close()

    def builds(self, model: str | None = None) -> list[ImageBuild]:
        """Return the builds of a model, or of all, the newest first."""
        return [build for build in self._queue.all() if model in (None, build.model)]

    def build(self, build_id: str) -> ImageBuild:
        """Return one build; raises UnknownBuild."""
        build = self._queue.find(build_id)
        if build is None:
            raise UnknownBuild(
                f"There is no image build {build_id}.", "Look at the list of image builds."
            )
        return build

    async def log(self, build_id: str) -> str:
        """Return the log of a build; raises UnknownBuild."""
        return await asyncio.to_thread(self._records.log, self.build(build_id).id)

    async def bases(self) -> list[BaseImage]:
        """Return the images of a model server that the engine has; raises EngineError."""
        from serving.engines.docker.model_image.base import present_bases

        found = await present_bases(await self._engine())
        return [BaseImage(image.name, image.size) for image in found]

    async def start(
        self, version: Version, new: NewImage, *, after_promotion: bool = False
    ) -> ImageBuild:
        """Queue a build and return it; raises EngineError if what is asked for cannot be."""
        settings = await asyncio.to_thread(self._repository.settings, version.model)
        request = ModelImageRequest(
            tag_of_version(new.tag or settings.image.tag, version.model, version.number),
            new.base,
            new.arguments,
            new.push,
            Path(new.save) if new.save else None,
        )
        request = await asyncio.to_thread(request.checked)
        build_id = secrets.token_hex(8)
        build = ImageBuild(
            id=build_id,
            model=version.model,
            version=version.number,
            tag=request.tag,
            state=ImageBuildState.QUEUED,
            created=utc_now(),
            base=new.base,
            push=new.push,
            save=new.save,
            arguments=new.arguments,
            after_promotion=after_promotion,
            step="Waiting for another image.",
            log=str(self._records.log_path(build_id)),
        )
        try:
            await asyncio.to_thread(self._records.write, build)
        except OSError as error:
            what = "The image cannot be made"
            raise storage_error(error, self._workspace.model_images, what, ModelError) from error
        self._queue.start(
            build,
            lambda: self._make(build_id, version, request),
            lambda error: self._over(build_id, error),
        )
        self._update(build)
        for former in self._queue.forget_oldest():
            await asyncio.to_thread(self._records.remove, former)
        return build

    async def cancel(self, build_id: str) -> ImageBuild:
        """Cancel a build, and return it once nothing of it is left; one that has ended stays so.

        Raises UnknownBuild.
        """
        self.build(build_id)
        await self._queue.cancel(build_id)
        return self.build(build_id)

    async def _over(self, build_id: str, error: BaseException | None) -> None:
        """Record how a build ended."""
        state, said = ImageBuildState.FAILED, ("", "")
        match error:
            case None:
                state = ImageBuildState.SUCCEEDED
            case asyncio.CancelledError() if self._closing:
                state, said = ImageBuildState.INTERRUPTED, _INTERRUPTED
            case asyncio.CancelledError():
                state = ImageBuildState.CANCELLED
            case OSError():
                folder, what = self._workspace.model_images, "The image was not made"
                refused = storage_error(error, folder, what, ModelError)
                said = refused.what, refused.advice
            case _:
                failure = failure_of(error, "The image could not be made")
                said = failure.what, failure.advice
        await self._end(self.build(build_id), state, *said)
        if error is not None and not self._closing:
            self._clean_later(self.build(build_id))

    async def _make(self, build_id: str, version: Version, request: ModelImageRequest) -> None:
        # Imported late: the `docker` package takes a while to load.
        from serving.engines.docker.model_image.build import make_image
        from serving.engines.docker.names import workspace_id

        self._update(replace(self.build(build_id), state=ImageBuildState.RUNNING, step=""))
        connection = await self._engine()

        def report(done: int, total: int, step: str) -> None:
            self._queue.change(build_id, done=done, total=total, step=step)

        with self._records.log_path(build_id).open("a", encoding="utf-8", buffering=1) as log:

            def on_line(line: str) -> None:
                log.write(f"{utc_now()} {line}\n")

            made = await make_image(
                connection,
                self._repository,
                version,
                request,
                workspace_id(self._workspace),
                build_id,
                report,
                on_line,
            )
            self._queue.change(
                build_id,
                size_bytes=made.size,
                added_bytes=max(0, made.size - made.base_size),
                base=made.base,
                pushed_digest=made.pushed_digest,
                saved_bytes=made.saved_bytes,
                removed=await self._prune(connection, version.model, request.tag, on_line),
            )

    async def _prune(
        self,
        connection: EngineConnection,
        model: str,
        tag: str,
        on_line: Callable[[str], None],
    ) -> list[str]:
        """Remove old images of a model; one that cannot be removed now is no reason to fail."""
        from serving.engines.docker.model_image.prune import prune_images
        from serving.engines.docker.names import workspace_id

        settings = await asyncio.to_thread(self._repository.settings, model)
        fleet = await asyncio.to_thread(RecordFile(self._workspace.fleet_record).read)
        try:
            removed = await prune_images(
                connection,
                workspace_id(self._workspace),
                model,
                settings.image.keep,
                {tag, fleet.limits.image},
            )
        except ServeryError as error:
            on_line(f"Old images could not be removed: {error}")
            return []
        for name in removed:
            on_line(f"Removed the old image {name}")
        return removed

    def _clean_later(self, build: ImageBuild) -> None:
        self._to_clean.append(build)
        if self._cleaning is None or self._cleaning.done():
            self._cleaning = asyncio.create_task(self._clean_up(), name="remove unfinished images")

    async def _clean_up(self) -> None:
        """Remove what builds that did not succeed left on the engine and beside files.

        An engine finishes the step that it had begun before it sees that nobody waits for it, and
        may not answer now: so it is looked at several times.
        """
        from serving.engines.docker.image.store import ImageStore

        store = ImageStore(await self._engine())
        for pause in CLEAN_SECONDS:
            await asyncio.sleep(pause)
            looked_at = list(self._to_clean)
            with contextlib.suppress(ServeryError):
                for build in looked_at:
                    if build.save:
                        await asyncio.to_thread(sweep, [Path(build.save).parent])
                    await store.remove_build_leftovers(build.id)
        self._to_clean = [build for build in self._to_clean if build not in looked_at]
        if self._to_clean:
            self._cleaning = asyncio.create_task(self._clean_up(), name="remove unfinished images")

    async def _engine(self) -> EngineConnection:
        if self._connection is None:
            # In a thread, since its package takes a while to load.
            self._connection = await asyncio.to_thread(self._connect)
        return self._connection

    async def _end(
        self, build: ImageBuild, state: ImageBuildState, error: str = "", advice: str = ""
    ) -> None:
        build = replace(build, state=state, error=error, advice=advice, finished=utc_now())
        try:
            await asyncio.to_thread(self._write_end, build)
        except OSError as failure:
            _log.error("The end of the image build %s cannot be recorded: %s", build.id, failure)
        if build.after_promotion and state is ImageBuildState.FAILED:
            _log.warning(
                "The image of version %s of %s, which was promoted, could not be made: %s %s",
                *(build.version, build.model, error, advice),
            )
        self._update(build)

    def _write_end(self, build: ImageBuild) -> None:
        self._records.write(build)
        if build.error:
            with self._records.log_path(build.id).open("a", encoding="utf-8") as log:
                log.write(f"{build.finished} {build.error} {build.advice}\n")

    def _update(self, build: ImageBuild) -> None:
        self._queue.put(build)
        self._broker.publish(Event("models", build.model))


def _connect(workspace: Workspace) -> EngineConnection:
    from serving.engines.docker.connection import EngineConnection

    return EngineConnection(address=chosen_address(workspace))
