"""/models/{model}/labels/export and /import: labels in files of other programs."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from backend.access import caller_name
from backend.contract import (
    Event,
    KeywordSummary,
    LabelExport,
    LabelImport,
    NewLabelExport,
    NewLabelImport,
    PhotoFolderPath,
)
from backend.events import EventBroker
from backend.label_files.import_labels import LabelImporter, read_source
from backend.label_files.keywords import count_keywords, read_keyword_labels
from backend.label_files.write import write_labels
from backend.models.names import ModelNames
from backend.person import checked_person
from backend.progress_stream import RESPONSES, in_thread, progress_stream
from backend.store.store import Store
from backend.this_machine import absolute_path, require_this_machine
from serving.export_folder import check_is_free
from serving.progress import Report


def routes(
    store: Store, importer: LabelImporter, names: ModelNames, broker: EventBroker
) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/models/{model}/labels/export", response_class=StreamingResponse, responses=RESPONSES
    )
    async def export(model: str, body: NewLabelExport, request: Request) -> StreamingResponse:
        """Write all labels with their photos to a folder; answers with a LabelExport in a stream.

        The folder is there when all of it is on disk. What is not undone is written, also what
        does not count: conflicts, and what was said before.
        """
        require_this_machine(request, "Folders", "Export them on that machine.")
        model = await names.find(model)
        target = absolute_path(body.target, "folder")
        await asyncio.to_thread(check_is_free, target)

        async def work(report: Report) -> LabelExport:
            labels = await store.exchange.labels(model)
            write = partial(write_labels, labels, store.images, target, body.format)
            written = await in_thread(write, report)
            return LabelExport(
                model,
                str(target),
                body.format,
                written.labels,
                written.photos,
                list(written.skipped),
            )

        return progress_stream(work)

    @router.post(
        "/models/{model}/labels/import", response_class=StreamingResponse, responses=RESPONSES
    )
    async def import_labels(
        model: str, body: NewLabelImport, request: Request
    ) -> StreamingResponse:
        """Read labels from a file or an exported folder; answers with a LabelImport in a stream.

        They are one action. It learns from them when it next learns.
        """
        require_this_machine(request, "Files", "Import them on that machine.")
        model = await names.find(model)
        source = absolute_path(body.source, "file")
        photos = absolute_path(body.photos, "folder") if body.photos else None
        by = checked_person(body.by, caller_name(request.scope))

        async def work(report: Report) -> LabelImport:
            report(0, 0, f"Reading {source.name}")
            if body.keywords is None:
                read = partial(read_source, source, photos, by, body.control)
                found = await asyncio.to_thread(read)
            else:
                named = partial(read_keyword_labels, source, body.keywords, by)
                found = await in_thread(named, report)
            taken = await importer.take(model, source, found, report)
            if taken.labels:
                broker.publish(Event("labels", model))
            return taken

        return progress_stream(work)

    @router.post("/keywords", response_class=StreamingResponse, responses=RESPONSES)
    async def keywords(body: PhotoFolderPath, request: Request) -> StreamingResponse:
        """Count the keywords in the metadata of photos; answers with a KeywordSummary in a stream.

        Those that an import can take as classes, with how many photos have each.
        """
        require_this_machine(request, "Folders", "Ask about them on that machine.")
        folder = absolute_path(body.folder, "folder")

        async def work(report: Report) -> KeywordSummary:
            return await in_thread(partial(count_keywords, folder), report)

        return progress_stream(work)

    return router
