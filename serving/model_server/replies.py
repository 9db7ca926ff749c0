"""How a method becomes a gRPC call, and an error of ours the status of one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from serving.model_server.status import MESSAGE_LIMIT, Code, ServingError

log = logging.getLogger(__name__)

CallContext = Any
"""A `grpc.aio.ServicerContext`; grpc has no types."""

Method = Callable[[Any, CallContext], Awaitable[Any]]

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def service_handler(service: str, methods: Mapping[str, tuple[Method, Any]]) -> Any:
    """Return the generic handler of a service: `methods` maps names to (method, request type)."""
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.unary_unary_rpc_method_handler(
                method,
                request_deserializer=request_type.FromString,
                response_serializer=_serialized,
            )
            for name, (method, request_type) in methods.items()
        },
    )


def _serialized(response: Any) -> bytes:
    return b"" if response is None else response.SerializeToString()


@contextmanager
def replied(context: CallContext) -> Iterator[None]:
    """Turn a ServingError, or anything unforeseen, into the call's status."""
    try:
        yield
    except ServingError as error:
        _refuse(context, error.code, error.message)
    except Exception as error:
        log.exception("A call failed for a reason that was not foreseen")
        _refuse(context, Code.INTERNAL, f"{type(error).__name__}: {error}")


def _refuse(context: CallContext, code: Code, message: str) -> None:
    context.set_code(_GRPC_CODES[code])
    context.set_details(message[:MESSAGE_LIMIT])
