"""Turns methods into gRPC handlers, and ServingErrors into gRPC status codes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.tf.status import MAX_MESSAGE_LENGTH, Code, ServingError

log = logging.getLogger(__name__)

CallContext = Any
"""A `grpc.aio.ServicerContext`; grpc has no types."""

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_LARGE = 1 << 20


@dataclass(frozen=True)
class Method:
    """One method of a service."""

    request_type: Any
    answer: Callable[[Any, CallContext], Awaitable[Any]]
    """Returns the response message, or its bytes; raises ServingError."""


def service_handler(service: str, methods: Mapping[str, Method]) -> Any:
    """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.unary_unary_rpc_method_handler(_call(method))
            for name, method in methods.items()
        },
    )


def _call(method: Method) -> Callable[[bytes, CallContext], Awaitable[bytes]]:
    parse = method.request_type.FromString

    async def call(data: bytes, context: CallContext) -> bytes:
        try:
            try:
                large = len(data) > _LARGE
                request = await asyncio.to_thread(parse, data) if large else parse(data)
            except DecodeError:
                raise ServingError(Code.INTERNAL, "The request does not parse.") from None
            response = await method.answer(request, context)
            return response if isinstance(response, bytes) else response.SerializeToString()
        except ServingError as error:
            _set_status(context, error.code, error.message)
        except Exception as error:
            log.exception("A call failed with an unexpected error")
            _set_status(context, Code.INTERNAL, f"{type(error).__name__}: {error}")
        return b""

    return call


def _set_status(context: CallContext, code: Code, message: str) -> None:
    context.set_code(_GRPC_CODES[code])
    context.set_details(message[:MAX_MESSAGE_LENGTH])
