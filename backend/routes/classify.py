"""POST /classify: what do these photos show?"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from backend.access import charge
from backend.contract import Classification, ClassifiedFile, ProblemDetails, WebhookTopic
from backend.deadline import Deadline, deadline
from backend.explain import PREDICTIONS, SIDE, asks_to_explain, explain_class, explained_class
from backend.http_errors import HttpError, problem_of
from backend.json_text import json_response
from backend.models.names import ModelNames
from backend.photos.disconnect import cancel_on_disconnect
from backend.photos.request_queue import RequestQueue
from backend.routes import plain_query
from backend.routes.classify_schema import CLASSIFY_EXTRA
from backend.routes.plain_query import PlainQueryRoute
from backend.uploads import SentPhotos, Uploads
from backend.webhooks.sender import WebhookSender
from serving.errors import ImageError, ModelNotServed, ServeryError
from serving.predict.prediction import Prediction

CLASSIFY_PATH = "/classify"
MAX_PHOTOS = 64
"""In one request."""
MAX_TOP = 1000
_MAX_VERSION = 2**63 - 1
_AT_ONCE = 8
"""Photos of one request that are classified at the same time: others have their turn between."""

_log = logging.getLogger(__name__)


class Classifier(Protocol):
    """The part of PredictClient that the service needs."""

    async def classify(
        self, jpeg: bytes, model: str | None = None, *, version: int | None = None
    ) -> Prediction:
        """Classify a normalized JPEG with a served model, or with the current one.

        Raises ImageError, ModelNotServed, ModelError, FleetUnavailable.
        """
        ...


def routes(
    classifier: Classifier,
    names: ModelNames,
    uploads: Uploads,
    queue: RequestQueue,
    sender: WebhookSender,
) -> tuple[APIRouter, PlainQueryRoute]:
    """Return the route, and the short way to it, which is to be looked at first."""
    router = APIRouter()

    @router.post(
        CLASSIFY_PATH,
        response_model=Classification | list[ClassifiedFile],
        openapi_extra=CLASSIFY_EXTRA,
    )
    async def classify(
        request: Request,
        wait: Deadline = None,
        model: Annotated[
            str | None, Query(description="A served model; without it the current one answers.")
        ] = None,
        version: Annotated[
            int | None,
            Query(
                ge=1, le=_MAX_VERSION, description="One that is loaded: the live one, or a canary."
            ),
        ] = None,
        top: Annotated[
            int | None, Query(ge=1, le=MAX_TOP, description="At most as many classes.")
        ] = None,
        explain: Annotated[
            str | None,
            Query(
                description="`true`, or a class that the answer ranks: which parts of the photo"
                f" speak for it, too. For one photo; takes about {PREDICTIONS} predictions.",
            ),
        ] = None,
    ) -> Response:
        """Say what a photo shows, or what each of several does.

        A photo is the field `file` of a form, the whole body, or base64 in JSON. Of several
        (`file` more than once, or `images` in JSON), each gets an answer or an error of its own,
        in their order. What nobody waits for any more is not computed: that of a caller who
        closes the connection, or whose `timeout` is over.
        """
        # Only in the query: what it takes is counted before the photo is read.
        explain = explain if asks_to_explain(explain) else None
        with queue.place(PREDICTIONS if explain else 1) as places:
            async with deadline(wait), uploads.photos(request, MAX_PHOTOS, takes_json=True) as sent:
                # How many photos there are is only known once they are here.
                places.grow(len(sent))
                fields = sent.fields
                asked = fields.get("model") or model
                version = _number(fields, "version", _MAX_VERSION) or version
                top = _number(fields, "top", MAX_TOP) or top
                if explain is None:
                    charge(request.scope, len(sent))
                    answering = answer(sent, asked, version, top)
                elif sent.is_list:
                    raise HttpError(
                        422,
                        "Only one photo at a time is explained, and the request has a list.",
                        "Send each photo in a request of its own, or leave out `explain`.",
                    )
                else:
                    charge(request.scope, PREDICTIONS)
                    answering = explained(sent, asked, version, top, explain)
                return await cancel_on_disconnect(request, answering)

    async def answer(
        sent: SentPhotos, model: str | None, version: int | None, top: int | None
    ) -> Response:
        if not sent.is_list:
            return json_response(await one(sent, 0, model, version, top))
        free = asyncio.Semaphore(_AT_ONCE)

        async def each(number: int) -> ClassifiedFile:
            async with free:
                name = sent.name(number)
                try:
                    result = await one(sent, number, model, version, top)
                    return ClassifiedFile(name, result)
                except Exception as error:
                    if not isinstance(error, ServeryError):
                        _log.error("A photo of several failed", exc_info=error)
                    return ClassifiedFile(name, problem=ProblemDetails(**problem_of(error)))

        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(each(number)) for number in range(len(sent))]
        return json_response([answered.result() for answered in answers])

    async def explained(
        sent: SentPhotos, model: str | None, version: int | None, top: int | None, explain: str
    ) -> Response:
        async with normalized(sent, 0) as jpeg:
            prediction = await predict(sent, jpeg, model, version)
            class_name = explained_class(prediction, explain)
            small = await sent.scaled(jpeg, SIDE)
            result = tell(prediction, jpeg, top)

        async def again(covered: bytes) -> Prediction:
            # By the version that gave the answer: a canary must neither answer nor be judged by it.
            return await classifier.classify(covered, prediction.model, version=prediction.version)

        explanation = await explain_class(small, class_name, again)
        return json_response(replace(result, explanation=explanation))

    async def one(
        sent: SentPhotos, number: int, model: str | None, version: int | None, top: int | None
    ) -> Classification:
        async with normalized(sent, number) as jpeg:
            return tell(await predict(sent, jpeg, model, version), jpeg, top)

    def normalized(sent: SentPhotos, number: int) -> AbstractAsyncContextManager[bytes]:
        # The instance decodes it all the same, which is the most of what a photo costs.
        return sent.normalized(number, is_decoded_later=True)

    async def predict(
        sent: SentPhotos, jpeg: bytes, model: str | None, version: int | None
    ) -> Prediction:
        try:
            return await ask(jpeg, model, version)
        except ImageError:
            await sent.check(jpeg)  # says what is wrong in the words of every other way in
            raise

    def tell(prediction: Prediction, jpeg: bytes, top: int | None) -> Classification:
        image = hashlib.sha256(jpeg).hexdigest()
        result = Classification(
            prediction.model,
            prediction.version,
            list(prediction.scores[:top]),
            prediction.milliseconds,
            prediction.is_unsure(),
            prediction.familiarity,
            image,
        )
        if result.unsure:
            sender.notify(WebhookTopic.UNSURE, partial(asdict, result))
        return result

    async def ask(jpeg: bytes, requested: str | None, version: int | None) -> Prediction:
        # Not the name of the current one, which may have changed by the time it answers.
        found = await names.find(requested) if requested else None
        try:
            return await classifier.classify(jpeg, found, version=version)
        except ModelNotServed:
            renamed = await names.find(requested)
            if renamed == found:
                raise
            return await classifier.classify(jpeg, renamed, version=version)

    plain = PlainQueryRoute(
        "POST",
        CLASSIFY_PATH,
        classify,
        {
            "model": ("model", plain_query.text),
            "version": ("version", plain_query.number(_MAX_VERSION)),
            "top": ("top", plain_query.number(MAX_TOP)),
            "explain": ("explain", plain_query.text),
            "timeout": ("wait", plain_query.deadline_seconds),
        },
    )
    return router, plain


def _number(fields: Any, name: str, maximum: int) -> int | None:
    """Return the number in a field of the form or the JSON; raises HttpError."""
    text = str(fields.get(name, "")).strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 20 and 0 < int(text) <= maximum:
        return int(text)
    raise HttpError(
        400, f"The field {name} is not a number from 1 to {maximum}.", "Send a whole number."
    )
