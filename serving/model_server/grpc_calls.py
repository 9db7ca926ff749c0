"""Turns methods into gRPC handlers, and ServingErrors into gRPC status codes.

A message is looked at before it is parsed, and counted before anything is made of it. If as many
requests wait as may, it is not even read.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.model_server.limits import RequestLimits
from serving.model_server.memory_budget import LARGE_BYTES, MemoryBudget, Share, run_in_thread
from serving.model_server.message_intake import MessageIntake
from serving.model_server.overload import RETRY_SECONDS, Overload, QueueFull
from serving.model_server.unzip import is_zipped, unzipped
from serving.tf.status import MAX_MESSAGE_LENGTH, Code, ServingError
from serving.tf.wire import measure

log = logging.getLogger(__name__)

CallContext = Any
"""A `grpc.aio.ServicerContext`; grpc has no types."""

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_RETRY = (("grpc-retry-pushback-ms", str(1000 * RETRY_SECONDS)),)
"""What gRPC's clients go by if they are configured to send refused calls again."""
_FEW_PARTS = 2_000
"""A message of no more is looked at and parsed within a millisecond or two."""


@dataclass(frozen=True)
class Call:
    """What a method may need to know besides the request."""

    context: CallContext
    share: Share
    """What the request takes so far of the memory of all requests."""


@dataclass(frozen=True)
class Method:
    """One method of a service."""

    request_type: Any
    answer: Callable[[Any, Call], Awaitable[Any]]
    """Returns the response message, or its bytes; raises ServingError."""
    is_full: Callable[[], bool] | None = None
    """Says whether there is no room for any request of the method, so that it is not read."""
    failures: Callable[[], AbstractContextManager[None]] = nullcontext
    """Counts what fails in its block, which is all that goes before `answer`."""


class Calls:
    """Makes the handlers of one server: with its limits, and one memory budget for all."""

    def __init__(
        self,
        limits: RequestLimits,
        budget: MemoryBudget,
        intake: MessageIntake,
        overload: Overload,
    ) -> None:
        self._limits, self._budget, self._intake = limits, budget, intake
        self._overload = overload

    def handler(self, service: str, methods: Mapping[str, Method]) -> Any:
        """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        # The handlers read the message themselves. To callers that makes no difference.
        return grpc.method_handlers_generic_handler(
            service,
            {
                name: grpc.stream_unary_rpc_method_handler(self._handler(method))
                for name, method in methods.items()
            },
        )

    def _handler(self, method: Method) -> Callable[[Any, CallContext], Awaitable[bytes]]:
        async def handle(_messages: Any, context: CallContext) -> bytes:
            try:
                if method.is_full is not None:
                    with method.failures():
                        await self._overload.admit(method.is_full)
                return await self._answer(method, context)
            except QueueFull as error:
                _set_status(context, error.code, error.message)
                context.set_trailing_metadata(_RETRY)
            except ServingError as error:
                _set_status(context, error.code, error.message)
            except Exception as error:
                log.exception("A call failed with an unexpected error")
                _set_status(context, Code.INTERNAL, f"{type(error).__name__}: {error}")
            return b""

        return handle

    async def _answer(self, method: Method, context: CallContext) -> bytes:
        try:
            with self._budget.share() as share:
                with method.failures():
                    request = await self._request(method, context, share)
                response = await method.answer(request, Call(context, share))
                if isinstance(response, bytes):
                    return response
                if share.is_large:
                    return bytes(await run_in_thread(response.SerializeToString))
                return bytes(response.SerializeToString())
        except QueueFull as error:
            # A new one, since the traceback of the first keeps in memory what was read.
            refusal = QueueFull(error.code, error.message)
        request = None
        await self._overload.hold()
        raise refusal

    async def _request(self, method: Method, context: CallContext, share: Share) -> Any:
        data = await self._intake.receive(context.read)
        if data is grpc.aio.EOF:
            raise ServingError(Code.INTERNAL, "The call has no request message.")
        share.grow(len(data))
        if is_zipped(data):
            zipped = data
            data = await run_in_thread(unzipped, zipped, self._limits.max_bytes, share)
            share.shrink(len(zipped))
        limit = self._limits.max_parts
        content = measure(data, method.request_type, _FEW_PARTS)
        if content is None:
            content = await run_in_thread(measure, data, method.request_type, limit)
        if content is None or (limit is not None and content.parts > limit):
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"The request has more than {limit} fields and list elements. "
                "Send it in smaller parts, or numbers as tensor_content.",
            )
        share.grow(content.memory)
        parse = method.request_type.FromString
        try:
            if content.parts > _FEW_PARTS or len(data) > LARGE_BYTES:
                request = await run_in_thread(parse, data)
            else:
                request = parse(data)
        except DecodeError:
            raise ServingError(Code.INTERNAL, "The request does not parse.") from None
        share.shrink(len(data))
        return request


def _set_status(context: CallContext, code: Code, message: str) -> None:
    context.set_code(_GRPC_CODES[code])
    context.set_details(message[:MAX_MESSAGE_LENGTH])
