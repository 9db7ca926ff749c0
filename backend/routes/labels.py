"""/labels: what people say photos show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from backend.access import caller_name
from backend.contract import (
    BatchLabel,
    ClassCount,
    Conflict,
    Event,
    Label,
    LabelAction,
    LabelKind,
    LabelSummary,
)
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.names import ModelNames
from backend.person import checked_person
from backend.routes.upload_schema import PHOTO, file_body, parameters
from backend.store.label_writing import Statement
from backend.store.store import Store
from backend.uploads import Uploads
from serving.class_names import checked_class_name
from serving.clock import utc_text
from serving.text.visible import shortened

MAX_BATCH = 10_000
"""Photos that are labelled at once."""
MAX_ACTIONS = 1_000
MAX_BATCH_NAME = 100
"""Characters."""

_FIELDS: dict[str, Any] = {
    "class": {"type": "string", "description": "What it shows; needed with the kind `class`."},
    "kind": {"type": "string", "enum": [kind.value for kind in LabelKind], "default": "class"},
    "by": {"type": "string", "description": "Who says so, if not the user who sends it."},
    "settles": {"type": "boolean", "description": "It outweighs what others have said."},
    "said_at": {"type": "string", "format": "date-time", "description": "If not now."},
    "batch": {
        "type": "string",
        "maxLength": MAX_BATCH_NAME,
        "description": "Labels with the same text are one action.",
    },
}
_IMAGE = {"type": "string", "description": "The SHA-256 of a photo that the backend has."}
_EXTRA = {
    "parameters": parameters({"image": _IMAGE, **_FIELDS}),
    "requestBody": {
        **file_body(PHOTO, _FIELDS, "image/*", "application/octet-stream"),
        "required": False,
    },
}

IdempotencyKey = Annotated[str | None, Header(max_length=200)]


def routes(
    store: Store, catalog: ModelCatalog, names: ModelNames, broker: EventBroker, uploads: Uploads
) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/labels",
        status_code=201,
        openapi_extra=_EXTRA,
        responses={200: {"model": Label, "description": "The label of that key, from before."}},
    )
    async def add(
        request: Request,
        response: Response,
        model: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Label:
        """Store a label; it and its photo are on disk before this answers.

        The photo is the form's field `file`, the whole body, or one that the backend has:
        `image` is its SHA-256 then. `class` is a class, new or not, or `kind` says `none` or
        `skip`. `by` is who says so, if not the user who sends it. With `settles=true` it
        outweighs what others have said of the photo. `said_at` is when it was said, if not
        now: what was done to the class since is done to the label. With an `Idempotency-Key`,
        sending it again stores no second label and answers 200 with the first. If the class
        is another name of one that the live version knows, `known_as` is that one.
        """
        query = dict(request.query_params)
        if "image" in query:
            label, created = await store_label(
                request, query["image"], query, model, idempotency_key
            )
        else:
            async with uploads.photo(request) as upload:
                label, created = await store_label(
                    request, upload.jpeg, upload.fields, model, idempotency_key
                )
        if created:
            broker.publish(Event("labels", label.model))
        else:
            response.status_code = 200
        return label

    async def store_label(
        request: Request,
        photo: bytes | str,
        fields: Mapping[str, str],
        model: str | None,
        key: str | None,
    ) -> tuple[Label, bool]:
        model = await names.find(fields.get("model") or model)
        statement = _statement(
            fields.get("class"),
            fields.get("kind") or LabelKind.CLASS,
            checked_person(fields.get("by", ""), caller_name(request.scope)),
            settles=_flag(fields.get("settles", "")),
            said_at=_moment(fields.get("said_at", "")),
        )
        statement, known = await spelled(model, statement)
        label, created = await store.labels.add(
            model,
            photo,
            statement,
            is_new=lambda final: final not in known,
            # An empty key is what a program sends that has none.
            key=key or None,
            batch=_batch_name(fields.get("batch", "")) or None,
        )
        called = await catalog.class_called(model, label.class_name) or ""
        return replace(label, known_as="" if called == label.class_name else called), created

    async def spelled(model: str, statement: Statement) -> tuple[Statement, frozenset[str]]:
        """Return a statement with its class as versions of the model spell it, and all classes."""
        known = await catalog.known_classes(model)
        spelling = {name.casefold(): name for name in known}
        name = spelling.get(statement.class_name.casefold(), statement.class_name)
        return replace(statement, class_name=name), known

    @router.post(
        "/labels/batch",
        status_code=201,
        responses={200: {"model": LabelAction, "description": "That of this key, from before."}},
    )
    async def add_batch(
        request: Request,
        response: Response,
        batch: BatchLabel,
        idempotency_key: IdempotencyKey = None,
    ) -> LabelAction:
        """Say the same of many photos that the backend has: all of them, or none."""
        if not 1 <= len(batch.images) <= MAX_BATCH:
            raise HttpError(
                400,
                f"{len(batch.images):,} photos cannot be labelled at once.",
                f"Send from 1 to {MAX_BATCH:,} of them.",
            )
        model = await names.find(batch.model)
        by = checked_person(batch.by, caller_name(request.scope))
        statement = _statement(
            batch.class_name,
            batch.kind,
            by,
            settles=batch.settles,
            said_at=_moment(batch.said_at),
        )
        statement, known = await spelled(model, statement)
        action, created = await store.labels.add_batch(
            model,
            batch.images,
            statement,
            is_new=lambda final: final not in known,
            key=idempotency_key or None,
        )
        if created:
            broker.publish(Event("labels", action.model))
        else:
            response.status_code = 200
        return action

    @router.delete("/labels/{label_id:int}", status_code=204)
    async def undo(label_id: int) -> None:
        """Take a label back; the one it replaced counts again."""
        broker.publish(Event("labels", await store.labels.undo(label_id)))

    @router.get("/labels")
    async def summary(model: str | None = None) -> LabelSummary:
        """Count the current labels of a model, per class."""
        model = await names.find(model)
        learned = await store.runs.last_learned(model)
        counts = await store.labels.counts(model, learned)
        live = frozenset(await catalog.live_classes(model))
        ranked = sorted(counts.classes.items(), key=lambda item: (-item[1], item[0].casefold()))
        return LabelSummary(
            model=model,
            total=sum(counts.classes.values()),
            since_last_run=counts.changed,
            classes=[ClassCount(name, count, name in live) for name, count in ranked],
            none=counts.none,
            conflicts=counts.disputed,
        )

    @router.get("/labels/actions")
    async def actions(
        model: str | None = None, count: Annotated[int, Query(ge=1, le=MAX_ACTIONS)] = 50
    ) -> list[LabelAction]:
        """Return what people did last, newest first; each can be undone, whenever it was."""
        return await store.labels.actions(await names.find(model), count)

    @router.delete("/labels/actions/{action}")
    async def undo_action(action: int) -> LabelAction:
        """Take all labels of an action back; those that they replaced count again."""
        undone = await store.labels.undo_action(action)
        broker.publish(Event("labels", undone.model))
        return undone

    @router.get("/labels/conflicts")
    async def conflicts(model: str | None = None) -> list[Conflict]:
        """Return the photos that people label differently; nothing is learned from them."""
        return await store.labels.conflicts(await names.find(model))

    @router.get("/images/{image}/labels")
    async def of_image(image: str, model: str | None = None) -> list[Label]:
        """Return every label of a photo that was not undone, newest first."""
        return await store.labels.of_image(await names.find(model), image)

    return router


def _statement(
    class_name: str | None, kind: str, by: str, *, settles: bool, said_at: str
) -> Statement:
    """Return what a request says; raises HttpError and ClassNameError."""
    if kind not in tuple(LabelKind):
        raise HttpError(
            400,
            f"A label cannot be of the kind {shortened(kind, 40)}.",
            "Send `class`, `none` or `skip`.",
        )
    if kind != LabelKind.CLASS:
        if class_name:
            raise HttpError(
                400,
                f"A label of the kind {kind} has no class.",
                "Leave out the class, or the kind.",
            )
        return Statement("", LabelKind(kind), by, settles, said_at)
    if class_name is None:
        raise HttpError(
            400, "The class is missing.", "Send it as the form's field `class`, or in the query."
        )
    return Statement(checked_class_name(class_name), LabelKind.CLASS, by, settles, said_at)


def _flag(text: str) -> bool:
    if text.lower() in ("", "0", "false", "no"):
        return False
    if text.lower() in ("1", "true", "yes"):
        return True
    raise HttpError(400, "The field `settles` is neither true nor false.", "Send `true`.")


def _moment(text: str) -> str:
    """Return a time as `utc_now` writes it; empty for none."""
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is not None:
            return utc_text(when)
    except (ValueError, OverflowError):
        pass
    raise HttpError(
        400,
        "The field `said_at` is not a valid time.",
        "Send it as ISO 8601 with its time zone, such as 2026-01-31T09:15:00Z.",
    )


def _batch_name(text: str) -> str:
    if len(text) > MAX_BATCH_NAME or not text.isprintable():
        raise HttpError(
            400,
            "The field `batch` cannot be used.",
            f"Send at most {MAX_BATCH_NAME} characters, all of which can be shown.",
        )
    return text
