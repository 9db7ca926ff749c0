"""The REST API, as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from google.protobuf.json_format import MessageToDict

from serving.http.origin import (
    SECURITY_HEADERS,
    headers_of,
    is_own_host,
    is_own_site,
    printable,
)
from serving.model_server import examples, rest_bodies
from serving.model_server.json_scan import check_json
from serving.model_server.limits import RequestLimits
from serving.model_server.memory_budget import LARGE_BYTES, MemoryBudget, Share, run, run_in_thread
from serving.model_server.model_service import ModelService
from serving.model_server.monitoring import Metrics
from serving.model_server.overload import RETRY_SECONDS, Overload, QueueFull
from serving.model_server.prediction_service import SIGNATURES_FIELD, PredictionService
from serving.model_server.scheduler import Prepare
from serving.model_server.unzip import unzipped
from serving.tf.messages import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)
from serving.tf.status import Code, ServingError, invalid, shortened

log = logging.getLogger(__name__)

_CHOICE = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION_PATH = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_CHOICE}:(?P<method>classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_MODEL_PATH = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_CHOICE}(?:/(?P<part>metadata))?",
    re.IGNORECASE | re.ASCII,
)
_API_PREFIX = "/v1/"
_INT64_DIGITS = 19
_JSON = "application/json"

_HTTP_CODES = {
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
_RETRY_STATUSES = (429, 503)
"""Of requests that may be sent again later."""
_MAX_ERROR = 4096
"""Characters of a message, which may quote what the caller sent."""
_CORS_HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Answer = tuple[int, str, str]
"""Status, content type and text."""


@dataclass(frozen=True)
class RestOptions:
    """How the REST API behaves."""

    seconds: float | None = 30.0
    """Time limit of a call."""
    cors: bool = False
    metrics_path: str | None = None
    """Where Prometheus finds the metrics; None: nowhere."""
    hosts: frozenset[str] = frozenset()
    """Names under which it is reached, besides addresses and localhost; in lower case."""


class RestApi:
    """Answers HTTP requests. Called by an ASGI server."""

    def __init__(
        self,
        predictions: PredictionService,
        models: ModelService,
        metrics: Metrics,
        options: RestOptions,
        limits: RequestLimits,
        budget: MemoryBudget,
        overload: Overload,
    ) -> None:
        self._predictions, self._models = predictions, models
        self._overload = overload
        self._metrics, self._options = metrics, options
        self._limits, self._budget = limits, budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = self._refusal(scope)
        if refusal:
            await self._send(send, 403, _JSON, _error_text(refusal))
            return
        path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
        prediction = self._prediction(scope, path)
        if not isinstance(prediction, re.Match):
            # If there is a body, the HTTP server reads and drops it.
            await self._send(send, *prediction)
            return
        try:
            with self._failures(prediction):
                await self._overload.admit(partial(self._predictions.is_full, _spec(prediction)))
            answer = await self._answer_body(scope, receive, prediction)
        except ServingError as error:
            answer = _failure(error)
        if answer is not None:
            await self._send(send, *answer)

    async def _answer_body(
        self, scope: Scope, receive: Receive, prediction: re.Match[str]
    ) -> Answer | None:
        """Return the answer to a request that is still to be read; None if its client is gone."""
        try:
            with self._budget.share() as share:
                with self._failures(prediction):
                    body = await self._read(scope, receive, share)
                if body is None:
                    return None
                working = self._answer(scope, prediction, body, share)
                del body
                return await _unless_disconnected(receive, working)
        except QueueFull as error:
            # A new one, since the traceback of the first keeps in memory what was read.
            refusal = QueueFull(error.code, error.message)
        await self._overload.hold()
        raise refusal

    def _prediction(self, scope: Scope, path: str) -> re.Match[str] | Answer:
        """Return which prediction is asked for, or the answer if that takes no body."""
        if path == self._options.metrics_path:
            return 200, "text/plain", self._metrics.prometheus_text()
        if not path.lower().startswith(_API_PREFIX):
            return 404, "text/html", "<h1>Not Found</h1>"
        if scope["method"] == "OPTIONS" and self._options.cors:
            return 200, _JSON, ""
        try:
            if scope["method"] != "POST" or not (found := _PREDICTION_PATH.fullmatch(path)):
                return 200, _JSON, self._about_models(scope["method"], path)
            if _may_be_large(scope):
                with self._failures(found):
                    self._predictions.require(_spec(found))
        except Exception as error:
            return _failure(error)
        return found

    def _failures(self, prediction: re.Match[str]) -> AbstractContextManager[None]:
        """Count what fails in the block, before the prediction itself begins."""
        return self._metrics.failures(unquote(prediction["name"]))

    def _refusal(self, scope: Scope) -> str:
        """Say why a request of another web site is refused; empty for all others."""
        headers = headers_of(scope)
        host = headers.get("host", "")
        if not is_own_host(host, self._options.hosts):
            return (
                f"The host name {printable(host)} is not allowed. Use an address or localhost, or "
                "start the server with --allow_host and this name."
            )
        if not (self._options.cors or is_own_site(headers)):
            return (
                "Another web site sent this request, so it was refused. Start the server with "
                "--rest_api_enable_cors_support if all sites may use it."
            )
        return ""

    async def _read(self, scope: Scope, receive: Receive, share: Share) -> bytearray | None:
        """Return the whole body; None if the client disconnected.

        Raises ServingError as soon as it turns out to be too large. What comes after the
        answer, the HTTP server reads and drops.
        """
        limit = self._limits.max_bytes
        if limit is not None and _declared_length(scope) > limit:
            raise _TooLarge(limit)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            if limit is not None and len(body) + len(piece) > limit:
                raise _TooLarge(limit)
            share.grow(len(piece))
            body += piece
            if not message.get("more_body"):
                return body

    async def _send(self, send: Send, status: int, content_type: str, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(data)).encode()),
        ]
        if status in _RETRY_STATUSES:
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        if self._options.cors:
            headers.extend(_CORS_HEADERS)
        else:
            headers.extend(SECURITY_HEADERS)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    async def _answer(
        self, scope: Scope, prediction: re.Match[str], body: bytearray, share: Share
    ) -> Answer:
        method = prediction["method"].lower()
        try:
            spec = _spec(prediction)
            with self._failures(prediction):
                document = await self._document(scope, body, share)
            return 200, _JSON, await self._infer(method, spec, document, share)
        except QueueFull:
            raise
        except Exception as error:
            return _failure(error)

    def _about_models(self, verb: str, path: str) -> str:
        if verb == "GET" and (found := _MODEL_PATH.fullmatch(path)):
            if found["name"] is None:
                raise invalid("Missing model name in request.")
            return self._metadata(_spec(found)) if found["part"] else self._status(_spec(found))
        raise invalid(f"Malformed request: {verb} {path}")

    async def _document(self, scope: Scope, body: bytearray, share: Share) -> dict[str, Any]:
        """Parse a body, and free it."""
        data, size = bytes(body), len(body)
        body.clear()
        if data and b"gzip" in _header(scope, b"content-encoding").lower():
            data = await run_in_thread(unzipped, data, self._limits.max_bytes, share)
            share.shrink(size)
            size = len(data)
        share.grow(await run(share, check_json, data, self._limits))
        document: dict[str, Any] = await run(share, rest_bodies.parse_object, data)
        share.shrink(size)
        return document

    async def _infer(self, method: str, spec: Any, document: dict[str, Any], share: Share) -> str:
        limits = self._limits
        if method == "predict":
            prepare = partial(rest_bodies.prepare_predict, limits=limits)
            text: str = await self._compute("Predict", spec, prepare, document, share)
            return text
        if method == "classify":
            request = await run(
                share,
                rest_bodies.fill_examples,
                document,
                classification_pb2.ClassificationRequest(),
            )
            prepare = partial(examples.prepare_classify, limits=limits)
            response = await self._compute("Classify", spec, prepare, request, share)
            return str(await run(share, rest_bodies.classification_text, response))
        request = await run(
            share, rest_bodies.fill_examples, document, regression_pb2.RegressionRequest()
        )
        prepare = partial(examples.prepare_regress, limits=limits)
        response = await self._compute("Regress", spec, prepare, request, share)
        return str(await run(share, rest_bodies.regression_text, response))

    async def _compute(
        self, api: str, spec: Any, prepare: Prepare, request: Any, share: Share
    ) -> Any:
        seconds = self._options.seconds
        return await self._predictions.answer(api, "REST", spec, prepare, request, seconds, share)

    def _status(self, spec: Any) -> str:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json.dumps(_as_dict(self._models.status(request)), indent=1) + "\n"

    def _metadata(self, spec: Any) -> str:
        response = self._predictions.metadata(
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=[SIGNATURES_FIELD]
            )
        )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURES_FIELD].Unpack(signatures)
        document = {
            "model_spec": {"signature_name": "", **_as_dict(response.model_spec)},
            "metadata": {SIGNATURES_FIELD: _as_dict(signatures)},
        }
        return json.dumps(document, indent=1) + "\n"


def _as_dict(message: Any) -> dict[str, Any]:
    fields: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields


def _spec(found: re.Match[str]) -> Any:
    spec = model_pb2.ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        digits = found["version"].lstrip("0") or "0"
        # Compared by length first: Python refuses to read a number of thousands of digits.
        if len(digits) > _INT64_DIGITS or int(digits) >= 2**63:
            raise invalid(f"Failed to convert version: {found['version']} to numeric.")
        spec.version.value = int(digits)
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return spec


def _error_text(message: str) -> str:
    return json.dumps({"error": message}, indent=4)


class _TooLarge(ServingError):
    def __init__(self, limit: int) -> None:
        super().__init__(Code.INVALID_ARGUMENT, f"The request body is larger than {limit} bytes.")


def _failure(error: Exception) -> Answer:
    if not isinstance(error, ServingError):
        log.error("A call failed with an unexpected error", exc_info=error)
        return 500, _JSON, _error_text(f"{type(error).__name__}: {error}")
    status = 413 if isinstance(error, _TooLarge) else _HTTP_CODES.get(error.code, 500)
    return status, _JSON, _error_text(shortened(error.message, _MAX_ERROR))


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _declared_length(scope: Scope) -> int:
    length = _header(scope, b"content-length")
    return int(length) if length.isdigit() else 0


def _may_be_large(scope: Scope) -> bool:
    return _declared_length(scope) > LARGE_BYTES or bool(_header(scope, b"transfer-encoding"))


async def _unless_disconnected(
    receive: Receive, answer: Coroutine[Any, Any, Answer]
) -> Answer | None:
    """Return the answer; None, with the work cancelled, if the client disconnects."""
    # Once the body has been read, the next message can only be the disconnect.
    working = asyncio.create_task(answer)
    disconnecting = asyncio.ensure_future(receive())
    try:
        await asyncio.wait([working, disconnecting], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        disconnecting.cancel()
        working.cancel()
        # It ends at once, unless a thread works for it: what that takes counts until then.
        await asyncio.wait([working])
