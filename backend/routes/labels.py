"""/labels: what people say photos show."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from backend.contract import ClassCount, Event, Label, LabelSummary
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.names import ModelNames
from backend.store.store import Store
from backend.uploads import Upload, Uploads
from serving.class_names import checked_class_name


def routes(
    store: Store, catalog: ModelCatalog, names: ModelNames, broker: EventBroker, uploads: Uploads
) -> APIRouter:
    router = APIRouter()

    @router.post("/labels", status_code=201)
    async def add(
        request: Request,
        response: Response,
        model: str | None = None,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Label:
        """Store a label; it and its photo are on disk before this answers.

        The class may be another name of one that `model` knows, and becomes that one
        unless somebody labelled a photo with this very name before.
        With an `Idempotency-Key`, sending it again stores no second label and
        answers 200 with the first.
        """
        async with uploads.photo(request) as upload:
            # An empty key is what a program sends that has none.
            label, created = await store_label(upload, model, idempotency_key or None)
        if created:
            broker.publish(Event("labels", label.model))
        else:
            response.status_code = 200
        return label

    async def store_label(upload: Upload, model: str | None, key: str | None) -> tuple[Label, bool]:
        if upload.class_name is None:
            raise HttpError(
                400,
                "The class is missing.",
                "Send it as the form's field `class`, or in the query.",
            )
        requested = checked_class_name(upload.class_name)
        model = await names.find(upload.model or model)
        known = await catalog.known_classes(model)
        spelling = {name.casefold(): name for name in known}
        name = spelling.get(requested.casefold(), requested)
        called = None if name in known else await catalog.class_called(model, name)
        return await store.labels.add(
            model,
            upload.jpeg,
            name,
            is_new=lambda final: final not in known,
            key=key,
            other_name_of=called,
        )

    @router.delete("/labels/{label_id}", status_code=204)
    async def undo(label_id: int) -> None:
        """Take a label back; the one it replaced counts again."""
        broker.publish(Event("labels", await store.labels.undo(label_id)))

    @router.get("/labels")
    async def summary(model: str | None = None) -> LabelSummary:
        """Count the current labels of a model, per class."""
        model = await names.find(model)
        learned = await store.runs.last_learned(model)
        counts, changed = await store.labels.counts(model, learned)
        live = frozenset(await catalog.live_classes(model))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].casefold()))
        return LabelSummary(
            model=model,
            total=sum(counts.values()),
            since_last_run=changed,
            classes=[ClassCount(name, count, name in live) for name, count in ranked],
        )

    return router
